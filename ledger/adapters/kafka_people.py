"""The erasable stores on two compacted topics, with a mirror of them in a file of this machine.

What is kept is acknowledged by all replicas before `keep` returns; what is erased is a tombstone, and gone from the
brokers' disks when they have compacted the topic (`max.compaction.lag.ms`). In this machine's mirror it is gone at
once, in every other one as soon as that is asked the next time.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ledger.adapters.kafka_catch_up import BehindError, behind, is_behind, read_up_to
from ledger.adapters.kafka_client import TIMEOUT
from ledger.adapters.kafka_mirror import Fetched
from ledger.adapters.kafka_source import KafkaSource
from ledger.adapters.kafka_writer import KafkaWriter
from ledger.adapters.people_mirror import Look, PeopleMirror
from ledger.adapters.people_reading import LeftOver, read_into
from ledger.adapters.people_topics import PeopleTopics
from ledger.adapters.sealing import Sealing
from ledger.adapters.turnstile import Turnstile
from ledger.broker import Broker
from ledger.errors import UnavailableError
from ledger.people import Identity, Words

KEEP_PATIENCE = 1.0
"""Seconds that `keep` waits for the mirror; after that all is written, also what is there already."""
FORGETS_AFTER = 3.5 * 86_400
"""Half of the time for which the topics keep a tombstone, in seconds."""
READING_PATIENCE = 600.0  # seconds to wait for another process that reads a long topic into the same mirror


class KafkaPeople:
    """The port `ledger.people.People` on topics, for any number of threads, processes and machines."""

    def __init__(
        self, broker: Broker, path: str | os.PathLike[str], key: bytes, partitions: int, topic_ids: tuple[str, str],
        timeout: float = TIMEOUT, forgets_after: float = FORGETS_AFTER,
    ) -> None:  # fmt: skip
        """`path`: the mirror's file; `key`: 32 bytes; `topic_ids`: of identities and evidence, which have `partitions`.

        `forgets_after`: seconds after which a mirror that was not read starts over. Does not ask the broker yet.

        Raises NotALedgerError, WrongSecretError, UnavailableError.
        """
        topics = broker.topics
        self._topics = PeopleTopics(broker, Sealing(key), partitions)
        self._mirror = PeopleMirror(path, key, topic_ids)
        # One process at a time, from fetching to adding: an old tombstone must not come after a newer identity.
        self._reading = Turnstile(Path(f"{path}.reading"), READING_PATIENCE)
        self._hasty = Turnstile(Path(f"{path}.reading"), KEEP_PATIENCE)
        self._writer = KafkaWriter(broker, "keep identities and evidence", timeout)
        self._ids = topic_ids
        self._forgets_after = forgets_after
        self._identities = KafkaSource(broker, topics.identities, range(partitions))
        self._evidence = KafkaSource(broker, topics.evidence, range(partitions))

    def begin(self) -> None:
        """Writes what tells a wrong secret. Raises WrongSecretError if another secret was first."""
        self._catch_up()
        self._writer.write_all([self._topics.check()])

    def keep(self, identities: Sequence[Identity], evidence: Sequence[Words] = ()) -> None:
        """See the port, but for the one step: identities are durable before evidence, and both before it returns."""
        if not identities and not evidence:
            return
        fresh = self._is_fresh()
        renews = {one.ref for one in identities if one.renews}
        erased = self._mirror.erased({one.ref for one in identities} | {one.ref for one in evidence})
        kept_out = erased - renews
        known = self._mirror.known({one.ref for one in identities} - kept_out) if fresh else set()
        new = {one.ref: one for one in reversed(identities) if one.ref not in known | kept_out}
        marks = [self._topics.mark(ref, erased=False) for ref in sorted(renews & erased if fresh else renews)]
        self._writer.write_all([*marks, *self._topics.identities(list(new.values()))])
        words = {(one.ref, one.event_id): one for one in reversed(evidence) if one.ref not in kept_out}
        self._writer.write_all([self._topics.words(one) for one in words.values() if not (fresh and self._has(one))])
        self._mirror.keep(identities, evidence)

    def _is_fresh(self) -> bool:
        try:
            self._catch_up(KEEP_PATIENCE)
        except BehindError:
            return False
        return True

    def _has(self, words: Words) -> bool:
        return self._mirror.evidence(words.ref, words.event_id) is not None

    def identity(self, ref: str) -> Identity | None:
        """See the port."""
        self._catch_up()
        return self._mirror.identity(ref)

    def identities(self, refs: Iterable[str]) -> dict[str, Identity]:
        """See the port."""
        self._catch_up()
        return self._mirror.identities(refs)

    def all_refs(self) -> Iterator[str]:
        """See the port."""
        self._catch_up()
        return self._mirror.all_refs()

    def evidence(self, ref: str, event_id: str) -> Words | None:
        """See the port."""
        self._catch_up()
        return self._mirror.evidence(ref, event_id)

    def erase(self, ref: str) -> int:
        """See the port. After a crash in between, do it again: the mark that it is erased comes last."""
        removed = self._remove(ref)
        self._writer.write_all([self._topics.mark(ref, erased=True)])
        self._mirror.erase(ref)
        return removed

    def forget(self, ref: str) -> int:
        """See the port."""
        removed = self._remove(ref)
        self._mirror.forget(ref)
        return removed

    def _remove(self, ref: str) -> int:
        # Words before the identity: whoever sweeps up after a crash goes by the identities that are left.
        self._catch_up()
        events, known = self._mirror.words_of(ref), len(self._mirror.known([ref]))
        self._writer.write_all([self._topics.gone(ref, event_id) for event_id in events])
        self._writer.write_all([self._topics.gone(ref)])
        return len(events) + known

    def see_to_removal(self) -> None:
        """See the port: a broker closes a segment only when something is added after its time, and compacts only what
        is closed. In a partition to which nobody adds anything, what was erased last would stay for ever."""
        self._writer.write_all(self._topics.beats())
        self._mirror.see_to_removal()

    def kept_before(self, at: int) -> Iterator[str]:
        """See the port. For what another machine has stored, the time counts when this one read it."""
        self._catch_up()
        return self._mirror.kept_before(at)

    def looked_at(self, ref: str, by: str, what: str, at: int) -> None:
        """See the port."""
        self._writer.write_all([self._topics.look(Look(at, ref, by, what))])

    def looks(self, ref: str | None = None) -> Iterator[tuple[int, str, str, str]]:
        """See the port."""
        self._catch_up()
        return self._mirror.looks(ref)

    def close(self) -> None:
        """See the port."""
        self._writer.close()
        self._identities.close()
        self._evidence.close()
        self._reading.close()
        self._hasty.close()
        self._mirror.close()

    def _catch_up(self, patience: float | None = None) -> None:
        """Brings the mirror up to what the topics hold now."""
        self._start_over_if_away(patience)
        # The evidence's end is asked first and not passed: whatever lets a person's words be kept again stands among
        # the identities before them.
        evidence = self._evidence.ends()
        left_over = self._read(self._ids[0], self._identities, self._identities.ends(), patience)
        self._tidy(left_over | self._read(self._ids[1], self._evidence, evidence, patience))
        self._mirror.was_read()

    def _start_over_if_away(self, patience: float | None) -> None:
        """A topic forgets its tombstones. A mirror that was away for so long would keep what they removed."""
        if self._mirror.was_away(self._forgets_after):
            with self._turn(patience, self._identities.name):
                if self._mirror.was_away(self._forgets_after):
                    self._mirror.start_over()

    def _read(self, topic_id: str, source: KafkaSource, ends: dict[int, int], patience: float | None) -> LeftOver:
        left_over: LeftOver = set()

        def reached() -> dict[int, int]:
            return self._mirror.reached(topic_id)

        def add(fetched: Sequence[Fetched]) -> None:
            for part in fetched:
                left_over.update(read_into(self._mirror, self._topics, topic_id, source.name, _cut(part, ends)))

        if is_behind(reached, ends):
            with self._turn(patience, source.name):
                read_up_to(ends, source, reached, add, patience)
        return left_over

    @contextmanager
    def _turn(self, patience: float | None, name: str) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context((self._reading if patience is None else self._hasty).held())
            except UnavailableError as error:
                raise behind(name, patience) from error
            yield

    def _tidy(self, left_over: LeftOver) -> None:
        """Removes what somebody wrote who did not know yet that the person was erased."""
        still = self._mirror.erased({ref for ref, _event_id in left_over})
        gone = [self._topics.gone(ref, event_id) for ref, event_id in sorted(left_over, key=str) if ref in still]
        if gone:
            with suppress(UnavailableError):  # every other mirror will find it too
                self._writer.write_all(gone)


def _cut(part: Fetched, ends: dict[int, int]) -> Fetched:
    end = min(part.end, ends[part.partition])
    return part._replace(end=end, records=[raw for raw in part.records if raw.offset < end])
