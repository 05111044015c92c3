"""One transaction of the SQLite log: what is stored, what is a duplicate, what is in conflict."""

import sqlite3
from binascii import unhexlify
from collections.abc import Sequence
from typing import Any

from ledger.adapters.sqlite_rows import Packed, packed, statements
from ledger.log import Appended, Conflict, Duplicate, Entry, Outcome, Position, Recorded

LOG = "INSERT INTO log (offset, recorded_at, key, value) VALUES {rows}"
SUBJECT_INDEX = "INSERT INTO subject_index (subject, claim, offset, content, held) VALUES {rows}"
EVENT_INDEX = "INSERT INTO event_index (event_id, offset) VALUES {rows}"
HELD = """
WITH asked (subject, claim) AS (VALUES {rows})
SELECT asked.subject, asked.claim, found.offset, found.content FROM asked CROSS JOIN subject_index AS found
ON found.subject = asked.subject AND found.claim = asked.claim AND found.held"""
STORED = "SELECT offset, recorded_at, key, value FROM log WHERE offset IN (VALUES {rows})"
LAST = "SELECT offset + 1, recorded_at FROM log ORDER BY offset DESC LIMIT 1"
OF_EVENT = """
SELECT claim, offset, content FROM subject_index
WHERE subject = ? AND held = ? AND offset = (SELECT offset FROM event_index WHERE event_id = ?)"""
IS_HELD = "SELECT 1 FROM subject_index WHERE subject = ? AND claim = ? AND held"
MARK = "UPDATE subject_index SET held = ? WHERE subject = ? AND claim = ? AND offset = ?"


new = tuple.__new__  # of a named tuple: half the time of its own constructor


def packed_id(event_id: str) -> Packed:
    """A UUID as its 16 bytes (in capitals it is the same UUID); any other text as it is."""
    if len(event_id) == 36:
        try:
            raw = unhexlify(event_id.replace("-", ""))
        except ValueError:
            return event_id
        if len(raw) == 16:
            return raw
    return event_id


class Append:
    """What one transaction adds. Use once, between BEGIN IMMEDIATE and COMMIT."""

    def __init__(self, db: sqlite3.Connection, now: int) -> None:
        """`now` in milliseconds; the time recorded is not before the last one's."""
        self._db = db
        end, last = db.execute(LAST).fetchone() or (0, 0)
        self._end: int = end
        self._recorded_at: int = max(now, last)
        self._held: dict[tuple[Packed, Packed], tuple[int, Packed]] = {}
        self._log: list[Any] = []
        self._subjects: list[Any] = []
        self._events: list[Any] = []
        # (outcomes of a request, index in them, offset of the first) of what was there already
        self._known: list[tuple[list[Outcome], int, int, type[Duplicate] | type[Conflict]]] = []

    def store(self, batch: Sequence[Sequence[Entry]]) -> list[list[Outcome]]:
        """What becomes of each entry of each request, in order. Raises ValueError for an event id used before."""
        pairs = [[(packed(entry.key), packed(entry.claim)) for entry in entries] for entries in batch]
        self._look_up([value for of_request in pairs for pair in of_request for value in pair])
        results = []
        for entries, of_request in zip(batch, pairs, strict=True):
            outcomes: list[Outcome] = []
            for entry, pair in zip(entries, of_request, strict=True):
                self._add(entry, pair, outcomes)
            results.append(outcomes)
        self._flush()
        self._show_known()
        return results

    def _look_up(self, values: list[Packed]) -> None:
        for statement, part in statements(HELD, 2, values):
            for subject, claim, offset, content in self._db.execute(statement, part).fetchall():
                self._held[subject, claim] = (offset, content)

    def _add(self, entry: Entry, pair: tuple[Packed, Packed], outcomes: list[Outcome]) -> None:
        content = packed(entry.content)
        first = self._held.get(pair)
        if first is not None:
            self._known.append((outcomes, len(outcomes), first[0], Duplicate if first[1] == content else Conflict))
            outcomes.append(PENDING)
            return
        offset = self._end
        self._end = offset + 1
        self._held[pair] = (offset, content)
        self._log += (offset, self._recorded_at, entry.key, entry.value)
        self._subjects += (*pair, offset, content, 1)
        self._events += (packed_id(entry.event_id), offset)
        outcomes.append(new(Appended, (new(Position, (0, offset)), self._recorded_at)))
        if entry.frees is not None or entry.reclaims is not None:
            self._correct(entry, pair[0])

    def _correct(self, entry: Entry, subject: Packed) -> None:
        self._flush()  # what it corrects may be in this transaction
        if entry.frees is not None:
            for claim, offset, _content in self._of_event(subject, 1, entry.frees):
                self._db.execute(MARK, (0, subject, claim, offset))
                self._held.pop((subject, claim), None)
        if entry.reclaims is not None:
            for claim, offset, content in self._of_event(subject, 0, entry.reclaims):
                if self._db.execute(IS_HELD, (subject, claim)).fetchone() is None:
                    self._db.execute(MARK, (1, subject, claim, offset))
                    self._held[subject, claim] = (offset, content)

    def _of_event(self, subject: Packed, held: int, event_id: str) -> list[tuple[Packed, int, Packed]]:
        return self._db.execute(OF_EVENT, (subject, held, packed_id(event_id))).fetchall()

    def _flush(self) -> None:
        for template, width, values in (
            (LOG, 4, self._log),
            (SUBJECT_INDEX, 5, self._subjects),
            (EVENT_INDEX, 2, self._events),
        ):
            for statement, part in statements(template, width, values):
                try:
                    self._db.execute(statement, part)
                except sqlite3.IntegrityError as error:
                    raise ValueError(f"an event id is in the log already, or a trigger refused: {error}") from error
            values.clear()

    def _show_known(self) -> None:
        stored: dict[int, Recorded] = {}
        offsets = sorted({offset for _outcomes, _index, offset, _kind in self._known})
        for statement, part in statements(STORED, 1, offsets):
            for offset, recorded_at, key, value in self._db.execute(statement, part).fetchall():
                stored[offset] = Recorded(Position(0, offset), recorded_at, key, value)
        for outcomes, index, offset, kind in self._known:
            outcomes[index] = kind(stored[offset])


PENDING = Appended(Position(0, -1), 0)  # stands where a duplicate will be named, once all rows can be read
