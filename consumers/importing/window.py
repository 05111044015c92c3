"""Rows of a window of the file, stored in the order of their references.

References are random, and so are the places of new ones in the indexes of a store: in the order of a list each batch
touches almost every page, in the order of the references of many batches only its share of them. With a million rows
behind it that halves the work of the stores. What one subject says keeps its order.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from consumers.importing.readers import Row
from ledger.record import Receipt
from ledger.reference import References
from ledger.requests import Alike, Request
from schemas.errors import InputError

BATCH: Final = 5_000  # requests; larger is faster, and keeps an opt-out that comes in between waiting longer
WINDOW: Final = 30_000  # rows; of two, some 50 MB


class Made(NamedTuple):
    """A row and what it asks for, and why not all of it can be had."""

    row: Row
    requests: list[Request | Alike]
    wrong: str | None


class Window:
    """So many rows, what they ask for, and what became of it."""

    def __init__(self, rows: Sequence[Made], references: References) -> None:
        self._rows = rows
        self.requests = [request for made in rows for request in made.requests]
        self._answers: list[Receipt | InputError | None] = [None] * len(self.requests)
        self._left = len(self.requests)
        digests = [references.digest(*request.subject) for request in self.requests]
        self._order = sorted(range(len(digests)), key=digests.__getitem__)

    def batches(self) -> Iterator[Sequence[int]]:
        """Places of requests, in the order in which they are stored; one empty batch where there are none."""
        for start in range(0, len(self._order) or 1, BATCH):
            yield self._order[start : start + BATCH]

    def settled(
        self, batch: Sequence[int], answers: Sequence[Receipt | InputError]
    ) -> Iterator[tuple[Made, list[Receipt | InputError]]]:
        """Takes the answers to a batch; when they are the last, the rows with theirs, in the order of the file."""
        for place, answer in zip(batch, answers, strict=True):
            self._answers[place] = answer
        self._left -= len(batch)
        if self._left == 0:
            remaining = (answer for answer in self._answers if answer is not None)
            for made in self._rows:
                yield made, list(islice(remaining, len(made.requests)))
