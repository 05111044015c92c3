"""Keeps a copy current with what another process reads of the tables (`feeding.py`)."""

from collections.abc import Callable, Mapping
from typing import Self

from consumers.children import with_channel
from consumers.gateway.feeding import Begin, Fed, main
from consumers.gateway.following import Follower, Progress
from consumers.gateway.ports import Feed, Place
from consumers.replica import Replica
from ledger.errors import UnavailableError
from schemas.topics import Table

PATIENCE_S = 5.0
__all__ = ["Fed", "Feeder", "Followed"]

ENDED = "the process that reads the tables has ended; another one is started"


class Feeder:
    """The other process. It is started at once, to be ready when the copy is; of one thread."""

    def __init__(self) -> None:
        self._channel, self._child = with_channel(main)
        self.pid = self._child.pid

    def begin(
        self, connect: Callable[[], Feed], follower: Follower, positions: Mapping[Place, int],
        topics: Mapping[Table, str],
    ) -> None:  # fmt: skip
        """It goes on from where a follower is in this process. Raises UnavailableError where it has ended."""
        try:
            self._channel.send(Begin(connect, follower, positions, topics))
        except OSError as error:
            raise UnavailableError(ENDED) from error

    def next(self, seconds: float) -> Fed | None:
        """What it says; None where it says nothing for so long.

        Raises UnavailableError where it has ended, and what it has met: OutrunError, UnavailableError.
        """
        try:
            if not self._channel.poll(seconds):
                return None
            said = self._channel.recv()
        except (EOFError, OSError) as error:
            raise UnavailableError(ENDED) from error
        if isinstance(said, Exception):
            raise said
        fed: Fed = said
        return fed

    def close(self) -> None:
        """Ends it. Repeatable."""
        self._channel.close()
        self._child.kill()
        self._child.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Followed:
    """What the follower in the other process knows, as it was told last; and the copy, which takes what it sends."""

    def __init__(self, replica: Replica, progress: Progress) -> None:
        self.replica = replica
        self._learn(progress)

    def take(self, fed: Fed) -> None:
        """Raises OutrunError where parts are missing."""
        for step in fed.steps:
            self.replica.apply(step.parts, step.marks, step.ready)
        self._learn(fed.progress)

    def _learn(self, progress: Progress) -> None:
        self.blind, self.retired = progress.blind, progress.retired
        self.taken, self.recorded_at, self.waiting = progress.taken, progress.recorded_at, progress.waiting
        self.reached, self.is_whole = progress.reached, progress.is_whole
