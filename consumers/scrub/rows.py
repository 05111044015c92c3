"""The contacts of some rows, judged: what every format of file has in common."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumers.copy import Copy
from consumers.gate import Asked, Gate
from consumers.numbers import LAST, known, parse
from consumers.replica import Replica
from consumers.scrub.bulk import Together
from consumers.scrub.verdicts import Asker, Codes, Events, OneByOne
from consumers.scrub.wanted import NOT_A_CONTACT, Wanted
from ledger.reference import References
from projections.question import Question
from schemas.errors import ContactError
from schemas.subject import parse_contact

HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint8).reshape(256, 2)
DIGITS = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])


class Judged(NamedTuple):
    """Which rows may be sent to; for those that may not, in their order, the reason and the events behind it."""

    allowed: NDArray[np.bool_]
    reasons: list[str]
    events: list[str]
    counts: dict[str, int]


class Judge:
    """Judges rows by the text of their contact."""

    def __init__(self, copy: Copy, references: References, wanted: Wanted, stale: bool) -> None:
        """Raises ScopeError where the question is not concrete or not of the policy."""
        self._references = references
        self._region = wanted.region
        self._at = wanted.at
        self._asked = asked(copy, references, wanted)
        self._asker: Asker = Together(copy, stale) if isinstance(copy, Replica) else OneByOne(copy, stale)
        self._lock = copy.lock
        self._questions: dict[str | None, Question] = {}

    def judge(self, texts: Sequence[str]) -> Judged:
        """The rows with these contacts, in their order."""
        places, digests, jurisdictions = self._understood(texts)
        codes, events = np.full(len(texts), -1, np.int32), np.zeros((len(texts), 16), np.uint8)
        with self._lock:
            if not digests:
                pass
            elif jurisdictions is None:
                codes[places], events[places] = self._asker.answers(digests, self._question(None))
            else:
                codes[places], events[places] = self._by_jurisdiction(digests, jurisdictions)
        return self._judged(codes, events)

    def _understood(self, texts: Sequence[str]) -> tuple[Sequence[int] | slice, list[bytes], list[str | None] | None]:
        """The rows that hold a contact, its reference, and its jurisdiction where the policy asks for that."""
        region = self._region
        numbers: list[str] = []
        others: dict[int, tuple[str, str] | None] = {}
        for place, text in enumerate(texts):
            if text[-4:] in LAST and known.get(text[:-4]):  # as `parse` has it; most rows end here
                numbers.append(text)
                continue
            try:
                if text[:1] == "+":
                    numbers.append(parse(text, region))
                    continue
                others[place] = parse_contact(text, region)
            except ContactError:
                others[place] = None
            numbers.append("")
        digests = self._references.digests("number", numbers)
        for place, subject in others.items():
            if subject is not None:
                digests[place] = self._references.digest(*subject)
        return self._only_contacts(numbers, digests, others)

    def _only_contacts(
        self, numbers: list[str], digests: list[bytes], others: dict[int, tuple[str, str] | None]
    ) -> tuple[Sequence[int] | slice, list[bytes], list[str | None] | None]:
        jurisdictions: list[str | None] | None = None
        if self._asked.asks_jurisdiction:
            jurisdictions = [self._asked.jurisdiction_of("number", number) if number else None for number in numbers]
            for place, subject in others.items():
                if subject is not None and subject[0] == "number":
                    jurisdictions[place] = self._asked.jurisdiction_of("number", subject[1])
        if None not in others.values():
            return slice(None), digests, jurisdictions
        places = [place for place in range(len(numbers)) if others.get(place, ()) is not None]
        chosen = jurisdictions and [jurisdictions[place] for place in places]
        return places, [digests[place] for place in places], chosen

    def _by_jurisdiction(self, digests: list[bytes], jurisdictions: list[str | None]) -> tuple[Codes, Events]:
        codes, events = np.empty(len(digests), np.int32), np.zeros((len(digests), 16), np.uint8)
        together: dict[str | None, list[int]] = {}
        for place, jurisdiction in enumerate(jurisdictions):
            together.setdefault(jurisdiction, []).append(place)
        for jurisdiction, places in together.items():
            some = [digests[place] for place in places]
            codes[places], events[places] = self._asker.answers(some, self._question(jurisdiction))
        return codes, events

    def _question(self, jurisdiction: str | None) -> Question:
        if jurisdiction not in self._questions:
            self._questions[jurisdiction] = self._asked.question.again(self._at, jurisdiction)
        return self._questions[jurisdiction]

    def _judged(self, codes: Codes, events: Events) -> Judged:
        known = self._asker.verdicts.known
        allows = np.array([verdict.allowed for verdict, _ in known] + [False])  # the last is that of code -1
        reasons = [verdict.reason for verdict, _ in known] + [NOT_A_CONTACT]
        evidence = [None if own else " ".join(verdict.evidence) for verdict, own in known] + [""]
        counts: dict[str, int] = {}
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            counts[reasons[code]] = counts.get(reasons[code], 0) + int(count)
        allowed = allows[codes]
        denied = codes[~allowed].tolist()
        texts = event_texts(events[~allowed])
        said = [evidence[code] for code in denied]
        named = [own if text is None else text for text, own in zip(said, texts, strict=True)]
        return Judged(allowed, [reasons[code] for code in denied], named, counts)


def judge_texts(texts: list[str], judge: Judge) -> Judged:
    """Judges the contacts of a batch; here, so that the processes that do it need not load what reads Parquet."""
    return judge.judge(texts)


def asked(copy: Copy, references: References, wanted: Wanted) -> Asked:
    """What is asked about every row. Raises ScopeError."""
    return Gate(copy, references).asked(wanted.at, wanted.channel, wanted.purpose, wanted.brand, wanted.sender)


def event_texts(events: Events) -> list[str]:
    """Event ids of 16 bytes each as texts."""
    digits = np.full((len(events), 36), ord("-"), np.uint8)
    digits[:, DIGITS] = HEX[events].reshape(-1, 32)
    joined = digits.tobytes().decode("ascii")
    return [joined[start : start + 36] for start in range(0, len(joined), 36)]
