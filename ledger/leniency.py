"""What happens to what is doubtful: an opt-out is taken in its widest reading and flagged, all else is refused.

Each function takes `lenient` (true for a revocation) and returns what counts together with the flags it earned;
where it is not lenient it raises RefusedError or lets an InputError through.
"""

import re
from functools import lru_cache
from typing import Final

from ledger.errors import RefusedError
from ledger.past import Standing
from schemas.envelope import Flag
from schemas.errors import ScopeError, shown
from schemas.policy import Policy
from schemas.scope import EVERYTHING, pattern
from schemas.times import rfc3339

CLOCK_SKEW_MS: Final = 5_000
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)
PROCEDURE = re.compile(r"[A-Za-z0-9._-]{1,64}@[A-Za-z0-9._-]{1,32}", re.ASCII)
JURISDICTION = re.compile(r"[A-Z]{2}", re.ASCII)
EVENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
LATEST: Final = 253_402_300_799_999  # the last millisecond that RFC 3339 can write


def scope(said: dict[str, str], policy: Policy | None, lenient: bool) -> tuple[dict[str, str], list[Flag]]:
    """Brand, channel and purpose as they count: what the policy does not know becomes `*`, or is refused.

    Without a policy (the past is not to be had) only what is malformed is widened.
    """
    counted, flags = dict(said), list[Flag]()
    for part in _doubtful(said, policy):
        if not lenient:
            raise RefusedError(_refusal(part, said, policy))
        counted[part] = EVERYTHING
        flags.append(_WIDENED[part])
    return counted, flags


_WIDENED: Final[dict[str, Flag]] = {
    "brand": "widened_brand",
    "channel": "widened_channel",
    "purpose": "widened_purpose",
}


def _doubtful(said: dict[str, str], policy: Policy | None) -> list[str]:
    malformed = [part for part, value in said.items() if not _is_pattern(value)]
    unknown = policy.unknown(said["brand"], said["channel"], said["purpose"]) if policy else []
    return [part for part in said if part in malformed or part in unknown]


@lru_cache(4_096)
def _is_pattern(value: str) -> bool:
    try:
        pattern(value)
    except ScopeError:
        return False
    return True


def _refusal(part: str, said: dict[str, str], policy: Policy | None) -> str:
    if policy is None:
        return f"{shown(said[part])} is not a {part}; nothing was recorded"
    known = {"brand": policy.brands, "channel": policy.channels, "purpose": tuple(policy.purposes)}[part]
    return (
        f"the {part} {shown(said[part])} is not in the policy {policy.label}, which has {', '.join(known)}; "
        "nothing was recorded"
    )


def moment(occurred_at: int | None, unclear: bool, now: int, lenient: bool) -> tuple[int, list[Flag]]:
    """When it was said: now where nothing is given; a future or unreadable time is clamped to now, or refused."""
    if occurred_at is None and not unclear:
        return now, []
    is_time = occurred_at is not None and not unclear and 0 <= occurred_at <= LATEST
    if occurred_at is not None and is_time and occurred_at <= now + CLOCK_SKEW_MS:
        return min(occurred_at, now), []
    if not lenient:
        said = f"{rfc3339(occurred_at)} is in the future" if occurred_at is not None and is_time else "cannot be read"
        raise RefusedError(f"the time of the statement {said}; nothing was recorded")
    return now, ["clamped_time"]


def end(valid_until: int | None, occurred_at: int, lenient: bool) -> tuple[int | None, list[Flag]]:
    """When it runs out. A revocation whose end cannot be, or lies before it was made, is taken as one without end."""
    if valid_until is None or occurred_at < valid_until <= LATEST:
        return valid_until, []
    if not lenient:
        is_time = 0 <= valid_until <= LATEST
        said = f"would have run out at {rfc3339(valid_until)}, before it was given" if is_time else "has no end to read"
        raise RefusedError(f"it {said}; nothing was recorded")
    return None, ["clamped_time"]


def procedure(label: str | None, by_staff: bool, standing: Standing, lenient: bool) -> list[Flag]:
    """A change that staff make names a procedure that is in force."""
    if label is None and not by_staff:
        return []
    if label is not None and standing == "current":
        return []
    if not lenient:
        raise RefusedError(_what_is_wrong(label, standing) + "; nothing was recorded")
    return ["procedure_withdrawn" if standing == "withdrawn" and label else "procedure_unknown"]


def _what_is_wrong(label: str | None, standing: Standing) -> str:
    if label is None:
        return "a change that staff make names its procedure, as NAME@VERSION"
    if standing == "withdrawn":
        return f"the procedure {label} was withdrawn; follow its current version"
    return f"no procedure {shown(label)} was ever published"


def well_formed(
    shape: re.Pattern[str], value: str | None, what: str, otherwise: str | None, lenient: bool
) -> str | None:
    """A published code, or `otherwise` where an opt-out came with something else. Raises RefusedError."""
    if value is None or shape.fullmatch(value):
        return value
    if lenient:
        return otherwise
    raise RefusedError(f"{shown(value)} is not a {what}; nothing was recorded")
