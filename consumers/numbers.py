"""Numbers in E.164 by the million: which of them `parse_number` takes as they stand, by all but their last four digits.

What a number plan says of the last four digits is nearly always "any". That is proven, not sampled, once for each
beginning: the plan's own pattern is asked about the beginning with four unknown digits, each of which may be met by an
"any digit" only and, where the plan forbids something, is taken for whatever is forbidden. Where that proves nothing
the number goes to `parse_number`, as does everything else.
"""

import re
from functools import cache
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from schemas.number import E164, parse_number
from schemas.number import _stands as stands
from schemas.number import _valid_as_written as pattern_of

UNKNOWN: Final = "X"
LAST: Final = frozenset(f"{number:04}" for number in range(10_000))
MAX_KNOWN: Final = 1 << 17  # beginnings; some 12 MB
ATOMS: Final = re.compile(r"\\d|\[[^\]]*\]|\{[^}]*\}|\(\?[:=!]|\\.|.", re.DOTALL)
known: Final[dict[str, bool]] = {}
"""For each beginning whether it is taken with any four digits after it."""


def parse(text: str, region: str | None = None) -> str:
    """As `parse_number`, and at a third of its time for most numbers in E.164. Raises ContactError."""
    if known.get(text[:-4]) and text[-4:] in LAST:
        return text
    number = parse_number(text, region)
    if number == text and text[:-4] not in known:
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[text[:-4]] = stands(text[1:]) and _is_proven(text[:-4])
    return number


def _is_proven(beginning: str) -> bool:
    """Whether every number with this beginning and four more digits is taken as it stands."""
    if E164.fullmatch(beginning + "0000") is None:
        return False
    code = next((int(beginning[1:end]) for end in (2, 3, 4) if int(beginning[1:end]) in COUNTRY_CODE_TO_REGION_CODE), 0)
    pattern = _of_unknown(code)
    return pattern is not None and pattern.fullmatch(beginning.removeprefix(f"+{code}") + UNKNOWN * 4) is not None


@cache
def _of_unknown(country_code: int) -> re.Pattern[str] | None:
    """The pattern of a country code's valid numbers, for numbers of which some digits are unknown."""
    pattern = pattern_of(country_code)
    if pattern is None:
        return None
    made: list[str] = []
    forbidden = [False]
    for atom in ATOMS.findall(pattern.pattern):
        if atom[0] == "(":
            forbidden.append(forbidden[-1] or atom == "(?!")
        elif atom == ")":
            forbidden.pop()
        if atom[0] == "[" and atom[1] == "^":
            return None  # an unknown digit is not outside of anything
        made.append(_met_by_unknown(atom, forbidden[-1]))
    return re.compile("".join(made), re.ASCII)


def _met_by_unknown(atom: str, forbidden: bool) -> str:
    if atom == r"\d":
        return rf"[\d{UNKNOWN}]"
    if atom[0] == "[":
        return f"{atom[:-1]}{UNKNOWN}]" if forbidden or r"\d" in atom else atom
    return f"[{atom}{UNKNOWN}]" if forbidden and atom.isdigit() else atom
