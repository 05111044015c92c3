"""What was sent to people who had said no is found: in the decision log and in gateways' own files, with the lag."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uuid_utils
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.bootstrap import open_ledger
from consumers.settings import Settings
from consumers.violations.judging import REVOKED, Judge
from consumers.violations.moments import Moments
from consumers.violations.noes import Noes
from consumers.violations.sends import Message as Kind
from consumers.violations.sends import Send, Sends, take_decisions
from ledger.adapters.memory_log import MemoryLog
from ledger.decisions import Stored
from ledger.log import Log
from ledger.requests import OpenFollowUp, Operate
from schemas.errors import TimeError
from schemas.events import OPERATOR_SENDERS, TrafficHalted, TrafficResumed
from schemas.subject import parse_contact
from schemas.times import parse_time
from tests.consumers.commands import OFFERS, Commands
from tests.consumers.facts_log import FactsLog
from tests.contracts.decisions import decision
from tests.histories import history, questions
from tests.reference_model import answer

PRIMARY, SECOND, STRANGER = "+14165550101", "+14165550102", "+14165550199"
MOMENTS = Moments(None)
LATER = "2030-01-01T00:00:00Z"
MESSAGE = ("--default", "channel=sms", "--default", "purpose=marketing.offers")


@pytest.fixture
def case(commands: Commands) -> Commands:
    """The case of 2014: the account opted out, and the outdated procedure flagged its primary number only."""
    for number in (PRIMARY, SECOND):
        commands.json("link", "account:ACC-77", number)
        commands.json("grant", number, *OFFERS, "--brand", "acme", "--basis", "express")
    commands.json("revoke", PRIMARY, "--actor", "agent:ada", "--procedure", "opt-out@1", "--reach", "contact")
    return commands


def sent(commands: Commands, *rows: tuple[str, str, str], header: str = "number,sent_at,gateway") -> str:
    """A gateway's file."""
    file = commands.home.parent / "sends.csv"
    file.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return str(file)


def millis(of: Commands, event_id: str) -> str:
    return str(of.json("confirm", event_id)["recorded_at"])


# --- the case of 2014


def test_the_number_that_was_not_flagged_is_found_only_once_its_account_said_no(case: Commands) -> None:
    file = sent(case, (PRIMARY, LATER, "sms-1"), (SECOND, LATER, "sms-1"), (STRANGER, LATER, "sms-1"))
    [line] = case.lines("violations", "--sends", file, *MESSAGE, code=1)
    assert (line["subject"], line["reason"]) == ("+1416•••0101", "revoked_by_number")

    no = case.json("revoke", "account:ACC-77", "--actor", "agent:ada", "--procedure", "opt-out@2")
    lines = case.lines("violations", "--sends", file, *MESSAGE, code=1)
    found = {one["subject"]: one for one in lines}
    assert set(found) == {"+1416•••0101", "+1416•••0102"}
    second = found["+1416•••0102"]
    assert (second["reason"], second["events"]) == ("revoked_by_account", [no["event_id"]])
    assert (second["recorded_at"], second["after"]) == (no["recorded_at"], "enforced")
    assert second["gateway"] == "sms-1"
    assert second["source"] == "sends.csv:3"


def test_who_was_affected_by_which_gateway_from_when_to_when(case: Commands) -> None:
    days = [f"2030-01-{day:02}T10:00:00Z" for day in range(1, 11)]
    rows = [(PRIMARY, day, "sms-1") for day in days] + [(PRIMARY, days[4], "sms-2")]
    first, second = case.lines("violations", "--affected", "--sends", sent(case, *rows), *MESSAGE, code=1)
    assert (first["gateway"], first["sends"], first["after_enforced"]) == ("sms-1", 10, 10)
    assert (first["first_at"], first["last_at"]) == ("2030-01-01T10:00:00.000Z", "2030-01-10T10:00:00.000Z")
    assert (second["gateway"], second["sends"]) == ("sms-2", 1)
    words = case("violations", "--sends", sent(case, *rows), *MESSAGE)
    assert "11 messages sent; 11 of them, to 1 contact(s), against a no" in words.out
    assert "10  by sms-1" in words.out


def test_nothing_is_found_where_nobody_who_said_no_was_texted(case: Commands) -> None:
    before = "2020-01-01T00:00:00Z"
    answer = case("violations", "--sends", sent(case, (SECOND, LATER, "a"), (PRIMARY, before, "a")), *MESSAGE)
    assert answer.code == 0
    assert "2 messages sent; 0 of them" in answer.out


# --- from the decision log


def test_allowed_decisions_are_sends_and_denied_ones_are_none(case: Commands) -> None:
    for number in (PRIMARY, SECOND):
        case("decide", number, *OFFERS, "--log", "--gateway", "sms-1")
    assert case.lines("violations") == []
    # A gateway that asked about a moment at which the ledger knew of no no, long after it was recorded.
    stale = case.json("decide", SECOND, *OFFERS, "--log", "--at", "2029-01-01T00:00:00Z", "--gateway", "old")
    assert case.lines("violations") == []
    case.json("revoke", "account:ACC-77")
    [line] = case.lines("violations", code=1)
    assert (line["source"], line["gateway"]) == (stale["decision_id"], "old")


@pytest.mark.parametrize("ending", ['"shadow":false,"rechecks":null}', '"shadow":false}', '"staleness_ms":200}'])
def test_what_is_told_of_a_record_without_reading_it_is_what_it_says(ending: str) -> None:
    """Nearly all go to people who never said no, and are counted by what stands in their bytes, if we wrote them."""
    said = [
        decision(allowed=True), decision(), decision(shadow=True), decision(shadow=True, allowed=True),
        decision(allowed=True, rechecks=str(uuid_utils.uuid7())), decision(rechecks=str(uuid_utils.uuid7())),
    ]  # fmt: skip
    ours = [one.model_dump_json().replace('"shadow":false,"rechecks":null}', ending) for one in said]
    assert ours[0].endswith(ending)
    spaced = [json.dumps(json.loads(value)) for value in ours]
    backwards = [json.dumps(dict(reversed(json.loads(value).items())), separators=(",", ":")) for value in ours]
    counts = []
    for values in (ours, spaced, backwards):
        sends = Sends(Noes(cast(Log, MemoryLog(1))))
        stored = [Stored(1, bytes(16), value.encode()) for value in values]
        assert take_decisions(sends, [*stored, Stored(1, bytes(16), b"poison" + ending.encode())]) == 1
        counts.append(sends.count)
    assert counts == [4 - 2] * 3  # of the four that went out two are answers to what is taken back


# --- since when


def test_a_message_that_waited_and_was_asked_about_again_is_one_send(case: Commands) -> None:
    first = case.json("decide", SECOND, *OFFERS, "--log")["decision_id"]
    second = case.json("decide", SECOND, *OFFERS, "--log", "--rechecks", first)["decision_id"]
    case.json("revoke", "account:ACC-77")
    case.json("decide", SECOND, *OFFERS, "--log", "--rechecks", second, code=1)
    case.json("decide", STRANGER, "--channel", "sms", "--purpose", "service", "--log")
    assert case("violations").out.startswith("1 messages sent; 0 of them")
    assert case("violations", "--since", "2020-01-01T00:00:00Z").out.startswith("1 messages sent; 0 of them")
    assert case("decide", SECOND, *OFFERS, "--log", "--rechecks", "the last one").code == 2


def test_a_send_that_was_not_made_after_all_is_no_violation(case: Commands) -> None:
    at = ("--at", LATER)
    first = case.json("decide", SECOND, *OFFERS, *at, "--log")["decision_id"]
    no = case.json("revoke", "account:ACC-77")["event_id"]
    [line] = case.lines("violations", "--all-reasons", code=1)
    assert line["events"] == [no]
    case.json("decide", SECOND, *OFFERS, *at, "--log", "--rechecks", first, code=1)
    assert case.lines("violations", "--all-reasons") == []


# --- what was denied for another reason than a no


def test_sends_that_were_denied_for_other_reasons_are_told_apart_and_come_after_the_noes(case: Commands) -> None:
    early = (SECOND, "2001-01-01T00:00:00Z", "sms-1")
    rows = [(STRANGER, LATER, "sms-1"), (SECOND, LATER, "sms-1"), (PRIMARY, LATER, "sms-1")]
    file = sent(case, *rows, early)
    asked = ("violations", "--sends", file, *MESSAGE)
    assert [one["reason"] for one in case.lines(*asked, code=1)] == ["revoked_by_number"]

    found = case.lines(*asked, "--all-reasons", code=1)
    assert [(one["reason"], one["source"]) for one in found] == [
        ("revoked_by_number", "sends.csv:4"), ("no_consent", "sends.csv:2"), ("no_consent", "sends.csv:5"),
    ]  # fmt: skip
    assert [one["after"] for one in found] == ["enforced", None, None]
    assert found[1]["recorded_at"] is None
    said = case(*asked, "--all-reasons").out
    assert "1 of them, to 1 contact(s), against a no" in said
    assert "2  no_consent: nobody said yes" in said
    groups = case.lines(*asked, "--all-reasons", "--affected", code=1)
    assert {one["reason"]: one["recorded_at"] is None for one in groups} == {"revoked": False, "no_consent": True}


def test_sends_past_the_stop_switch_are_told_with_when_it_was_recorded(case: Commands) -> None:
    halt = case.json("halt", "--channel", "sms", "--purpose", "*", "--brand", "*")
    file = sent(case, (PRIMARY, LATER, "sms-1"), (SECOND, LATER, "sms-1"), (SECOND, "2001-01-01T00:00:00Z", "sms-1"))
    no, halted, silent = case.lines("violations", "--sends", file, *MESSAGE, "--all-reasons", code=1)
    assert (no["reason"], halted["reason"], silent["reason"]) == ("revoked_by_number", "halted", "no_consent")
    assert (halted["events"], halted["recorded_at"]) == ([halt["event_id"]], halt["recorded_at"])
    assert halted["subject"] == "+1416•••0102"


def test_sends_of_a_suspended_sender_and_to_who_is_held_are_told(case: Commands) -> None:
    file = sent(case, (SECOND, LATER, "12345"), header="number,sent_at,sender")
    asked = ("violations", "--sends", file, *MESSAGE, "--all-reasons")
    assert case.lines(*asked) == []
    suspended = {"sender": "12345", "reason": "suspended"}
    with open_ledger(Settings(home=case.home)) as ledger:
        ledger.recorder.record(Operate(type="SenderSuspended", subject=OPERATOR_SENDERS, details=suspended))
    assert [one["reason"] for one in case.lines(*asked, code=1)] == ["sender_unreachable"]
    with open_ledger(Settings(home=case.home)) as ledger:
        ledger.recorder.record(OpenFollowUp(subject=parse_contact(SECOND, None), reason="complaint", holds=True))
    found = case.lines(*asked, code=1)
    assert [one["reason"] for one in found] == ["held_for_review"]


def test_the_lag_runs_from_when_the_no_was_recorded_however_early_it_was_said(case: Commands) -> None:
    no = case.json("revoke", SECOND, "--occurred-at", "2014-05-12T00:00:00Z", "--reach", "contact")
    [line] = case.lines("violations", "--sends", sent(case, (SECOND, LATER, "a")), *MESSAGE, code=1)
    assert line["recorded_at"] == no["recorded_at"]


def test_a_no_that_a_yes_had_lifted_runs_from_when_the_yes_ran_out(case: Commands) -> None:
    case.json("revoke", SECOND, "--reach", "contact")
    case.json(
        "grant", SECOND, *OFFERS, "--brand", "acme", "--basis", "express", "--valid-until", "2028-01-01T00:00:00Z"
    )
    file = sent(case, (SECOND, "2027-06-01T00:00:00Z", "a"), (SECOND, "2028-01-01T00:00:01Z", "a"))
    [line] = case.lines("violations", "--sends", file, *MESSAGE, code=1)
    assert (line["sent_at"], line["lag_s"]) == ("2028-01-01T00:00:01.000Z", 1.0)
    assert line["after"] == "enforced"


def test_a_number_that_joined_an_account_after_its_no_runs_from_the_joining(case: Commands) -> None:
    case.json("revoke", "account:OTHER")
    link = case.json("link", "account:OTHER", STRANGER)
    [line] = case.lines("violations", "--sends", sent(case, (STRANGER, LATER, "a")), *MESSAGE, code=1)
    assert (line["reason"], line["recorded_at"]) == ("revoked_by_account", link["recorded_at"])


def test_a_former_member_is_still_protected_by_the_account_that_it_left(case: Commands) -> None:
    case.json("revoke", "account:ACC-77")
    case.json("unlink", "account:ACC-77", SECOND)
    [line] = case.lines("violations", "--sends", sent(case, (SECOND, LATER, "a")), *MESSAGE, code=1)
    assert line["reason"] == "revoked_by_account"


def test_a_no_that_was_corrected_is_none_from_then_on(case: Commands) -> None:
    no = case.json("revoke", SECOND, "--reach", "contact")
    case.json("correct", no["event_id"], "--role", "corrector")
    assert case.lines("violations", "--sends", sent(case, (SECOND, LATER, "a")), *MESSAGE) == []


def test_codes_that_never_need_consent_are_no_violations(case: Commands) -> None:
    file = sent(case, (PRIMARY, LATER, "a"))
    codes = ("--default", "channel=sms", "--default", "purpose=service.codes")
    assert case.lines("violations", "--sends", file, *codes) == []


# --- files of every kind


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_format_says_the_same(case: Commands, tmp_path: Path, form: str) -> None:
    rows = [
        {"To": PRIMARY, "When": LATER, "channel": "sms", "purpose": "marketing.offers", "sender": "12345", "cost": "7"},
        {"To": STRANGER, "When": LATER, "channel": "sms", "purpose": "marketing.offers", "sender": "", "cost": "7"},
    ]
    file = tmp_path / f"log.{form}"
    if form == "csv":
        with file.open("w", newline="") as text:
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif form == "jsonl":
        file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    [line] = case.lines(
        "violations", "--sends", str(file), "--map", "number=To", "--map", "sent_at=When", code=1
    )  # fmt: skip
    assert (line["subject"], line["sender"], line["gateway"]) == ("+1416•••0101", "12345", "unknown")


def test_rows_that_cannot_be_understood_are_kept_with_line_and_reason(case: Commands, tmp_path: Path) -> None:
    file = sent(
        case, (SECOND, LATER, "a"), ("12", LATER, "a"), (PRIMARY, "yesterday", "a"), ("", LATER, "a"),
        (PRIMARY, LATER, "a"), (PRIMARY, LATER, "a", "too many"),
    )  # fmt: skip
    rejects = tmp_path / "rejects.csv"
    answer = case("violations", "--sends", file, *MESSAGE, "--rejects", str(rejects), "--json")
    assert answer.code == 1
    assert len(answer.lines) == 1
    assert "4 rows could not be understood" in answer.err
    with rejects.open(newline="") as text:
        found = {int(row["reject_line"]): row["reject_reason"] for row in csv.DictReader(text)}
    assert sorted(found) == [3, 4, 5, 7]
    assert "yesterday" in found[4]
    assert "neither a number nor an address" in found[5]


@pytest.mark.parametrize(
    ("header", "options", "says"),
    [
        ("phone,sent_at,gateway", MESSAGE, "whom it went to"),
        ("number,time,gateway", MESSAGE, "--map sent_at=COLUMN"),
        ("number,sent_at,gateway", MESSAGE[:2], "no column says purpose"),
        ("number,sent_at,gateway", (*MESSAGE, "--map", "number=Phone"), "no column 'Phone'"),
        ("number,sent_at,gateway", (*MESSAGE, "--map", "colour=gateway"), "no field of a send"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_explained(
    case: Commands, header: str, options: tuple[str, ...], says: str
) -> None:
    answer = case("violations", "--sends", sent(case, (PRIMARY, LATER, "a"), header=header), *options)
    assert answer.code == 2
    assert says in answer.err


def test_only_a_time_is_searched_where_one_is_named(case: Commands) -> None:
    file = sent(case, (PRIMARY, LATER, "a"), (PRIMARY, "2031-01-01T00:00:00Z", "a"))
    assert len(case.lines("violations", "--sends", file, *MESSAGE, "--since", "2030-06-01T00:00:00Z", code=1)) == 1
    assert len(case.lines("violations", "--sends", file, *MESSAGE, "--until", LATER)) == 0


def test_a_list_shows_no_number_unless_somebody_looks_and_that_is_on_record(case: Commands, tmp_path: Path) -> None:
    file, out = sent(case, (PRIMARY, LATER, "a")), tmp_path / "found.csv"
    assert case("violations", "--sends", file, *MESSAGE, "--out", str(out)).code == 1
    assert "4165550101" not in out.read_text()
    assert case.lines("looks") == []
    [line] = case.lines("violations", "--sends", file, *MESSAGE, "--reveal", "--actor", "agent:eve", code=1)
    assert line["subject"] == PRIMARY
    [look] = case.lines("looks")
    assert "violations" in look["what"]


# --- held against what is slower


@given(
    st.integers(0, 253_000_000_000), st.sampled_from(("", ".5", ".123", ".123456", ".9994")),
    st.sampled_from(("Z", "z", "+00:00", "+05:30", "-04:00", "")), st.sampled_from("T t"),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_a_time_is_read_as_everywhere_however_it_is_spelled(
    second: int, fraction: str, offset: str, between: str
) -> None:
    when = datetime.fromtimestamp(second, UTC)
    text = f"{when:%Y-%m-%d}{between}{when:%H:%M:%S}{fraction}{offset}".rjust(20, "0")
    outcomes = []
    for read in (MOMENTS, parse_time, MOMENTS):
        try:
            outcomes.append(read(text))
        except TimeError:
            outcomes.append(None)
    assert len(set(outcomes)) == 1, text


@pytest.mark.parametrize("text", ["2026-11-22T10:00:60Z", "2026-11-22T10:00:0xZ", "2026-11-22T10:00:٠١Z", "2026-11-22"])
def test_what_is_no_time_is_none_also_within_a_minute_that_was_read(text: str) -> None:
    assert MOMENTS("2026-11-22T10:00:00Z") == parse_time("2026-11-22T10:00:00Z")
    with pytest.raises(TimeError):
        MOMENTS(text)


# --- held against the reference model


@given(seed=st.integers(0, 1 << 32))
@example(seed=6454)  # a yes that says to be of a later time than it was recorded at runs out by the earlier one
@settings(max_examples=25, deadline=None)
def test_what_is_found_is_what_the_reference_model_denies_by_a_no_as_known_then(seed: int) -> None:
    rng = Random(seed)
    story = history(rng, events=rng.randint(3, 45), partitions=rng.choice((1, 3)))
    log = cast(Log, FactsLog(story.facts, story.partitions))
    talk = [fact for fact in story.facts if not isinstance(fact.event, TrafficHalted | TrafficResumed)]
    sends, expected = Sends(Noes(log)), set()
    for number, message in enumerate(questions(rng, story, count=60), 1):
        known = {
            partition: sum(
                fact.position.partition == partition and fact.recorded_at < message.at for fact in story.facts
            )
            for partition in range(story.partitions)
        }
        if answer(talk, message, known)[1] in REVOKED:
            expected.add(number)
        subject = bytes.fromhex(message.contact)
        place = sends.place(subject)
        kind = Kind("email", message.channel, message.purpose, message.brand, message.sender, "a")
        if place >= 0:
            sends.add(place, message.at, kind, number.to_bytes(16))
    found = list(Judge(log).violations(sends.by_contact()))
    assert {int(one.send.source.rpartition(":")[2]) for one in found} == expected
    for one in found:
        must_have_stood(Judge(log), one.send, one.cause.recorded_at)


def must_have_stood(judge: Judge, send: Send, since: int) -> None:
    """From right after it began the no stood against the same message, and it began before the message went out."""
    assert since < send.at
    assert [one.send.at for one in judge.violations([send._replace(at=since + 1)])] == [since + 1]
