"""What every store of states keeps to, whatever it lies in. An adapter's test makes a subclass with a `store`."""

from collections.abc import Iterator
from random import Random

from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry, Position, Recorded
from projections import catch_up as driver
from projections.catch_up import catch_up, fold_batch
from projections.fold import Part
from projections.log_view import LogView
from projections.reading import read
from projections.rebuilt import Rebuilt
from projections.view import Rejected, Store
from schemas.encoding import encode
from schemas.scope import Scope
from schemas.states import PART_SIZE
from tests.histories import history, make_event
from tests.projections.logged import entry, logged
from tests.reference_model import Fact

SUBJECT, OTHER = "a" * 32, "b" * 32
MANY_PARTS = 12 * PART_SIZE + 5
"""Entries for 13 parts, so that keys sort otherwise than parts: `…#10` before `…#2`."""


def statements(subject: str, count: int, start: int = 0) -> list[Fact]:
    """That many statements of one subject, at offsets that go on from `start`."""
    return [
        Fact(
            Position(0, start + number),
            1_000 + start + number,
            make_event(
                "PreferenceRevoked", kind="number", subject=subject, occurred_at=1_000 + start + number,
                event_id=f"00000000-0000-7000-8000-{start + number:012x}", scope=Scope(),
                idempotency_key=f"{start + number:032x}",
            ),
        )
        for number in range(count)
    ]  # fmt: skip


def parts_of(facts: list[Fact], store: Store) -> dict[str, Part]:
    """What facts change in a store, folded upon what it has."""
    pairs = [Recorded(fact.position, fact.recorded_at, fact.event.subject, encode(fact.event)) for fact in facts]
    states = store.parts_of_many(sorted({pair.key for pair in pairs}))
    return fold_batch([(pair, read(pair.value)) for pair in pairs], states)


def wrote(store: Store, facts: list[Fact]) -> None:
    """Folds facts upon a store and writes them, the watermark after the last."""
    seen = dict(store.watermark())
    assert store.write(parts_of(facts, store), [], seen, seen | {0: facts[-1].position.offset + 1})


def everything(store: Store) -> tuple[object, ...]:
    """All that a store can be asked."""
    return list(store.all_parts()), dict(store.watermark()), list(store.rejected())


def poisoned(log: MemoryLog) -> MemoryLog:
    """A log with one entry each that is no event, of a version to come, and under another's key."""
    event = statements(OTHER, 1)[0].event
    other_version = encode(event).replace(b'"schema_version":1', b'"schema_version":9')
    for number, (key, value) in enumerate([(SUBJECT, b"\xff\x00"), (OTHER, other_version), (SUBJECT, encode(event))]):
        unique = f"ffffffff-0000-7000-8000-{number:012x}"
        log.append([Entry(key, value, unique, unique, unique)])
    return log


class OvertakenLog(MemoryLog):
    """A log during whose first reading another process catches up with it."""

    overtakes: Store | None = None

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """See the port; the other process comes first."""
        store, self.overtakes = self.overtakes, None
        if store is not None:
            catch_up(self, store)
        return super().read(partition, start, end)


class ViewContract:
    """Subclass it, and give it a fixture `store`: an empty store."""

    def test_a_new_store_holds_nothing(self, store: Store) -> None:
        assert everything(store) == ([], {}, [])
        assert list(store.parts(SUBJECT)) == []
        assert store.parts_of_many([SUBJECT, OTHER]) == {}
        assert store.parts_of_many([]) == {}

    def test_what_was_written_is_there_with_its_watermark(self, store: Store) -> None:
        facts = statements(SUBJECT, 3)
        wrote(store, facts)
        [part] = store.parts(SUBJECT)
        assert [entry["event_id"] for entry in part["entries"]] == [fact.event.event_id for fact in facts]
        assert store.watermark() == {0: 3}
        assert [key for key, _ in store.all_parts()] == [SUBJECT]

    def test_a_write_upon_another_watermark_than_the_stores_changes_nothing(self, store: Store) -> None:
        wrote(store, statements(SUBJECT, 3))
        before = everything(store)
        more = parts_of(statements(SUBJECT, 2, start=3), store)
        poison = [Rejected(Position(0, 4), SUBJECT, "no event")]
        for seen in ({}, {0: 2}, {0: 4}, {0: 3, 1: 1}, {1: 3}):
            assert not store.write(more, poison, seen, {0: 5})
            assert everything(store) == before
        assert store.write(more, poison, {0: 3}, {0: 5})
        assert store.watermark() == {0: 5}
        assert list(store.rejected()) == poison

    def test_every_partition_has_its_own_mark(self, store: Store) -> None:
        assert store.write({}, [], {}, {0: 5})
        assert store.write({}, [], {0: 5}, {0: 5, 7: 2**40})
        assert store.watermark() == {0: 5, 7: 2**40}

    def test_a_state_of_many_parts_comes_in_the_order_of_its_parts(self, store: Store) -> None:
        facts = statements(SUBJECT, MANY_PARTS)
        for start in range(0, len(facts), 100):
            wrote(store, facts[start : start + 100])
        parts = store.parts(SUBJECT)
        assert [part["part"] for part in parts] == list(range(13))
        ids = [entry["event_id"] for part in parts for entry in part["entries"]]
        assert ids == [fact.event.event_id for fact in facts]
        assert parts[0]["parts"] == 13

    def test_first_and_last_part_of_many_subjects_are_ready_to_be_folded_further(self, store: Store) -> None:
        wrote(store, [*statements(SUBJECT, MANY_PARTS), *statements(OTHER, 1, start=MANY_PARTS)])
        found = store.parts_of_many([OTHER, SUBJECT, "c" * 32])
        assert {name: [parts[0].part, parts[-1].part] for name, parts in found.items()} == {
            SUBJECT: [0, 12],
            OTHER: [0, 0],
        }
        wrote(store, statements(SUBJECT, PART_SIZE, start=MANY_PARTS + 1))
        assert len(store.parts(SUBJECT)) == 14

    def test_a_thousand_subjects_are_found_at_once(self, store: Store) -> None:
        subjects = [f"{number:032x}" for number in range(1_100)]
        facts = [statements(subject, 1, start=place)[0] for place, subject in enumerate(subjects)]
        wrote(store, facts)
        assert set(store.parts_of_many([*subjects, "f" * 32])) == set(subjects)

    def test_all_parts_come_in_the_order_of_their_keys(self, store: Store) -> None:
        wrote(store, [*statements(OTHER, 1), *statements(SUBJECT, MANY_PARTS, start=1)])
        keys = [key for key, _ in store.all_parts()]
        assert keys == sorted(keys)
        assert keys.index(f"{SUBJECT}#10") < keys.index(f"{SUBJECT}#2")
        assert len(keys) == 14

    def test_folding_in_small_batches_stores_the_bytes_of_a_fold_from_the_first_event(self, store: Store) -> None:
        told = history(Random(5), events=300, partitions=3)
        log = logged(told.facts, 3)
        for end in (40, 41, 200, 300):
            catch_up(logged(told.facts[:end], 3), store)
        assert list(store.all_parts()) == list(Rebuilt(log).all_parts())
        assert all(list(LogView(log).parts(contact)) == list(store.parts(contact)) for contact in told.contacts)

    def test_catching_up_again_changes_nothing_and_folds_nothing(self, store: Store) -> None:
        log = logged(history(Random(6), events=60).facts)
        assert catch_up(log, store) == 60
        before = everything(store)
        assert catch_up(log, store) == 0
        assert everything(store) == before

    def test_of_two_who_catch_up_at_once_the_second_goes_on_from_where_the_first_has_come_to(
        self, store: Store
    ) -> None:
        facts = history(Random(7), events=80).facts
        log = OvertakenLog(clock=lambda: 0)
        log.append([entry(fact, number) for number, fact in enumerate(facts)])
        log.overtakes = store
        assert catch_up(log, store) == 0
        assert list(store.all_parts()) == list(Rebuilt(log).all_parts())
        assert store.watermark() == {0: 80}

    def test_what_is_no_event_is_set_aside_with_place_and_reason_and_stops_nobody(self, store: Store) -> None:
        log = poisoned(logged(statements(SUBJECT, 2)))
        log.append([entry(fact, 50 + place) for place, fact in enumerate(statements(OTHER, 2, start=10))])
        assert catch_up(log, store) == 7
        rejected = list(store.rejected())
        assert [one.position for one in rejected] == [Position(0, 2), Position(0, 3), Position(0, 4)]
        assert [one.key for one in rejected] == [SUBJECT, OTHER, SUBJECT]
        assert "no event: " in rejected[0].reason
        assert "schema_version" in rejected[1].reason
        assert rejected[2].reason == f"its subject {OTHER!r} is not its key"
        assert [len(store.parts(subject)[0]["entries"]) for subject in (SUBJECT, OTHER)] == [2, 2]
        assert store.watermark() == {0: 7}
        assert list(store.all_parts()) == list(Rebuilt(log).all_parts())
        assert all(list(LogView(log).parts(one)) == list(store.parts(one)) for one in (SUBJECT, OTHER))

    def test_a_batch_of_nothing_but_poison_moves_the_watermark(self, store: Store) -> None:
        catch_up(poisoned(MemoryLog()), store)
        assert store.watermark() == {0: 3}
        assert list(store.all_parts()) == []
        assert len(store.rejected()) == 3

    def test_progress_is_told_batch_by_batch(self, store: Store) -> None:
        log, told = logged(history(Random(8), events=90).facts), list[int]()
        usual, driver.BATCH = driver.BATCH, 40
        try:
            assert catch_up(log, store, told.append) == 90
        finally:
            driver.BATCH = usual
        assert told == [40, 40, 10]
