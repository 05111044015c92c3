"""What is to be done about a batch of calls: what is known already, what is to be written, and, after that, who was
first. Uses the mirror's own fold, so that a plan and what the mirror makes of it cannot differ.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from ledger.adapters.group_commit import Answer
from ledger.adapters.kafka_append import Sent
from ledger.adapters.kafka_entry import Facts, headers_of
from ledger.adapters.kafka_mirror import Fetched, KafkaMirror, Raw, place_of
from ledger.adapters.mirror_fold import Fold, Read
from ledger.errors import UnavailableError
from ledger.log import Appended, Conflict, Duplicate, Entry, Outcome, Position, Recorded

TENTATIVE = 1 << 62
"""Places from here on are of entries that are yet to be written."""


class Expected(NamedTuple):
    """What will become of an entry: to be written (`known` is None), or known already; and the place that says it."""

    place: int
    known: type[Duplicate] | type[Conflict] | None


class Plan:
    """The plan for one batch."""

    def __init__(self, mirror: KafkaMirror, calls: Sequence[Sequence[Entry]]) -> None:
        """Raises what the mirror's file raises."""
        self._mirror = mirror
        self._next = count(TENTATIVE)
        self.to_write: list[list[Entry]] = []
        """For each call the entries that are new, in order."""
        facts = [(entry.key, _facts(entry)) for entries in calls for entry in entries]
        with mirror.rehearsing(facts) as fold:
            self._expected = [self._plan(fold, entries) for entries in calls]

    def _plan(self, fold: Fold, entries: Sequence[Entry]) -> list[Expected] | ValueError:
        new: list[Entry] = []
        self.to_write.append(new)
        for entry in entries:
            if fold.is_known(entry.event_id) and fold.holder(entry.key, entry.claim, entry.content) is None:
                return ValueError(f"the event id {entry.event_id} is in the log already")
        expected = []
        for entry in entries:
            held = fold.holder(entry.key, entry.claim, entry.content)
            if held is not None:
                expected.append(Expected(held[0], Duplicate if held[1] else Conflict))
                continue
            place = next(self._next)
            fold.add(Read(place, 0, entry.key, entry.value, _facts(entry)))
            expected.append(Expected(place, None))
            new.append(entry)
        return expected

    def settled(self, sent: Sequence[Sent]) -> list[Answer]:
        """The answers, once the mirror has read what was written."""
        written = self._written(sent)
        places = [place_of(found.position) for found in written.values() if isinstance(found, Appended)]
        firsts = self._mirror.firsts(places)
        known = [one.place for one in self._all_expected() if one.place < TENTATIVE]
        records = self._mirror.at([*places, *firsts.values(), *known])
        return [_answer(of_call, written, firsts, records) for of_call in self._expected]

    def unsettled(self, sent: Sequence[Sent]) -> list[Answer]:
        """The answers, where the mirror cannot tell who was first: what was written is there, which is what counts.

        Calls that need the mirror for more than that are to be repeated.
        """
        written = self._written(sent)
        return [_answer(of_call, written, {}, {}) for of_call in self._expected]

    def _all_expected(self) -> list[Expected]:
        return [one for of_call in self._expected if isinstance(of_call, list) for one in of_call]

    def _written(self, sent: Sequence[Sent]) -> dict[int, Appended | Exception]:
        """What became of each tentative place."""
        places = count(TENTATIVE)
        written: dict[int, Appended | Exception] = {}
        for entries, of_call in zip(self.to_write, sent, strict=True):
            for index, _entry in enumerate(entries):
                written[next(places)] = of_call if isinstance(of_call, Exception) else of_call[index]
        return written


def as_read(calls: Sequence[Sequence[Entry]], sent: Sequence[Sent]) -> list[Fetched]:
    """What was written, as the topic will give it: where nobody else wrote in between, it need not be fetched."""
    stored: list[tuple[Position, int, Entry]] = []
    for entries, of_call in zip(calls, sent, strict=True):
        if isinstance(of_call, list):
            stored += [(*found, entry) for found, entry in zip(of_call, entries, strict=True)]
    stored.sort(key=itemgetter(0))
    runs: list[Fetched] = []
    for (partition, offset), timestamp, entry in stored:
        raw = Raw(offset, timestamp, entry.key, entry.value, headers_of(entry))
        if runs and (runs[-1].partition, runs[-1].end) == (partition, offset):
            runs[-1] = runs[-1]._replace(end=offset + 1)
            runs[-1].records.append(raw)
        else:
            runs.append(Fetched(partition, offset, offset + 1, [raw]))
    return runs


def _answer(
    expected: list[Expected] | ValueError,
    written: Mapping[int, Appended | Exception],
    firsts: Mapping[int, int],
    records: Mapping[int, Recorded],
) -> Answer:
    if isinstance(expected, ValueError):
        return expected
    outcomes: list[Outcome] = []
    for place, known in expected:
        found = written.get(place)
        if isinstance(found, Exception):
            return found
        real = place if found is None else place_of(found.position)
        first = firsts.get(real, real)
        if known is None and first == real and found is not None:
            recorded = records.get(real)
            outcomes.append(found if recorded is None else Appended(found.position, recorded.recorded_at))
        elif first in records:
            outcomes.append((known or Duplicate)(records[first]))
        else:
            return UnavailableError("the log could not be read to its end; repeat with the same key")
    return outcomes


def _facts(entry: Entry) -> Facts:
    return Facts(entry.event_id, entry.claim, entry.content, entry.frees, entry.reclaims)
