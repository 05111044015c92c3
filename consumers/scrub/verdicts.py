"""Verdicts by number, and contacts asked about one by one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from consumers.copy import Copy, answer
from projections.question import Question
from schemas.decision import Verdict

Codes = NDArray[np.int32]
Events = NDArray[np.uint8]


class Verdicts:
    """Verdicts by number: few differ, and a row has a number and at most the id of one event of its own."""

    def __init__(self) -> None:
        self.known: list[tuple[Verdict, bool]] = []
        self._numbers: dict[tuple[Verdict, bool], int] = {}

    def number(self, verdict: Verdict, names_own: bool = False) -> int:
        """The number of a verdict; `names_own`: its evidence is the one statement of the row, whichever that is."""
        key = (verdict._replace(evidence=()) if names_own else verdict, names_own)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.known)
            self.known.append(key)
        return found


class Asker(Protocol):
    """Asks about many contacts; its verdicts are numbered in `verdicts`."""

    verdicts: Verdicts

    def answers(self, digests: Sequence[bytes], question: Question) -> tuple[Codes, Events]:
        """For each contact the number of its verdict, and the 16 bytes of its statement if the verdict names that."""
        ...


class OneByOne:
    """Asks about each contact alone: of any copy. `stale`: the copy is older than the policy allows."""

    def __init__(self, copy: Copy, stale: bool) -> None:
        self.verdicts = Verdicts()
        self._copy = copy
        self._stale = stale

    def answers(self, digests: Sequence[bytes], question: Question) -> tuple[Codes, Events]:
        """These verdicts name their evidence themselves."""
        made = (answer(self._copy, digest, question, self._stale) for digest in digests)
        codes = [self.verdicts.number(verdict) for verdict in made]
        return np.array(codes, np.int32), np.zeros((len(codes), 16), np.uint8)
