"""Phone numbers in E.164, through `phonenumbers`, with an exact fast path for numbers that come in E.164 or as the
bare digits of a national number.

Which numbers are taken: an international form (`+…`) says by itself whom it means, so any *possible* number
(country code, length) is taken; metadata age, and an opt-out must not be refused because a range was opened
since. A national form depends on a guess of the region, so it must be a *valid* number there: French digits
read as American ones are a possible number, of somebody else. Extensions, short codes and letters are not
contacts. See `docs/decisions/0004-which-numbers-are-taken.md`.
"""

import re
from functools import cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult
from phonenumbers.phonemetadata import PhoneMetadata

from schemas.errors import ContactError, shown

E164 = re.compile(r"\+([1-9]\d{6,14})", re.ASCII)
NATIONAL = re.compile(r"\d{6,13}", re.ASCII)
WRITTEN = re.compile(r"[+\d\s().\-/\u00a0\u2010-\u2015]+", re.ASCII)
TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost",
    "personal_number", "voip", "pager", "uan", "voicemail",
)  # fmt: skip


def parse_number(text: str, region: str | None = None) -> str:
    """The E.164 form (`+14165550123`) of a number in any spelling; `region` (ISO 3166) is for national forms.

    Raises ContactError, saying what is wrong with the number.
    """
    match = E164.fullmatch(text)
    if match and _stands(match[1]):
        return text
    if region and NATIONAL.fullmatch(text) and (code := _home(region.upper())):
        prefix, abroad = code
        whole = prefix != "1" or len(text) == 10  # regions that share a code may have shorter numbers of their own
        if whole and not abroad.match(text) and _stands(prefix + text):
            return f"+{prefix}{text}"
    return _by_the_library(text, region)


def _by_the_library(text: str, region: str | None) -> str:
    text = text.strip()
    if len(text) > 40 or not WRITTEN.fullmatch(text):
        raise ContactError(f"{shown(text)} is not a phone number")
    international = text.startswith("+")
    if not international and region is None:
        raise ContactError(
            f"{shown(text)} is a national number; write it with + and the country code, or name a region"
        )
    if region is not None and region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ContactError(f"{shown(region)} is no region; use an ISO 3166 code such as CA")
    try:
        number = phonenumbers.parse(text, region and region.upper())
    except phonenumbers.NumberParseException as error:
        raise ContactError(f"{shown(text)} is not a phone number: {str(error).rstrip('.')}") from None
    return _checked(text, number, international)


def _checked(text: str, number: phonenumbers.PhoneNumber, international: bool) -> str:
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        reason = ValidationResult.to_string(possible).lower().replace("_", " ")
        raise ContactError(f"{shown(text)} is not a phone number: {reason} for its country")
    if not international and not phonenumbers.is_valid_number(number):
        raise ContactError(
            f"{shown(text)} is not a number that exists in that region; write it with + and the country code"
        )
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def region_of(number: str) -> str | None:
    """The ISO 3166 region that an E.164 number belongs to, or None where its country code is shared or unknown."""
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    if region not in (None, "001"):
        return region
    main = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return None if main in ("ZZ", "001") or _shared(parsed.country_code or 0) else main


def _shared(country_code: int) -> bool:
    return len(phonenumbers.region_codes_for_country_code(country_code)) > 1


def mask(number: str) -> str:
    """`+1416•••0123`: enough to recognise one's own number, too little to call it."""
    return f"{number[:5]}•••{number[-4:]}" if len(number) > 10 else f"{number[:2]}•••"


def _stands(digits: str) -> bool:
    """Whether the library would take these digits as they are: a valid number from which nothing is stripped.

    A *no* only means that the library must be asked.
    """
    if digits[0] == "1" and len(digits) != 11:
        return False  # what some of its regions dial among themselves, such as 310-1234 in Canada
    for length in (1, 2, 3):
        code = int(digits[:length])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            pattern = _valid_as_written(code)
            return pattern is not None and pattern.fullmatch(digits, length) is not None
    return False


@cache
def _home(region: str) -> tuple[str, re.Pattern[str]] | None:
    """The country code of a region, and what digits at the beginning lead abroad from there."""
    metadata = PhoneMetadata.metadata_for_region(region) if region in phonenumbers.SUPPORTED_REGIONS else None
    if metadata is None:
        return None
    return str(metadata.country_code), re.compile(metadata.international_prefix or "(?!)", re.ASCII)


@cache
def _valid_as_written(country_code: int) -> re.Pattern[str] | None:
    """The valid national numbers of a country code, less those at which a national prefix could be stripped.

    Only for codes with one region: where several share one, the library decides by leading digits and order.
    Those of +1 all have the same rules of length and prefix, so their union is exact as well.
    """
    regions = phonenumbers.region_codes_for_country_code(country_code)
    if "001" in regions or (len(regions) > 1 and country_code != 1):
        return None
    shapes = [_shape(PhoneMetadata.metadata_for_region(region)) for region in regions]
    return re.compile("|".join(f"(?:{shape})" for shape in shapes if shape), re.ASCII)


def _shape(metadata: PhoneMetadata | None) -> str | None:
    if metadata is None or metadata.general_desc is None:
        return None
    kinds = [getattr(metadata, kind) for kind in TYPES]
    patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    if not patterns or metadata.general_desc.national_number_pattern is None:
        return None
    stripped = f"(?!{metadata.national_prefix_for_parsing})" if metadata.national_prefix_for_parsing else ""
    general = metadata.general_desc.national_number_pattern
    return f"{stripped}(?=(?:{general})$)(?:{'|'.join(patterns)})$"
