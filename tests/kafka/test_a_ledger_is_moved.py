"""`move`: the same entries with the same times, keys and values, in the same order, whatever is killed in between."""

import hashlib
import random
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from consumers.bootstrap import open_ledger
from consumers.bootstrap.distributed import Layout, make_topics
from consumers.bootstrap.moving import move
from consumers.erasure import erase_everywhere
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.kafka_append import KafkaAppend
from ledger.adapters.kafka_source import KafkaSource
from ledger.errors import NotALedgerError, RefusedError
from ledger.leaves import leaf
from ledger.log import Log, Recorded
from ledger.requests import Amend, Grant, Link, Operate, Origin, Revoke
from schemas.encoding import decode
from schemas.events import OPERATOR_INBOX
from schemas.subject import Subject
from stack.processes import Process, wait_until
from tests.contracts.log import entry
from tests.ledger.door import AGENT, IMPORT, NUMBER, PERSON, SISTER

pytestmark = pytest.mark.kafka

ACCOUNT = Subject("account", "ACC-1")
KILLS = 3


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", topics_prefix=f"t-{uuid.uuid4().hex[:12]}")


def topics_for(embedded: Settings, address: str, partitions: int = 3, version: int = 1) -> Settings:
    """The settings of the ledger to come; its topics are made, and empty."""
    to = embedded.model_copy(update={"ledger_url": f"kafka://{address}", "topics_version": version})
    make_topics(to, Layout(partitions=partitions, replication_factor=1), empty=True)
    return to


def fill(ledger: Ledger, people: int = 30) -> None:
    """A ledger with links, corrections, an erasure, evidence, and somebody who looked."""
    record = ledger.recorder.record
    record(Link(subject=NUMBER, account=ACCOUNT, origin=AGENT))
    record(Link(subject=SISTER, account=ACCOUNT, origin=AGENT))
    wrong = record(Revoke(subject=SISTER, origin=PERSON, evidence="STOPP"))
    correct = {"type": "StatementCorrected", "role": "corrector", "origin": AGENT}
    correction = record(Amend(event_id=wrong.event_id, **correct))
    record(Amend(event_id=correction.event_id, **correct))
    gone = Subject("email", "jean@example.org")
    record(Revoke(subject=gone, origin=PERSON, evidence="weg damit"))
    erase_everywhere(ledger, gone, Origin(actor="system:cli", source="cli"), None)
    ledger.people.looked_at(ledger.ref(SISTER), "agent:ada", "reveal", 1_000)
    details = {"reason": "odd", "holds": False}
    record(Operate(type="FollowUpOpened", subject=OPERATOR_INBOX, details=details, origin=AGENT))
    grant = {"channel": "sms", "purpose": "marketing.offers", "brand": "acme", "basis": "express", "origin": IMPORT}
    ledger.recorder.record_all(
        [Grant(subject=Subject("number", f"+1416556{number:04d}"), **grant) for number in range(people)]
    )


def leaves(entries: Sequence[Recorded]) -> list[bytes]:
    """The hash of every leaf."""
    return [hashlib.sha256(leaf(recorded)).digest() for recorded in entries]


def everything(log: Log) -> list[Recorded]:
    return [recorded for partition in range(log.partitions) for recorded in log.read(partition)]


def assert_moved(old: Sequence[Recorded], new: Log) -> None:
    """Nothing is missing, added or changed, and each subject's order is what it was."""
    found = everything(new)
    assert sorted(leaves(found)) == sorted(leaves(old))
    for key in sorted({recorded.key for recorded in old})[:40]:
        of_key = [recorded for recorded in old if recorded.key == key]
        assert leaves(list(new.read_subject(key))) == leaves(of_key)


def words_of(ledger: Ledger) -> dict[str, str]:
    """What people said, by the event that it is the evidence of."""
    events = [decode(recorded.value) for recorded in everything(ledger.log)]
    found = {each.event_id: ledger.people.evidence(each.subject, each.event_id) for each in events}
    return {event_id: words.text for event_id, words in found.items() if words is not None}


def test_everything_is_moved_and_the_old_ledger_is_shut(
    embedded: Settings, broker_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
        old = everything(ledger.log)
        gone = ledger.ref(Subject("email", "jean@example.org"))
        people = {ref: ledger.people.identity(ref) for ref in ledger.people.all_refs()}
        words = words_of(ledger)
        decided = ledger.gate().decide(SISTER, channel="sms", purpose="marketing.offers").reason
    to = topics_for(embedded, broker_address)
    moved = move(embedded, to, lambda _entries: None)
    assert moved == (len(old), len(people), len(words), 1, 1)
    assert move(embedded, to, lambda _entries: None) == moved
    with pytest.raises(NotALedgerError, match="was moved"):
        open_ledger(embedded)
    with open_ledger(to) as ledger:
        assert_moved(old, ledger.log)
        assert {ref: ledger.people.identity(ref) for ref in ledger.people.all_refs()} == people
        assert list(words_of(ledger).values()) == ["STOPP"]
        assert words_of(ledger) == words
        assert [by for _at, _ref, by, _what in ledger.people.looks()] == ["agent:ada"]
        assert ledger.gate().decide(SISTER, channel="sms", purpose="marketing.offers").reason == decided
        ledger.recorder.record(Revoke(subject=Subject("email", "jean@example.org"), origin=PERSON))
        assert ledger.people.identity(gone) is None
        last = list(ledger.log.read_subject(gone))[-1]
        assert last.recorded_at >= old[-1].recorded_at
    with pytest.raises(RefusedError, match="in use already"):
        move(embedded, to, lambda _entries: None)
    assert "jean" not in capsys.readouterr().out


def test_each_entry_says_where_it_stood_and_keeps_its_time(embedded: Settings, broker_address: str) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
        old = everything(ledger.log)
    to = topics_for(embedded, broker_address)
    move(embedded, to, lambda _entries: None)
    with closing(KafkaSource(to.broker(), to.broker().topics.ledger, range(3))) as source:
        reached: dict[int, int] = {}
        raws = []
        while sum(reached.values()) < len(old):
            for part in source.fetch(reached):
                reached[part.partition] = part.end
                raws += part.records
    by_header = {dict(raw.headers)["original-position"].decode(): raw for raw in raws}
    for recorded in old:
        raw = by_header["{}/{}".format(*recorded.position)]
        assert (raw.timestamp, raw.key, raw.value) == (recorded.recorded_at, recorded.key, recorded.value)


def test_a_ledger_is_moved_on_to_more_partitions(embedded: Settings, broker_address: str) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
        old = everything(ledger.log)
    first = topics_for(embedded, broker_address)
    move(embedded, first, lambda _entries: None)
    second = topics_for(embedded, broker_address, partitions=7, version=2)
    assert move(first, second, lambda _entries: None).entries == len(old)
    with open_ledger(second) as ledger:
        assert ledger.log.partitions == 7
        assert_moved(old, ledger.log)
        for partition in range(7):
            times = [recorded.recorded_at for recorded in ledger.log.read(partition)]
            assert times == sorted(times)


def test_a_move_that_is_killed_is_run_again_to_its_end(embedded: Settings, broker_address: str, tmp_path: Path) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger, 6_000)
        old = everything(ledger.log)
    to = topics_for(embedded, broker_address)
    environment = {"PREFLEDGER_HOME": str(embedded.home), "PREFLEDGER_TOPICS_PREFIX": embedded.topics_prefix}
    command = [sys.executable, "-m", "consumers.cli.main", "move", to.ledger_url]
    chance = random.Random()
    for _time in range(KILLS):
        with Process("move", command, tmp_path / "move.log", environment) as process:
            with closing(KafkaSource(to.broker(), to.broker().topics.ledger, range(3))) as source:
                before = sum(source.ends().values())
                wait_until(
                    lambda p=process, s=source, n=before: p.code is not None or sum(s.ends().values()) > n, 60, "x"
                )
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
    assert move(embedded, to, lambda _entries: None).entries == len(old)
    with open_ledger(to) as ledger:
        assert_moved(old, ledger.log)


def test_topics_that_hold_something_else_are_left_alone(embedded: Settings, broker_address: str) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
    to = topics_for(embedded, broker_address)
    with closing(KafkaAppend(to.broker())) as blind:
        blind.append([entry()])
    with pytest.raises(RefusedError, match="something else than this ledger"):
        move(embedded, to, lambda _entries: None)
    with open_ledger(embedded):
        pass  # and the old ledger may go on


@pytest.mark.parametrize("distributed", [False, True])
def test_what_is_written_meanwhile_comes_along_and_what_is_written_later_is_refused(
    embedded: Settings, broker_address: str, distributed: bool
) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
    source, to = embedded, topics_for(embedded, broker_address)
    if distributed:
        move(source, to, lambda _entries: None)
        source, to = to, topics_for(embedded, broker_address, partitions=5, version=2)
    with open_ledger(source) as ledger:
        late = Revoke(subject=NUMBER, origin=PERSON, idempotency_key="late")
        move(source, to, lambda _entries: ledger.recorder.record(late))
        old = everything(ledger.log)
        assert b'"PreferenceRevoked"' in max(old, key=lambda entry: entry.recorded_at).value
        # It was open all the time, and would write where nobody reads any more.
        with pytest.raises(NotALedgerError, match="was moved"):
            ledger.recorder.record(Revoke(subject=SISTER, origin=PERSON, idempotency_key="too late"))
        assert everything(ledger.log) == old
    with pytest.raises(NotALedgerError, match="was moved"):
        open_ledger(source)
    with open_ledger(to) as ledger:
        assert_moved(old, ledger.log)


def test_where_an_entry_stood_in_each_version_is_known(embedded: Settings, broker_address: str) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
        stood = {leaf(one): {0: one.position} for one in everything(ledger.log)}
    source = embedded
    for version in (1, 2):
        to = topics_for(embedded, broker_address, partitions=2 + version, version=version)
        move(source, to, lambda _entries: None)
        with open_ledger(to) as ledger:
            for one in everything(ledger.log):
                stood[leaf(one)][version] = one.position
                assert ledger.log.places(one.position) == stood[leaf(one)]
            with open_ledger(
                to.model_copy(update={"home": to.home / "new", "secret_file": to.secret_file})
            ) as elsewhere:
                assert elsewhere.log.places(one.position) == stood[leaf(one)], "a machine that has read nothing of it"
            new = ledger.recorder.record(Revoke(subject=NUMBER, origin=PERSON))
            recorded = ledger.log.find(new.event_id)
            assert recorded
            assert ledger.log.places(recorded.position) == {version: recorded.position}
            stood[leaf(recorded)] = {version: recorded.position}
        source = to


@pytest.mark.parametrize("version", [1, 3])
def test_it_moves_to_the_next_version_only(embedded: Settings, broker_address: str, version: int) -> None:
    """By it what old receipts say is told from what is said now."""
    first = topics_for(embedded, broker_address)
    with pytest.raises(RefusedError, match="give --to-version 2"):
        move(first, first.model_copy(update={"topics_version": version}), lambda _entries: None)
