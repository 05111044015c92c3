"""Phone numbers: one spelling each, the fast path as the library would have it, and nothing that is somebody else's."""

from random import Random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType, ValidationResult

from schemas import number
from schemas.errors import ContactError
from schemas.number import mask, parse_number, region_of

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
KINDS = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]


def by_the_library(text: str, region: str | None) -> str | None:
    """What the rules of `schemas/number.py` come to without any fast path; None where the number is refused."""
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    if not text.startswith("+") and not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def parsed(text: str, region: str | None) -> str | None:
    """What the product says; None where it refuses."""
    try:
        return parse_number(text, region)
    except ContactError:
        return None


def examples(region: str) -> list[phonenumbers.PhoneNumber]:
    """An example of every kind of number that a region has."""
    found = [phonenumbers.example_number_for_type(region, kind) for kind in KINDS]
    return [one for one in found if one is not None]


# --- as the library would have it


@pytest.mark.parametrize("start", range(0, len(REGIONS), 50))
def test_examples_of_every_kind_in_every_region_are_read_as_the_library_reads_them(start: int) -> None:
    for region in REGIONS[start : start + 50]:
        for one in examples(region):
            spellings = [
                phonenumbers.format_number(one, PhoneNumberFormat.E164),
                phonenumbers.format_number(one, PhoneNumberFormat.INTERNATIONAL),
                phonenumbers.format_number(one, PhoneNumberFormat.NATIONAL),
                phonenumbers.national_significant_number(one),
            ]
            for text in spellings:
                assert parsed(text, region) == by_the_library(text, region), (text, region)


@pytest.mark.parametrize("seed", range(4))
def test_random_numbers_are_read_as_the_library_reads_them(seed: int) -> None:
    rng = Random(seed)
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    taken = 0
    for _ in range(5_000):
        region = rng.choice((None, "US", "CA", "FR", "GB", "DE", "IN", "AU", *rng.sample(REGIONS, 3)))
        digits = "".join(rng.choices("0123456789", k=rng.randint(5, 13)))
        text = rng.choice((f"+{rng.choice(codes)}{digits}", f"+1{digits[:10]}", f"+{digits}", digits, f"0{digits}"))
        if region is None and not text.startswith("+"):
            continue
        expected = by_the_library(text, region)
        assert parsed(text, region) == expected, (text, region)
        taken += expected is not None
    assert taken > 800


def test_most_numbers_of_the_largest_markets_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(text: str, _region: str | None) -> str:
        raise AssertionError(f"{text} went to the library")

    monkeypatch.setattr(number, "_by_the_library", slow)
    for text in ("+14165550123", "+12125550123", "+33612345678", "+919876543210", "+4915112345678"):
        assert parse_number(text) == text
    assert parse_number("4165550123", "CA") == "+14165550123"


def test_what_was_parsed_is_parsed_to_itself() -> None:
    for region in REGIONS[::7]:
        for one in examples(region):
            text = phonenumbers.format_number(one, PhoneNumberFormat.E164)
            if (first := parsed(text, None)) is not None:
                assert parse_number(first) == first


# --- what is taken


@pytest.mark.parametrize(
    "text",
    [
        "+1 416 555 0123",
        "++1 416 555 0123",
        "+1 (416) 555-0123",
        "+1.416.555.0123",
        " +14165550123 ",
        "+1\u00a0416\u2011555\u20110123",
    ],
)
def test_an_international_number_has_one_form_however_it_is_written(text: str) -> None:
    assert parse_number(text) == "+14165550123"
    assert parse_number(text, "FR") == "+14165550123"


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("416-555-0123", "CA", "+14165550123"),
        ("(416) 555-0123", "us", "+14165550123"),
        ("1 416 555 0123", "CA", "+14165550123"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("011 33 6 12 34 56 78", "US", "+33612345678"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("09876543210", "IN", "+919876543210"),
    ],
)
def test_a_national_number_is_read_in_its_region(text: str, region: str, expected: str) -> None:
    assert parse_number(text, region) == expected


def test_a_national_number_without_a_region_is_refused() -> None:
    with pytest.raises(ContactError, match="is a national number; write it with \\+ and the country code"):
        parse_number("4165550123")


@pytest.mark.parametrize("text", ["+15551234567", "+14165551201", "+19995550123"])
def test_a_possible_number_is_taken_though_nobody_may_have_it_yet(text: str) -> None:
    assert parse_number(text) == text


# --- what is not


@pytest.mark.parametrize("text", ["0612345678", "612345678", "06 12 34 56 78"])
def test_french_digits_are_not_read_as_an_american_number(text: str) -> None:
    assert parsed(text, "US") is None
    assert parse_number(text, "FR") == "+33612345678"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "+0", "+00000000000", "+999123456789"),
        *("12345", "911", "+1911", "+13101234", "7726", "#31#4165550123", "*67 4165550123"),
        *("+1 800 FLOWERS", "1-800-GOT-JUNK", "tel:+14165550123", "four one six"),
        *("+14165550123 ext. 5", "+14165550123x5", "+14165550123;ext=5", "+14165550123,,5", "+14165550123#5"),
        *("+1416555012", "+141655501234", "+14165550123" * 4, "+1" + "0" * 100, "+1 416 555 0123 / +1 416 555 0124"),
        *("\u0661\u0664\u0661\u0666\u0665\u0665\u0665\u0660\u0661\u0662\u0663", "+１４１６５５５０１２３"),
        *("+1416555\x000123", "+1416\u202e5550123", "jean@example.org"),
    ],
)
@pytest.mark.parametrize("region", [None, "CA"])
def test_what_is_no_number_of_a_person_is_refused_in_words(text: str, region: str | None) -> None:
    with pytest.raises(ContactError, match=r"is not a phone number|is a national number|is not a number that exists"):
        parse_number(text, region)


def test_a_region_that_does_not_exist_is_named() -> None:
    for region in ("XX", "Canada", "", "CA\n"):
        with pytest.raises(ContactError, match=r"is no region|national number|is not a phone number"):
            parse_number("4165550123", region)


def test_a_refusal_never_holds_a_whole_novel() -> None:
    with pytest.raises(ContactError) as caught:
        parse_number("4" * 100_000)
    assert len(str(caught.value)) < 200


# --- what else is said of numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14165550123", "+1416•••0123"),
        ("+33612345678", "+3361•••5678"),
        ("+2903000", "+2•••"),
        ("+290300012", "+2•••"),
    ],
)
def test_a_masked_number_can_be_recognised_and_not_called(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert len(text) - len(mask(text).replace("•", "")) >= 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("+14165550123", "CA"), ("+12125550123", "US"), ("+18765550123", "JM"), ("+33612345678", "FR")),
        *(("+15551234567", None), ("+80012345678", None), ("+919000000000", "IN"), ("+3361", "FR")),
    ],
)
def test_the_region_of_a_number_is_known_or_said_not_to_be(text: str, expected: str | None) -> None:
    assert region_of(text) == expected
