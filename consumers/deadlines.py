"""By when an opt-out has to be in force: a length of time that somebody names, or a deadline of the law.

The deadlines are data (`consumers/deadlines.toml`). Business days are Monday to Friday, as numpy counts them; public
holidays count as business days here, which makes a deadline earlier than the law's and never later.
"""

import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import InputError, shown
from schemas.times import DAY, EPOCH, MILLISECOND, time_zone

LENGTH: Final = re.compile(r"(\d{1,6})(ms|s|m|h|d)")
UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY}

By = Callable[[int], int]
"""From when an opt-out was said, or reached us, the last moment (milliseconds) at which it is in force in time."""


class Deadline(BaseModel):
    """A deadline of the law: so many days, or business days, after the day on which the person said it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    jurisdiction: str
    days: Annotated[int, Field(gt=0)] | None = None
    business_days: Annotated[int, Field(gt=0)] | None = None
    zone: str
    law: str
    checked: Literal["text", "secondary"]

    def by(self, at: int) -> int:
        """The last moment of its last day, where the people it protects live."""
        zone = time_zone(self.zone)
        said = (EPOCH + timedelta(milliseconds=at)).astimezone(zone).date()
        last = _last_day(said, self.days, self.business_days)
        following = datetime.combine(last + timedelta(days=1), time(), zone)
        return (following - EPOCH) // MILLISECOND - 1


@lru_cache(4_096)
def _last_day(said: date, days: int | None, business_days: int | None) -> date:
    if business_days is None:
        return said + timedelta(days=days or 0)
    import numpy as np  # which few commands need

    # `preceding`: what is said on a Saturday is counted from the Friday, as the day of receipt itself never counts.
    found: date = np.busday_offset(said, business_days, roll="preceding").astype(date)
    return found


@lru_cache(1)
def deadlines() -> dict[str, Deadline]:
    """Every deadline that is known, by its name."""
    text = resources.files("consumers").joinpath("deadlines.toml").read_text("utf-8")
    return {name: Deadline(name=name, **fields) for name, fields in tomllib.loads(text).items()}


def deadline(name: str) -> Deadline:
    """The deadline of that name. Raises InputError."""
    found = deadlines().get(name)
    if found is None:
        raise InputError(f"{shown(name)} is no deadline; the deadlines are {', '.join(deadlines())}")
    return found


def length(text: str) -> int:
    """A length of time such as `500ms`, `30s`, `15m`, `2h` or `10d`, in milliseconds. Raises InputError."""
    match = LENGTH.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{shown(text)} is no length of time; write it like 30s, 15m, 2h or 10d")
    return int(match[1]) * UNITS[match[2]]
