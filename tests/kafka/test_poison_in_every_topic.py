"""A record that nobody of ours would write, in each of the topics beside the ledger: who reads it goes on without it.

Of the ledger itself see `test_worker_poison.py`, of by-number at a gateway `test_gateway_faults.py`, of the decisions
`test_kafka_decisions.py`; how often an entry is set aside is in `test_worker_faults.py`. Nothing of ours reads rejected
entries and replies (`docs/topics.md`).
"""

import os
from contextlib import closing
from pathlib import Path

import pytest

from consumers.adapters.kafka_receipts import KafkaReceipts
from ledger.adapters.kafka_client import producer
from ledger.broker import Broker
from ledger.people import Identity
from schemas.encoding import encode
from schemas.events import Event
from schemas.topics import TABLE_OF, Table, partition_of
from stack.processes import wait_until
from tests.consumers.asking import REFERENCES
from tests.contracts.people import identity, words
from tests.controls import EVENTS, event_id
from tests.kafka.gateways import gateway, offers
from tests.kafka.kafka_logs import new_place
from tests.kafka.table_writer import TableWriter
from tests.kafka.test_confirmations_of_real_gateways import confirming, said
from tests.kafka.workers import (
    MARKS,
    Worker,
    append,
    folded,
    make_topics,
    set_aside,
    simple_entries,
    tables,
    wait_for_all,
)

pytestmark = MARKS
LONG = 60.0
GARBAGE = [b"\xff" * 40, b"", b"{", b"[]", b"{}", b"null", b"x" * 900_000, None]
SAYS = ("PreferenceGranted", "PreferenceRevoked", "TrafficHalted")
"""Of a number, of an account and of the operator."""
KEYS = [b"\xff\xfe", b"", b"~", b"~erased/", b"~look/", b"~look/\xff", b"/", b"f" * 32]


def put(broker: Broker, topic: str, *records: tuple[bytes | None, bytes | None], partition: int = 0) -> list[int]:
    """Writes records as nobody of ours does; their offsets."""
    with closing(producer(broker)) as writing:
        sent = [writing.send(topic, key=key, value=value, partition=partition) for key, value in records]
        return [future.get(30).offset for future in sent]


def rejected(broker: Broker, topic: str) -> set[tuple[int, int]]:
    """What was set aside of a topic: partitions and offsets."""
    return {(partition, offset) for of, partition, offset in set_aside(broker) if of == topic}


def test_by_account_a_gateway_holds_all_numbers_of_that_account_and_of_no_other(broker: Broker, tmp_path: Path) -> None:
    numbers = {f"A{place}": f"+1416555{place:04d}" for place in range(len(GARBAGE) + 1)}
    *poisoned, other = numbers
    topic = broker.topics.table("by-account")
    with TableWriter(broker) as ledger, gateway(broker, tmp_path) as asked:
        with ledger.working():
            for account, number in numbers.items():
                ledger.says("PreferenceGranted", "number", number)
                ledger.says("ContactLinked", "number", number, account=account, reason="added")
            wait_until(lambda: {offers(asked, one) for one in numbers.values()} == {"granted"}, LONG, "they count")
        for account, value in zip(poisoned, GARBAGE, strict=True):
            reference = REFERENCES.of("account", account)
            ledger.put("by-account", partition_of(reference, 2), reference, value)
        ledger.put("by-account", 0, "~watermark/0", b"\xff")
        ledger.put("by-account", 1, "k" * 600_000, b"?")
        with ledger.working():
            denied = [numbers[account] for account in poisoned]
            wait_until(lambda: {offers(asked, one) for one in denied} == {"held_for_review"}, LONG, "they are held")
            assert offers(asked, numbers[other]) == "granted"
            ledger.says("PreferenceRevoked", "account", other)
            wait_until(lambda: offers(asked, numbers[other]) == "revoked_by_account", LONG, "the others go on")
            ledger.says("PreferenceGranted", "account", poisoned[0])
            wait_until(lambda: offers(asked, denied[0]) == "granted", LONG, "it can be read again")
        wait_until(lambda: len(rejected(broker, topic)) == len(GARBAGE) + 2, LONG, "they are set aside")


@pytest.mark.parametrize(("table", "type_"), [(TABLE_OF[EVENTS[type_].kind], type_) for type_ in SAYS])
def test_a_worker_sets_aside_what_it_cannot_add_and_folds_all_the_rest(
    table: Table, type_: str, broker: Broker, tmp_path: Path
) -> None:
    make_topics(broker)
    poison = GARBAGE[:-1]  # a tombstone leaves nothing that could be poison
    own = [about_another(type_, place) for place in range(len(poison))]
    keys = [one.subject for one in own]
    for key, value in zip(keys, poison, strict=True):
        put(broker, broker.topics.table(table), (key.encode(), value), partition=partition_of(key, 4))
    append(broker, [(one.subject, encode(one)) for one in own] + simple_entries(9, 100, 10))
    with Worker(broker, tmp_path) as worker:
        wait_for_all(broker)
        assert worker.metrics()["rejected_total"] == len(keys)
        assert worker.process.code is None
    assert len(rejected(broker, broker.topics.ledger)) == len(keys)
    found, expected = tables(broker).parts, folded(broker)
    assert found.keys() == expected.keys()
    assert {key for key in expected if found[key] != expected[key]} == set(keys)


def about_another(type_: str, place: int) -> Event:
    """An event about a subject of its own."""
    example = EVENTS[type_]
    key = f"operator:{chr(ord('a') + place)}" if example.kind == "operator" else f"{place:032x}"
    return example.model_copy(update={"subject": key, "event_id": event_id(place)})


def test_a_watermark_that_cannot_be_read_ends_a_worker_at_its_start_and_says_what_to_do(
    broker: Broker, tmp_path: Path
) -> None:
    make_topics(broker)
    append(broker, simple_entries(9, 100, 10))
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    put(broker, broker.topics.table("by-account"), (b"~watermark/1", b"{"), partition=1)
    with Worker(broker, tmp_path) as worker:
        wait_until(lambda: worker.process.code is not None, LONG, "it ends")
        assert worker.process.code == 2
        assert "by-account's watermark of partition 1 cannot be read" in worker.process.said()
        assert "prefledger worker rebuild" in worker.process.said()


def test_receipts_that_are_none_say_nothing_to_a_confirmation(broker: Broker, tmp_path: Path) -> None:
    keys = (b"sms-1/nobody", b"\xff", None)
    poison = [(key, value) for key in keys for value in GARBAGE if key is not None or value is not None]
    with TableWriter(broker) as ledger, ledger.working(), confirming(ledger, tmp_path) as confirm:
        with gateway(broker, tmp_path) as asked:
            asked.wait_until_current(LONG)
            put(broker, broker.topics.receipts, *poison)
            event = said(ledger, "PreferenceRevoked", "number", "+14165550123")
            put(broker, broker.topics.receipts, *poison)
            found = confirm(event).wait(LONG).enforcement
            [one] = found.gateways
            assert (one.process, one.state, found.at) == (asked.process, "enforced", one.at)
        with closing(KafkaReceipts(broker)) as reading:
            reading.since(0)
            assert {each.receipt.process for each in reading.told()} == {asked.process}


@pytest.mark.parametrize("topic", ["identities", "evidence"])
def test_people_can_be_kept_and_found_behind_what_is_damaged(
    topic: str, broker_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, key = new_place(broker_address, tmp_path), os.urandom(32)
    name = getattr(place.broker.topics, topic)
    before, after = identity(id_="+14165550123"), identity(id_="+14165550124")
    first, second = words(before.ref, "leave me alone"), words(after.ref, "me too")
    with closing(place.people(key, "left")) as left:
        left.keep([before], [first])
        for partition in range(place.there[name].partitions):
            put(place.broker, name, *((one, value) for one in KEYS for value in GARBAGE), partition=partition)
        put(place.broker, name, (b"~look/x", b'{"at":null,"ref":"","by":"","what":""}'))
        caplog.clear()
        left.keep([after], [second])
        assert name in caplog.text
        assert "is damaged" in caplog.text
        must_know(left.identities([before.ref, after.ref]), before, after)
    with closing(place.people(key, "right")) as right:  # from the beginning
        must_know(right.identities([before.ref, after.ref]), before, after)
        assert right.evidence(before.ref, first.event_id) == first
        assert right.evidence(after.ref, second.event_id) == second
        assert right.erase(before.ref) == 2
        assert list(right.looks()) == []


def must_know(found: dict[str, Identity], *wanted: Identity) -> None:
    """All of them, as they were kept."""
    assert found == {one.ref: one for one in wanted}
