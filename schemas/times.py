"""Times inside are whole milliseconds since 1970-01-01T00:00:00Z; at the edges they are RFC 3339 in UTC.

Milliseconds are what a Kafka record and a Merkle leaf carry, so that an event's times and the log's compare
without conversion, and one moment has one spelling.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from schemas.errors import TimeError, shown

Millis = Annotated[int, Field(ge=0, le=253_402_300_799_999, description="Milliseconds since 1970-01-01T00:00:00Z.")]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = 86_400_000
SECOND = 1_000


def parse_time(text: str, zone: ZoneInfo | None = None) -> int:
    """Milliseconds of an RFC 3339 time; a time without an offset is read in `zone`.

    Raises TimeError for anything else, a bare date included: whether a day means its first or its last moment
    decides who is denied, and is not guessed. A wall-clock time that a change of clocks repeats is read as the
    later of the two.
    """
    moment = _moment(text)
    if moment.tzinfo is None:
        if zone is None:
            raise TimeError(f"the time {shown(text)} has no offset; add one (…Z or …+02:00) or name its time zone")
        moment = moment.replace(tzinfo=zone, fold=1)
    since = moment - EPOCH
    if since < timedelta(0):
        raise TimeError(f"the time {shown(text)} is before 1970")
    return since // MILLISECOND


def _moment(text: str) -> datetime:
    text = text.strip()
    if len(text) < len("2026-01-01T00:00") or text[10] not in "Tt ":
        raise TimeError(f"{shown(text)} is not a time; write it like 2026-11-22T10:00:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z
        moment.utctimetuple()  # an offset at the edge of the calendar overflows only here
    except (ValueError, OverflowError):
        raise TimeError(f"{shown(text)} is not a time; write it like 2026-11-22T10:00:00Z") from None
    return moment


def rfc3339(millis: int) -> str:
    """`2026-11-22T10:00:00.000Z`; always UTC, always milliseconds, so that texts sort as the times do."""
    day, rest = divmod(millis, DAY)
    seconds, thousandths = divmod(rest, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02d}:{minute:02d}:{second:02d}.{thousandths:03d}Z"


@lru_cache(4_096)
def _date(day: int) -> str:
    """A day of the calendar, from 1970 on: of the thousands of times that a long list shows, few days are new."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises TimeError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeError(f"{shown(name)} is no time zone; use a name such as America/Toronto") from None
