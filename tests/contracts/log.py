"""What every log keeps to, whatever it lies in. An adapter's test makes a subclass with a `log` fixture.

Nothing here assumes one partition, or offsets without gaps, or a log that is empty at the start of a test.
"""

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log import Appended, Conflict, Duplicate, Entry, Log, Outcome, Recorded


def ref() -> str:
    """A reference that nobody has used."""
    return os.urandom(16).hex()


def entry(
    key: str | None = None,
    claim: str | None = None,
    content: str | None = None,
    value: bytes = b"{}",
    *,
    frees: Entry | None = None,
    reclaims: Entry | None = None,
) -> Entry:
    """A new event; what is not said is of its own."""
    return Entry(
        key=key or ref(),
        value=value,
        event_id=str(uuid_utils.uuid7()),
        claim=claim or ref(),
        content=content or ref(),
        frees=frees and frees.event_id,
        reclaims=reclaims and reclaims.event_id,
    )


def everything(log: Log) -> list[Recorded]:
    """All entries, partition by partition."""
    return [recorded for partition in range(log.partitions) for recorded in log.read(partition)]


def values(recorded: Iterator[Recorded] | Sequence[Recorded]) -> list[bytes]:
    return [one.value for one in recorded]


def appended(log: Log, *entries: Entry) -> list[Appended]:
    """Appends what must be new."""
    outcomes = log.append(entries)
    assert all(isinstance(outcome, Appended) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Appended)]


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


def known(outcome: Outcome) -> tuple[str, bytes]:
    """What an outcome that stored nothing is, and the value of the first."""
    assert not isinstance(outcome, Appended)
    return type(outcome).__name__, outcome.first.value


class LogContract:
    """The suite."""

    @pytest.fixture
    def log(self) -> Log | Iterator[Log]:
        raise NotImplementedError("an adapter's test gives its log")

    # What is appended is there

    def test_what_was_appended_is_read_back_as_it_was_given(self, log: Log) -> None:
        one = entry(value=b'{"text":"\xc3\xa9\x00"}')
        (outcome,) = appended(log, one)
        assert log.find(one.event_id) == Recorded(outcome.position, outcome.recorded_at, one.key, one.value)
        assert list(log.read_subject(one.key)) == [log.find(one.event_id)]
        assert log.find(one.event_id) in everything(log)

    def test_a_value_may_be_large(self, log: Log) -> None:
        one = entry(value=os.urandom(200_000))
        appended(log, one)
        assert values(log.read_subject(one.key)) == [one.value]

    @pytest.mark.parametrize("key", ["operator:policy", "operator:inbox"])
    def test_an_operators_subject_is_a_key_like_any_other(self, log: Log, key: str) -> None:
        one = entry(key)
        (outcome,) = appended(log, one)
        assert log.find(one.event_id) == Recorded(outcome.position, outcome.recorded_at, key, one.value)
        assert log.find(one.event_id) in list(log.read_subject(key))

    def test_entries_of_one_subject_come_in_the_order_in_which_they_were_appended(self, log: Log) -> None:
        mine = [entry("ab" * 16, value=b"%d" % number) for number in range(700)]
        before = len(list(log.read_subject(mine[0].key)))
        for start in range(0, 700, 100):
            appended(log, *(pair for one in mine[start : start + 100] for pair in (entry(), one)))
        assert values(log.read_subject(mine[0].key))[before:] == values_of(mine)

    def test_reading_all_partitions_gives_every_entry_once_and_in_order(self, log: Log) -> None:
        entries = [entry(value=b"%d" % number) for number in range(300)]
        for one in entries:
            appended(log, one)
        for partition in range(log.partitions):
            read = list(log.read(partition))
            offsets = [recorded.position.offset for recorded in read]
            assert offsets == sorted(set(offsets))
            assert {recorded.position.partition for recorded in read} <= {partition}
        keys = {one.key for one in entries}
        found = [recorded.value for recorded in everything(log) if recorded.key in keys]
        assert sorted(found) == sorted(values_of(entries))

    def test_reading_begins_at_the_start_and_stops_before_the_end(self, log: Log) -> None:
        key = ref()
        outcomes = appended(log, *(entry(key, value=b"%d" % number) for number in range(10)))
        partition, third = outcomes[3].position
        assert values(log.read(partition, third, outcomes[7].position.offset)) == [b"3", b"4", b"5", b"6"]
        assert values(log.read(partition, third)) == [b"%d" % number for number in range(3, 10)]
        assert list(log.read(partition, log.ends()[partition])) == []
        assert values(log.read(partition, third, 10**15)) == values(log.read(partition, third))

    def test_a_read_ends_where_the_log_ended_when_it_began(self, log: Log) -> None:
        key = ref()
        (outcome,) = appended(log, entry(key, value=b"before"))
        reading = log.read(*outcome.position)
        appended(log, entry(key, value=b"after"))
        assert values(reading) == [b"before"]

    def test_who_checks_the_log_is_given_what_everybody_reads(self, log: Log) -> None:
        appended(log, *(entry() for _entry in range(5)))
        for partition, end in log.ends().items():
            read = [(one.position.offset, *one[1:]) for one in log.read(partition)]
            scanned = list(log.scan(partition))
            assert [one[:4] for one in scanned] == read
            assert not any(was for *_, was in scanned)
            assert list(log.scan(partition, end - 1)) == [one for one in scanned if one[0] < end - 1]
            assert list(log.scan(partition, end, 2)) == [one for one in scanned if one[0] >= 2]

    def test_the_end_of_a_partition_is_past_everything_in_it(self, log: Log) -> None:
        (outcome,) = appended(log, entry())
        partition, offset = outcome.position
        assert sorted(log.ends()) == list(range(log.partitions))
        assert log.ends()[partition] > offset
        assert all(one.position.offset < log.ends()[one.position.partition] for one in everything(log))

    def test_what_was_never_appended_is_not_found(self, log: Log) -> None:
        assert log.find(str(uuid_utils.uuid7())) is None
        assert log.find("no uuid") is None
        assert list(log.read_subject(ref())) == []

    def test_nothing_is_appended_by_an_empty_call(self, log: Log) -> None:
        before = log.ends()
        assert log.append([]) == []
        assert log.ends() == before

    def test_the_time_recorded_never_runs_backwards_within_a_partition(self, log: Log) -> None:
        for _call in range(20):
            appended(log, entry(), entry())
        for partition in range(log.partitions):
            times = [recorded.recorded_at for recorded in log.read(partition)]
            assert times == sorted(times)

    def test_one_subject_stays_in_one_partition(self, log: Log) -> None:
        key = ref()
        outcomes = [outcome for _call in range(5) for outcome in appended(log, entry(key))]
        assert len({outcome.position.partition for outcome in outcomes}) == 1

    # One claim, one event

    def test_the_same_key_claim_and_content_is_one_event(self, log: Log) -> None:
        first = entry(value=b"first")
        appended(log, first)
        again = entry(first.key, first.claim, first.content, b"again")
        (outcome,) = log.append([again])
        assert outcome == Duplicate(first=required(log.find(first.event_id)))
        assert log.find(again.event_id) is None
        assert values(log.read_subject(first.key)) == [b"first"]

    def test_the_very_same_entry_may_be_repeated(self, log: Log) -> None:
        first = entry()
        appended(log, first)
        assert log.append([first]) == [Duplicate(first=required(log.find(first.event_id)))]

    def test_the_same_claim_with_other_content_is_a_conflict_and_stores_nothing(self, log: Log) -> None:
        first = entry(value=b"first")
        appended(log, first)
        other = entry(first.key, first.claim, value=b"other")
        assert log.append([other]) == [Conflict(first=required(log.find(first.event_id)))]
        assert log.find(other.event_id) is None
        assert values(log.read_subject(first.key)) == [b"first"]

    def test_the_same_claim_under_another_key_is_another_claim(self, log: Log) -> None:
        first = entry()
        appended(log, first)
        appended(log, entry(claim=first.claim, content=first.content))

    def test_an_entry_may_duplicate_one_before_it_in_the_same_call(self, log: Log) -> None:
        first = entry(value=b"first")
        same = entry(first.key, first.claim, first.content, b"same")
        other = entry(first.key, first.claim, value=b"other")
        outcomes = log.append([first, same, other, entry()])
        assert kinds(outcomes) == ["Appended", "Duplicate", "Conflict", "Appended"]
        assert [known(outcome) for outcome in outcomes[1:3]] == [("Duplicate", b"first"), ("Conflict", b"first")]

    def test_what_is_known_among_many_does_not_keep_the_others_out(self, log: Log) -> None:
        old = [entry(value=b"%d" % number) for number in range(600)]
        appended(log, *old)
        new = [entry() for _entry in old]
        outcomes = log.append([one for pair in zip(old, new, strict=True) for one in pair])
        assert [known(outcome) for outcome in outcomes[::2]] == [("Duplicate", value) for value in values_of(old)]
        assert kinds(outcomes[1::2]) == ["Appended"] * len(new)

    # Corrections give claims back, and take them again

    def test_a_corrected_event_frees_its_claim(self, log: Log) -> None:
        wrong = entry(value=b"wrong")
        appended(log, wrong)
        appended(log, entry(wrong.key, frees=wrong))
        right = entry(wrong.key, wrong.claim, value=b"right")
        appended(log, right)
        assert known(log.append([entry(wrong.key, wrong.claim, right.content)])[0]) == ("Duplicate", b"right")
        assert known(log.append([entry(wrong.key, wrong.claim, wrong.content)])[0]) == ("Conflict", b"right")

    def test_a_retry_of_the_correction_frees_nothing_more(self, log: Log) -> None:
        wrong = entry()
        correction = entry(wrong.key, frees=wrong)
        right = entry(wrong.key, wrong.claim, value=b"right")
        appended(log, wrong)
        appended(log, correction)
        appended(log, right)
        assert kinds(log.append([correction])) == ["Duplicate"]
        assert known(log.append([entry(wrong.key, wrong.claim)])[0]) == ("Conflict", b"right")

    def test_a_correction_in_the_same_call_frees_what_comes_before_it(self, log: Log) -> None:
        wrong = entry()
        right = entry(wrong.key, wrong.claim, value=b"right")
        appended(log, wrong, entry(wrong.key, frees=wrong), right)
        assert kinds(log.append([wrong])) == ["Conflict"]

    def test_a_correction_frees_nothing_of_another_subject(self, log: Log) -> None:
        stranger = entry()
        appended(log, stranger)
        appended(log, entry(frees=stranger))
        assert kinds(log.append([stranger])) == ["Duplicate"]

    def test_a_correction_of_what_nobody_knows_frees_nothing(self, log: Log) -> None:
        key = ref()
        appended(log, entry(key, frees=entry(key)), entry(key, reclaims=entry(key)))

    def test_correcting_a_correction_takes_the_claim_again(self, log: Log) -> None:
        first = entry(value=b"first")
        correction = entry(first.key, frees=first)
        appended(log, first)
        appended(log, correction)
        appended(log, entry(first.key, frees=correction, reclaims=first))
        assert known(log.append([entry(first.key, first.claim, first.content)])[0]) == ("Duplicate", b"first")
        # The correction was corrected, so that its own key is free again.
        appended(log, entry(first.key, correction.claim))

    def test_a_claim_that_somebody_took_meanwhile_is_not_taken_again(self, log: Log) -> None:
        first = entry(value=b"first")
        correction = entry(first.key, frees=first)
        second = entry(first.key, first.claim, value=b"second")
        appended(log, first)
        appended(log, correction)
        appended(log, second)
        appended(log, entry(first.key, frees=correction, reclaims=first))
        assert known(log.append([entry(first.key, first.claim, first.content)])[0]) == ("Conflict", b"second")

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(data=st.data())
    def test_whatever_is_appended_the_outcomes_are_those_of_a_naive_model(self, log: Log, data: st.DataObject) -> None:
        keys = [ref(), ref()]
        model = Model()
        for _call in range(data.draw(st.integers(1, 5))):
            calls = [data.draw(calls_on(keys, model)) for _request in range(data.draw(st.integers(1, 3)))]
            expected = [[model.append(one) for one in call] for call in calls]
            futures = [log.submit(call) for call in calls]
            assert [[shown(outcome) for outcome in future.result(60)] for future in futures] == expected
        for key in keys:
            assert values(log.read_subject(key)) == [one.value for one in model.stored if one.key == key]

    # Many at once

    def test_calls_of_one_thread_are_stored_in_the_order_in_which_they_were_made(self, log: Log) -> None:
        key = ref()
        futures = [log.submit([entry(key, value=b"%d" % number)]) for number in range(500)]
        offsets = [position_of(future) for future in futures]
        assert offsets == sorted(offsets)
        assert values(log.read_subject(key)) == [b"%d" % number for number in range(500)]

    def test_what_eight_threads_append_at_once_is_all_there_and_once(self, log: Log) -> None:
        batches = [[[entry() for _entry in range(3)] for _call in range(25)] for _thread in range(8)]
        before = len(everything(log))
        run_together([lambda mine=mine: [appended(log, *call) for call in mine] for mine in batches])
        flat = [one for mine in batches for call in mine for one in call]
        assert len(everything(log)) == before + len(flat)
        assert all(required(log.find(one.event_id)).value == one.value for one in flat)

    def test_of_threads_that_claim_the_same_exactly_one_is_first(self, log: Log) -> None:
        first = entry()
        outcomes: list[Outcome] = []
        run_together([lambda: outcomes.extend(log.append([entry(first.key, first.claim, first.content)]))] * 8)
        assert sorted(kinds(outcomes)) == ["Appended"] + ["Duplicate"] * 7
        assert len(list(log.read_subject(first.key))) == 1

    def test_asyncio_tasks_may_append_at_once(self, log: Log) -> None:
        async def writer() -> list[Outcome]:
            one = entry()
            return [*await log.append_async([one]), *await log.append_async([one])]

        async def writers() -> list[list[Outcome]]:
            return await asyncio.gather(*(writer() for _writer in range(100)))

        assert [kinds(outcomes) for outcomes in asyncio.run(writers())] == [["Appended", "Duplicate"]] * 100

    def test_what_a_task_hands_in_comes_before_what_its_thread_hands_in_later(self, log: Log) -> None:
        key = ref()

        async def both() -> None:
            waiting = log.append_async([entry(key, value=b"1")])
            future = log.submit([entry(key, value=b"2")])
            await waiting
            await asyncio.wrap_future(future)

        asyncio.run(both())
        assert values(log.read_subject(key)) == [b"1", b"2"]

    def test_an_event_is_stored_even_if_the_task_that_waits_for_it_is_cancelled(self, log: Log) -> None:
        one = entry()

        async def cancelled() -> None:
            waiting = asyncio.ensure_future(log.append_async([one]))
            waiting.cancel()
            await log.append_async([entry()])

        asyncio.run(cancelled())
        assert log.find(one.event_id) is not None

    def test_it_may_be_read_while_others_append(self, log: Log) -> None:
        stop = threading.Event()

        def append() -> None:
            while not stop.is_set():
                appended(log, *(entry() for _entry in range(20)))

        def read() -> None:
            try:
                for _time in range(10):
                    for partition in range(log.partitions):
                        offsets = [recorded.position.offset for recorded in log.read(partition)]
                        assert offsets == sorted(set(offsets))
            finally:
                stop.set()

        run_together([append, read])

    def test_closing_may_be_repeated(self, log: Log) -> None:
        future = log.submit([entry()])
        log.close()
        assert kinds(future.result(0)) == ["Appended"]
        log.close()


class Model:
    """What the port says, in the fewest words: a list, searched from the start."""

    def __init__(self) -> None:
        self.stored: list[Entry] = []
        self.holding: list[Entry] = []

    def append(self, one: Entry) -> tuple[str, bytes]:
        holder = self._holder(one.key, one.claim)
        if holder is not None:
            return "Duplicate" if holder.content == one.content else "Conflict", holder.value
        self.stored.append(one)
        self.holding.append(one)
        self.holding = [held for held in self.holding if (held.key, held.event_id) != (one.key, one.frees)]
        for earlier in self.stored:
            wanted = (earlier.key, earlier.event_id) == (one.key, one.reclaims)
            if wanted and self._holder(earlier.key, earlier.claim) is None:
                self.holding.append(earlier)
        return "Appended", b""

    def _holder(self, key: str, claim: str) -> Entry | None:
        return next((held for held in self.holding if (held.key, held.claim) == (key, claim)), None)


@st.composite
def calls_on(draw: st.DrawFn, keys: list[str], model: Model) -> list[Entry]:
    """One call: entries of few subjects, claims and contents, so that they meet."""
    call: list[Entry] = []
    for _entry in range(draw(st.integers(1, 6))):
        earlier = [*model.stored, *call]
        some = st.sampled_from(earlier) if earlier else st.none()
        one = entry(
            draw(st.sampled_from(keys)),
            draw(st.sampled_from(["a" * 32, "b" * 32])) if draw(st.integers(0, 2)) else None,
            draw(st.sampled_from(["c" * 32, "d" * 32])),
            b"%d" % next(NUMBERS),
            frees=draw(st.one_of(st.none(), some)),
            reclaims=draw(st.one_of(st.none(), some)),
        )
        call.append(one)
    return call


NUMBERS = itertools.count()


def shown(outcome: Outcome) -> tuple[str, bytes]:
    """As the model says it; the value of what was appended is not part of an outcome."""
    return known(outcome) if not isinstance(outcome, Appended) else ("Appended", b"")


def values_of(entries: Sequence[Entry]) -> list[bytes]:
    return [one.value for one in entries]


def required(found: Recorded | None) -> Recorded:
    assert found is not None
    return found


def position_of(future: "Future[list[Outcome]]") -> int:
    (outcome,) = future.result(60)
    assert isinstance(outcome, Appended)
    return outcome.position.offset


def run_together(works: Sequence[Callable[[], object]]) -> None:
    """Runs each in a thread of its own, starting together; the first error is raised here."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait(30)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
