"""What a long run has to do with, and what was seen of it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.record import Receipt
from tests.kafka.stage import Stage

NUMBERS = [f"+1416555{number:04d}" for number in range(100, 580)]
BRAND, CHANNEL = "acme", "sms"
PURPOSES = ("marketing.offers", "marketing.surveys", "service.notices", "service.codes")
NEVER_NEEDS = "service.codes"
STALE = "stale"
WRITERS = 2


class Asked(NamedTuple):
    """An answer of a gateway, and when it was asked (this machine's monotonic clock)."""

    gateway: str
    at: float
    said: Mapping[str, Any]


class Enforced(NamedTuple):
    """An event that was confirmed as in force everywhere, and when that was known."""

    receipt: Receipt
    known_at: float


class Refusing(NamedTuple):
    """From when to when a gateway could know nothing that is right, by this machine's monotonic clock."""

    gateway: str
    since: float
    until: float
    has_another_secret: bool = False
    """Then what it puts on record meanwhile is about references of nobody."""


@dataclass
class Story:
    """What was seen."""

    acknowledged: list[Receipt] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    enforced: list[Enforced] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refusing: list[Refusing] = field(default_factory=list)
    poison: list[tuple[int, int]] = field(default_factory=list)
    """Partition and offset of each entry of the ledger that is none."""
    poisoned: dict[str, bytes] = field(default_factory=dict)
    """What nobody of ours wrote to the tables: keys of subjects that nobody speaks about, and the value of each."""
    held: set[str] = field(default_factory=set)
    """Numbers that nobody speaks about, whose state is such a record."""
    refused: int = 0


@dataclass
class Scene:
    """What a fault may touch."""

    stage: Stage
    story: Story = field(default_factory=Story)
    over: threading.Event = field(default_factory=threading.Event)
    off_ms: list[int] = field(default_factory=lambda: [0] * WRITERS)
    """How far the clock of each recorder is off."""
