"""Reads the tables for a gateway, in a process of its own.

A change costs a hundred times what it takes to put it into the copy: it comes from the broker, is decoded, judged,
joined with what the other tables say and encoded. While Python does that it answers nobody; so it is done here, and
the process that decides only takes what is ready. `fed.py` starts this process, which ends when that one does, however
it ends.
"""

import logging
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from consumers.gateway.following import Follower, Progress, must_still_be
from consumers.gateway.ports import Feed, Place, Record
from consumers.gateway.reading import Unreadable
from consumers.replica.front import Changes, prepared
from ledger.errors import LedgerError
from projections.statement import Fields
from schemas.topics import Table

POLL_S = 0.1
REST_S = 0.005
"""How long it waits after it has taken something: what comes meanwhile is taken in one piece, which costs far less."""
TELL_S = 0.5
"""How often it says how far it is where nothing is new."""
SILENCE_S = 2.0
"""Workers write at least every second. Who hears nothing for longer may have slept while the tables were made anew, and
may stand in the middle of the new ones; who was awake has met their beginning, and that its position is not there."""


class Begin(NamedTuple):
    """What this process is told first."""

    connect: Callable[[], Feed]
    follower: Follower
    positions: Mapping[Place, int]
    topics: Mapping[Table, str]
    """Of which the positions are."""


class Found(NamedTuple):
    """A record, as it was written."""

    offset: int
    key: bytes | None
    value: bytes | None


class Unread(NamedTuple):
    """A record that cannot be read."""

    place: Place
    record: Found | None
    what: Unreadable


class Step(NamedTuple):
    """What a copy takes in one piece: changes that are ready, parts that are not, and how far it is then."""

    ready: Changes
    parts: Sequence[Fields]
    marks: Mapping[int, int]


class Fed(NamedTuple):
    """What this process says: what is new, if anything is, and what it knows now."""

    steps: list[Step]
    unread: list[Unread]
    progress: Progress
    is_new: bool


class Outgoing:
    """Takes what a follower applies, to be sent on."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.unread: list[Unread] = []

    def apply(self, parts: Sequence[Fields], watermark: Mapping[int, int], /) -> None:
        """A step. What of it nothing can be made of raises here, and the follower mends it."""
        ready, left = prepared(parts)
        self.steps.append(Step(ready, left, watermark))

    def report(self, place: Place, record: Record | None, what: Unreadable) -> None:
        """A record that cannot be read."""
        found = None if record is None else Found(record.offset, record.key, record.value)
        self.unread.append(Unread(place, found, what))

    def taken(self, progress: Progress, is_new: bool) -> Fed:
        """What is to be sent now."""
        fed = Fed(self.steps, self.unread, progress, is_new)
        self.steps, self.unread = [], []
        return fed


def follow(channel: Connection, begin: Begin) -> None:
    """Reads on for ever. Raises what the feed raises."""
    outgoing, follower = Outgoing(), begin.follower
    follower.goes_on(outgoing, outgoing.report)
    with closing(begin.connect()) as feed:
        feed.follow(begin.positions)
        told_at, heard_at = 0.0, -math.inf
        while True:
            batches = feed.poll(POLL_S)
            if batches:
                if time.monotonic() - heard_at > SILENCE_S:
                    must_still_be(begin.topics, feed)
                heard_at = time.monotonic()
            is_new = bool(batches) and follower.take(batches)
            if is_new or outgoing.unread or time.monotonic() - told_at >= TELL_S:
                channel.send(outgoing.taken(follower.progress(), is_new))
                told_at = time.monotonic()
            if batches:
                time.sleep(REST_S)


def _ends_with_its_gateway(channel: Connection) -> None:
    with suppress(EOFError, OSError):
        channel.recv()  # nothing is ever said after the beginning
    os._exit(0)


def main() -> None:
    """Until the gateway has closed the channel, whose descriptor is the process's argument."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the gateway ends, and this process with it
        signal.signal(number, signal.SIG_IGN)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    channel = Connection(int(sys.argv[1]))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        begin: Begin = channel.recv()
        threading.Thread(target=_ends_with_its_gateway, args=(channel,), daemon=True).start()
        try:
            follow(channel, begin)
        except LedgerError as error:
            channel.send(error)
        except OSError:
            raise
        except Exception:
            channel.send(RuntimeError(traceback.format_exc()))
