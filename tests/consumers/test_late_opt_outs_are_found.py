"""An opt-out that was not in force everywhere in time is found; one reading of all receipts says what one by one do."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.confirm import NoReceipts, take_register
from consumers.confirmation import MARGIN, Enforcement, Tally, Target, Told
from consumers.deadlines import deadline, deadlines, length
from consumers.enforcing import Enforcing, Register, Watched
from consumers.late import Late, late, noes
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry, Position
from projections.history import entries
from projections.log_view import LogView
from schemas.distributed import Receipt
from schemas.encoding import encode
from schemas.errors import InputError
from schemas.events import OPERATOR_GATEWAYS, Event
from schemas.times import parse_time, rfc3339
from tests.consumers.commands import Commands
from tests.controls import event, event_id
from tests.histories import make_event

START = 1_000_000_000
LEASE = 30_000
PROCESSES = [event_id(901), event_id(902), event_id(903)]


class Stored:
    """Receipts as a topic holds them."""

    def __init__(self, told: Sequence[Told], now: int) -> None:
        self._told, self._now = told, now
        self._from = 0

    def since(self, at: int) -> None:
        self._from = next((place for place, one in enumerate(self._told) if one.at >= at), len(self._told))

    def told(self) -> Iterator[Told]:
        return iter(self._told[self._from :])

    def now(self) -> int:
        return self._now


def told(at: int, offset: int, process: str, state: str = "current") -> Told:
    receipt = Receipt.model_validate(
        {
            "gateway": f"sms-{PROCESSES.index(process) + 1}", "process": process, "at": 5, "watermark": {0: offset},
            "lease_ms": LEASE, "fresh_for_ms": 0, "policy": "default@1", "state": state,
        }
    )  # fmt: skip
    return Told(receipt, at)


def appended(log: MemoryLog, said: Event) -> None:
    log.append([Entry(said.subject, encode(said), said.event_id, said.event_id, said.content)])


def gateway_event(kind: str, process: str, at: int, number: int) -> Event:
    return make_event(
        kind, kind="operator", subject=OPERATOR_GATEWAYS, event_id=event_id(number), occurred_at=at,
        idempotency_key=f"{number:032x}", gateway=f"sms-{PROCESSES.index(process) + 1}", process=process,
    )  # fmt: skip


class World(NamedTuple):
    """A log of gateways, receipts, and opt-outs with the moment at which each is in force in time."""

    log: MemoryLog
    told: list[Told]
    watched: list[Watched[int]]
    now: int


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Gateways that come and go, stall and stop telling; opt-outs in bursts."""
    step = st.sampled_from([0, 1, 400, 1_000, 1_000, 6_000, 40_000, 700_000])
    at = START
    log = MemoryLog(1, clock=lambda: at)
    receipts, watched, number = [], [], 0
    marks = dict.fromkeys(PROCESSES, 0)
    for _ in range(draw(st.integers(0, 40))):
        at += draw(step)
        process = draw(st.sampled_from(PROCESSES))
        match draw(st.sampled_from(["no", "no", "tell", "tell", "tell", "tell", "stall", "end", "register", "retire"])):
            case "no":
                until = at + draw(st.sampled_from([-1, 0, 900, 5_000, 20_000, 100_000]))
                watched.append(Watched(len(watched), Target.of_event({1: Position(0, len(watched))}, at), until))
            case "tell":
                marks[process] = len(watched)
                receipts.append(told(at, marks[process], process))
            case "stall":
                receipts.append(told(at, marks[process], process))
            case "end":
                receipts.append(told(at, marks[process], process, "ended"))
            case "register" | "retire" as verb:
                number += 1
                kind = "GatewayRegistered" if verb == "register" else "GatewayRetired"
                appended(log, gateway_event(kind, process, at, number))
    return World(log, receipts, watched, at + draw(step))


def confirmed(log: MemoryLog, receipts: Sequence[Told], target: Target, now: int) -> Enforcement:
    """As `confirm` finds it, for one event."""
    register = Register(log)
    tally = Tally(target)
    take_register(tally, entries(LogView(log).parts(OPERATOR_GATEWAYS)), register.leases.longest_by(target.recorded_at))
    look_at = target.recorded_at + MARGIN
    for one in receipts:
        if one.at >= target.recorded_at - register.window:
            tally.take(one)
            if one.at > look_at:
                look_at = one.at + MARGIN
                if tally.settled(one.at).enforced:
                    return tally.settled(one.at)
    return tally.settled(max([now, *(one.at for one in receipts)]))


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_one_reading_of_all_receipts_says_of_each_event_what_a_confirmation_says(world: World) -> None:
    enforcing: Enforcing[int] = Enforcing(Register(world.log), Stored(world.told, world.now))
    found = dict(enforcing.of(world.watched))
    expected = {}
    for watched in world.watched:
        enforcement = confirmed(world.log, world.told, watched.target, world.now)
        if enforcement.at is None or enforcement.at > watched.until:
            expected[watched.what] = enforcement
    assert found == expected


def test_a_gateway_that_had_it_last_is_named_with_the_lag() -> None:
    log = MemoryLog(1, clock=lambda: START)
    appended(log, event("PreferenceRevoked", occurred_at=START, received_at=START))
    receipts = Stored(
        [
            *(told(START - 500, 0, process) for process in PROCESSES[:2]),
            told(START + 300, 1, PROCESSES[0]),
            told(START + 90_000, 1, PROCESSES[1]),
        ],
        START + 100_000,
    )

    def in_time(limit: int) -> list[Late]:
        return list(late(log, receipts, noes(log, "received", lambda at: at + limit), START + 100_000))

    [found] = in_time(30_000)
    assert found.slowest() == ["sms-2"]
    assert found.lag_ms(START + 100_000) == LEASE + MARGIN - 500, "its lease ran out before it told again"
    assert in_time(LEASE + MARGIN) == []


def test_an_opt_out_that_is_not_yet_due_is_not_late() -> None:
    log = MemoryLog(1, clock=lambda: START)
    appended(log, event("PreferenceRevoked", occurred_at=START, received_at=START))
    receipts = Stored([told(START - 500, 0, PROCESSES[0])], START + 2_000)
    due_later = noes(log, "received", lambda at: at + 60_000)
    assert list(late(log, receipts, due_later, START + 2_000)) == []
    due_before = noes(log, "received", lambda at: at + 1_000)
    [found] = late(log, receipts, due_before, START + 2_000)
    assert (found.enforcement.at, found.slowest()) == (None, ["sms-1"])


def test_without_gateways_what_was_recorded_late_is_late() -> None:
    log = MemoryLog(1, clock=lambda: START)
    appended(log, event("PreferenceRevoked", occurred_at=START - 5_000, received_at=START - 100))
    assert list(late(log, NoReceipts(), noes(log, "received", lambda at: at + 100), START)) == []
    [found] = late(log, NoReceipts(), noes(log, "said", lambda at: at + 100), START)
    assert found.enforcement.at == START


@pytest.mark.parametrize(
    ("name", "said", "last"),
    [
        ("us-tcpa", "2026-11-02T15:00:00Z", "2026-11-17T04:59:59.999Z"),  # a Monday; ten business days, New York
        ("us-tcpa", "2026-11-03T03:00:00Z", "2026-11-17T04:59:59.999Z"),  # still Monday in New York
        ("us-tcpa", "2026-11-07T15:00:00Z", "2026-11-21T04:59:59.999Z"),  # a Saturday: ten from the Monday on
        ("ca-dnc", "2026-03-01T15:00:00Z", "2026-03-16T03:59:59.999Z"),  # over the change of clocks
    ],
)
def test_a_deadline_of_the_law_ends_with_a_day_where_its_people_live(name: str, said: str, last: str) -> None:
    assert rfc3339(deadline(name).by(parse_time(said))) == last


def test_every_deadline_says_its_law_and_how_well_it_was_checked() -> None:
    for found in deadlines().values():
        assert (found.days is None) != (found.business_days is None)
        assert found.law
        assert found.checked in ("text", "secondary")


@pytest.mark.parametrize(("text", "millis"), [("500ms", 500), ("30s", 30_000), ("2h", 7_200_000), ("10d", 864_000_000)])
def test_a_length_of_time_names_its_unit(text: str, millis: int) -> None:
    assert length(text) == millis


@pytest.mark.parametrize("text", ["10", "1 week", "-5s", "1.5h", ""])
def test_a_length_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        length(text)


def test_an_opt_out_entered_a_month_late_is_late_by_law_and_its_neighbour_is_not(commands: Commands) -> None:
    commands.json("revoke", "+12025550111", "--occurred-at", "2026-01-05T12:00:00Z", "--region", "US")
    commands.json("revoke", "+12025550112", "--region", "US")
    commands.json("revoke", "+14165550113", "--occurred-at", "2026-01-05T12:00:00Z", "--region", "CA")
    [found] = commands.lines("late", "--deadline", "us-tcpa", "--out", "late.csv", code=1)
    assert (found["subject"], found["due_at"]) == ("+1202•••0111", "2026-01-20T04:59:59.999Z")
    assert commands.lines("late") == [], "it was recorded as soon as it reached us"
    assert (commands.home.parent / "late.csv").read_text("utf-8").count("\n") == 2
    assert "1 opt-out(s)" in commands("late", "--deadline", "us-tcpa").out
    assert commands("late", "--deadline", "us-tcpa", "--within", "1d").code == 2
    assert commands("late", "--deadline", "mars").code == 2
