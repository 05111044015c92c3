"""The short way for numbers in E.164 takes and refuses what `parse_number` does."""

import re
from random import Random

import phonenumbers
import pytest

from consumers import numbers
from schemas.errors import ContactError
from schemas.number import parse_number


@pytest.fixture(autouse=True)
def forgetful() -> None:
    numbers.known.clear()


def said(text: str, region: str | None = None, *, short: bool) -> str:
    try:
        return (numbers.parse if short else parse_number)(text, region)
    except ContactError as error:
        return f"refused: {error}"


def examples() -> list[str]:
    """A valid number of each kind of each region."""
    found = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (0, 1, 3, 4, 5, 6, 7):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                found.append(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
    return found


def test_every_region_s_numbers_are_taken_alike_whatever_their_last_four_digits() -> None:
    rng = Random(1)
    proven = 0
    for example in examples():
        said(example, short=True)
        proven += numbers.known.get(example[:-4], False)
        for _ in range(25):
            text = f"{example[:-4]}{rng.randrange(10_000):04}"
            assert said(text, short=True) == said(text, short=False), text
    assert proven > 500


@pytest.mark.parametrize(
    "beginning", ["+1416555", "+1800555", "+3361234", "+4477009", "+5511987", "+91987654", "+1684733"]
)
def test_what_is_proven_of_a_beginning_holds_for_all_ten_thousand(beginning: str) -> None:
    said(f"{beginning}0123", short=True)
    for last in range(10_000):
        text = f"{beginning}{last:04}"
        if numbers.known.get(beginning):
            assert parse_number(text) == text
        if last % 50 == 0:
            assert said(text, short=True) == said(text, short=False)


def test_random_digits_are_taken_or_refused_alike() -> None:
    rng = Random(2)
    for _ in range(20_000):
        text = f"+{rng.choice((1, 33, 44, 49, 52, 54, 7, 39, 91, 55, rng.randrange(1, 1000)))}"
        text += "".join(rng.choices("0123456789", k=rng.randint(3, 12)))
        for _ in range(2):
            assert said(text, short=True) == said(text, short=False), text


@pytest.mark.parametrize(
    "text", ["+1416555०१२३", "+1416555 123", "+14165550١23", "+1416555012", "+141655501234", "+", ""]
)
def test_a_known_beginning_lets_nothing_else_pass(text: str) -> None:
    assert numbers.parse("+14165550123") == "+14165550123"
    assert numbers.known["+1416555"]
    assert said(text, short=True) == said(text, short=False)


def test_what_a_plan_forbids_is_not_proven_where_an_unknown_digit_might_meet_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for pattern, proven in {
        r"(?:\d{8})$": True,
        r"(?:\d{4}[0-4]\d{3})$": False,
        r"(?:[2-9]\d{7})$": True,
        r"(?!00)(?=(?:\d{8})$)(?:\d{8})$": True,
        r"(?!\d{4}5)(?:\d{8})$": False,
        r"(?!\d{4}[5-7])(?:\d{8})$": False,
        r"(?!5555)(?:\d{8})$": False,
        r"(?:\d{4}[\d]{4})$": True,
        r"(?:\d{4}[^0]\d{3})$": False,
    }.items():
        monkeypatch.setattr(numbers, "pattern_of", lambda _code, pattern=pattern: re.compile(pattern, re.ASCII))
        numbers._of_unknown.cache_clear()
        assert numbers._is_proven("+495555") is proven, pattern
    numbers._of_unknown.cache_clear()


def test_the_beginnings_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MAX_KNOWN", 10)
    for exchange in range(200, 300):
        numbers.parse(f"+1416{exchange}0123")
    assert len(numbers.known) <= 10
