"""What a mirror of the ledger adds: entries, and who holds which claim, as a function of the order of the log alone.

Every machine folds the same records in the same order of each partition, and a subject has one partition, so all of
them agree on who was first, also where two writers raced. An entry whose claim was held with the same content when it
came, or whose id was there already, is a *repetition*: it stands in the log and counts nowhere
(`projections/standing.py`). With other content both count, and both hold the claim.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ledger.adapters.kafka_entry import UNKNOWN, Facts
from ledger.adapters.sqlite_append import packed_id
from ledger.adapters.sqlite_rows import Packed, packed, statements

ENTRY = "INSERT INTO entry (place, recorded_at, key, value) VALUES {rows}"
SUBJECT_INDEX = "INSERT INTO subject_index (subject, claim, place, content, held) VALUES {rows}"
EVENT_INDEX = "INSERT OR IGNORE INTO event_index (event_id, place) VALUES {rows}"
REPETITION = "INSERT INTO repetition (place, first) VALUES {rows}"
CORRECTION = "INSERT OR IGNORE INTO correction (event_id, corrects) VALUES {rows}"
HELD = """
WITH asked (subject, claim) AS (VALUES {rows})
SELECT asked.subject, asked.claim, found.place, found.content FROM asked CROSS JOIN subject_index AS found
ON found.subject = asked.subject AND found.claim = asked.claim AND found.held ORDER BY found.place"""
KNOWN = "SELECT event_id, place FROM event_index WHERE event_id IN (VALUES {rows})"
OF_EVENT = """
SELECT claim, place, content FROM subject_index
WHERE subject = ? AND held = ? AND place = (SELECT place FROM event_index WHERE event_id = ?)"""
IS_HELD = "SELECT 1 FROM subject_index WHERE subject = ? AND claim = ? AND held"
MARK = "UPDATE subject_index SET held = ? WHERE subject = ? AND claim = ? AND place = ?"
CORRECTED = "SELECT corrects FROM correction WHERE event_id = ?"
REPEATS = "SELECT 1 FROM repetition WHERE place = ?"
COUNTS_AT = "UPDATE event_index SET place = ? WHERE event_id = ?"
NOTHING = b""  # the claim of what makes none

Pair = tuple[Packed, Packed]


class Read(NamedTuple):
    """A record of the topic, with the time that it counts as recorded at, in milliseconds."""

    place: int
    recorded_at: int
    key: str
    value: bytes
    facts: Facts | None


class Fold:
    """What one transaction of a mirror adds. Use once, between BEGIN IMMEDIATE and COMMIT or ROLLBACK."""

    def __init__(self, db: sqlite3.Connection, subjects: Iterable[tuple[str, Facts | None]]) -> None:
        """`subjects`: key and facts of all that will be added, or asked about."""
        self._db = db
        self._held: dict[Pair, dict[Packed, int]] = defaultdict(dict)
        self._known: dict[Packed, int] = {}
        self._rows: dict[str, tuple[int, list[Any]]] = {
            ENTRY: (4, []), SUBJECT_INDEX: (5, []), EVENT_INDEX: (2, []), REPETITION: (2, []), CORRECTION: (2, []),
        }  # fmt: skip
        self._look_up([(key, facts) for key, facts in subjects if facts is not None])

    def _look_up(self, subjects: Sequence[tuple[str, Facts]]) -> None:
        pairs = [value for key, facts in subjects for value in (packed(key), packed(facts.claim))]
        for subject, claim, place, content in self._fetch(HELD, 2, pairs):
            self._held[subject, claim].setdefault(content, place)
        ids = [packed_id(facts.event_id) for _key, facts in subjects]
        self._known.update(self._fetch(KNOWN, 1, ids))

    def _fetch(self, template: str, width: int, values: list[Any]) -> list[Any]:
        return [
            row
            for statement, part in statements(template, width, values)
            for row in self._db.execute(statement, part).fetchall()
        ]

    def holder(self, key: str, claim: str, content: str) -> tuple[int, bool] | None:
        """Who holds a claim: of the same content, or else whoever was first; None if nobody does."""
        held = self._held[packed(key), packed(claim)]
        if not held:
            return None
        same = held.get(packed(content))
        return (min(held.values()), False) if same is None else (same, True)

    def is_known(self, event_id: str) -> bool:
        """Whether an event of that id is there."""
        return packed_id(event_id) in self._known

    def add(self, read: Read) -> None:
        """Adds a record. Call `flush` after the last."""
        self._row(ENTRY, read.place, read.recorded_at, read.key, read.value)
        subject, facts = packed(read.key), read.facts
        if facts is None:
            self._row(SUBJECT_INDEX, subject, NOTHING, read.place, NOTHING, 0)
            return
        claim, content, event_id = packed(facts.claim), packed(facts.content), packed_id(facts.event_id)
        held = self._held[subject, claim]
        first = held.get(content, self._counted(event_id))
        self._row(SUBJECT_INDEX, subject, claim, read.place, content, int(first is None))
        if event_id not in self._known:
            self._known[event_id] = read.place
            self._row(EVENT_INDEX, event_id, read.place)
        elif first is None:
            self._known[event_id] = read.place
            self._db.execute(COUNTS_AT, (read.place, event_id))
        if first is not None:
            self._row(REPETITION, read.place, first)
            return
        held[content] = read.place
        if facts.frees is not None or facts.reclaims is not None:
            self._correct(subject, event_id, facts)

    def _counted(self, event_id: Packed) -> int | None:
        """Where an event of that id stands, unless what stands there was only a repetition and never counted."""
        place = self._known.get(event_id)
        if place is None:
            return None
        self.flush()  # it may be in this transaction
        return None if self._db.execute(REPEATS, (place,)).fetchone() else place

    def _correct(self, subject: Packed, event_id: Packed, facts: Facts) -> None:
        reclaims = facts.reclaims
        if reclaims == UNKNOWN:
            self._row(CORRECTION, event_id, facts.frees)
        self.flush()  # what it corrects may be in this transaction
        if reclaims == UNKNOWN:
            found = self._db.execute(CORRECTED, (packed_id(facts.frees or ""),)).fetchone()
            reclaims = found and found[0]
        if facts.frees is not None:
            for claim, place, content in self._of_event(subject, 1, facts.frees):
                self._db.execute(MARK, (0, subject, claim, place))
                self._held[subject, claim].pop(content, None)
        if reclaims is not None:
            for claim, place, content in self._of_event(subject, 0, reclaims):
                if self._db.execute(IS_HELD, (subject, claim)).fetchone() is None:
                    self._db.execute(MARK, (1, subject, claim, place))
                    self._held[subject, claim][content] = place

    def _of_event(self, subject: Packed, held: int, event_id: str) -> list[tuple[Packed, int, Packed]]:
        return self._db.execute(OF_EVENT, (subject, held, packed_id(event_id))).fetchall()

    def _row(self, template: str, *values: object) -> None:
        self._rows[template][1].extend(values)

    def flush(self) -> None:
        """Writes what was added."""
        for template, (width, values) in self._rows.items():
            for statement, part in statements(template, width, values):
                self._db.execute(statement, part)
            values.clear()
