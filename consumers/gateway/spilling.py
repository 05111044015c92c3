"""Half of a long reading of the tables, in a process of its own; the other half is read beside it (`keeping.py`).

What limits the reading of millions of records is the client, which is Python, while another processor stands idle.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from consumers.children import children
from consumers.gateway.feeding import Outgoing, Unread
from consumers.gateway.following import Follower, read_past
from consumers.gateway.joining import Join
from consumers.gateway.loading import Pieces
from consumers.gateway.ports import Feed, Place

MANY: Final = 200_000
"""Records from which on it is worth a second process, which takes a second to start."""
THEIRS: Final = ".other"
"""What the names of its files end in: both halves have some of every beginning of keys."""


class Half(NamedTuple):
    """What the other process reads: from where to past which ends; for whom; and where it writes."""

    positions: Mapping[Place, int]
    ends: Mapping[Place, int]
    partitions: int
    folder: Path
    reader: int


class Passed(NamedTuple):
    """What it has read: up to where, what the watermarks said, and what could not be read."""

    positions: Mapping[Place, int]
    joins: Mapping[int, Join]
    recorded_at: int
    unread: list[Unread]


def half(positions: Mapping[Place, int], ends: Mapping[Place, int], partitions: int, folder: Path) -> Half | None:
    """The states of every second partition; None where it is not worth it."""
    theirs = {place for place in ends if place.table != "reference" and place.partition % 2}
    if sum(ends[place] - positions[place] for place in theirs) < MANY:
        return None
    return Half(
        {place: positions[place] for place in theirs}, {place: ends[place] for place in theirs}, partitions, folder,
        os.getpid(),
    )  # fmt: skip


@contextmanager
def beside(connect: Callable[[], Feed], given: Half) -> Iterator[Future[Passed]]:
    """What becomes of the half that is given: UnavailableError where its process ends before it is done.

    The process ends with the block.
    """
    with ThreadPoolExecutor(1) as waiting, children(partial(_reader, connect), 1) as pool:
        yield waiting.submit(lambda: next(pool.map([given])))


def _reader(connect: Callable[[], Feed]) -> Callable[[Half], Passed]:
    return partial(spilled, connect)


def spilled(connect: Callable[[], Feed], given: Half) -> Passed:
    """Reads the half, in whatever process it is called."""
    outgoing, pieces = Outgoing(), Pieces(given.folder, THEIRS)
    follower = Follower(outgoing, given.partitions, outgoing.report)
    with closing(connect()) as feed:
        feed.follow(given.positions)
        # Nobody waits for it any more once its gateway is gone.
        for batches in read_past(feed, given.ends, lambda: given.reader in (os.getpid(), os.getppid())):
            follower.pass_by(batches, pieces)
        pieces.write()
        positions = {place: feed.position(place) for place in given.ends}
    return Passed(
        positions, follower.joins({place.partition for place in given.ends}), follower.recorded_at, outgoing.unread
    )
