"""Blocks of rows to processes of our own and back, in order; each maps the copy's file, so that they share its pages.

Plain child processes and pipes: a fork would copy the locks of libraries that run threads, and `multiprocessing` would
run a caller's unguarded script a second time.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Generic, NamedTuple, TypeVar, cast

from consumers.copy import Copy
from consumers.replica import Replica
from consumers.scrub.rows import Judge
from consumers.scrub.wanted import Wanted
from ledger.errors import UnavailableError
from ledger.reference import References

Block = TypeVar("Block")
Made = TypeVar("Made")
AHEAD = 2
"""Blocks that wait at each process, so that none is idle while the results are written."""


class Setup(NamedTuple, Generic[Block, Made]):
    """What a process needs to know; `process` is called with each block and a judge."""

    references: References
    wanted: Wanted
    stale: bool
    process: Callable[[Block, Judge], Made]


class Pool(Generic[Block, Made]):
    """Where blocks are judged."""

    def __init__(self, process: Callable[[Block], Made], threads: int) -> None:
        self._process = process
        self._threads = threads

    def map(self, blocks: Iterable[Block]) -> Iterator[Made]:
        """What becomes of each block, in order; reads ahead by a few blocks only."""
        if not self._threads:
            yield from map(self._process, blocks)
            return
        waiting: deque[Future[Made]] = deque()
        with ThreadPoolExecutor(self._threads) as executor:
            try:
                for block in blocks:
                    waiting.append(executor.submit(self._process, block))
                    if len(waiting) > AHEAD * self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


class Judges(NamedTuple):
    """Who judges: this process or, of a replica, so many others."""

    copy: Copy
    references: References
    wanted: Wanted
    stale: bool
    processes: int

    @contextmanager
    def pool(self, process: Callable[[Block, Judge], Made]) -> Iterator[Pool[Block, Made]]:
        """Where blocks are given to `process`, with a judge; its errors are raised here."""
        setup = Setup(self.references, self.wanted, self.stale, process)
        if self.processes and isinstance(self.copy, Replica) and os.name == "posix":
            with _children(self.copy, setup, self.processes) as pool:
                yield pool
        else:
            judge = Judge(self.copy, self.references, self.wanted, self.stale)
            yield Pool(lambda block: process(block, judge), 0)


@contextmanager
def _children(replica: Replica, setup: Setup[Block, Made], processes: int) -> Iterator[Pool[Block, Made]]:
    base = replica.settled()
    with ExitStack() as stack:
        idle = deque(stack.enter_context(_child(base.descriptor, setup)) for _ in range(processes))

        def process(block: Block) -> Made:
            child = idle.popleft()  # as many threads as children: one is always idle
            try:
                return child(block)
            finally:
                idle.append(child)

        yield Pool(process, processes)


@contextmanager
def _child(descriptor: int, setup: Setup[Block, Made]) -> Iterator[Callable[[Block], Made]]:
    command = [sys.executable, "-m", "consumers.scrub.worker", str(descriptor)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[descriptor], env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    to, back = child.stdin, child.stdout
    try:
        with _alive():
            _send(to, setup)
        yield lambda block: cast(Made, _asked(to, back, block))
    finally:
        child.kill()
        for pipe in (to, back):
            with suppress(BrokenPipeError):  # what was not yet written is of no use to a process that ended
                pipe.close()
        child.wait()


def _asked(to: IO[bytes], back: IO[bytes], block: object) -> object:
    with _alive():
        _send(to, block)
        made = pickle.load(back)  # noqa: S301 - from our own child
    if isinstance(made, Exception):
        raise made
    return made


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, EOFError, pickle.UnpicklingError) as error:
        raise UnavailableError("a process of the scrub ended before its time; nothing was written, repeat") from error


def _send(to: IO[bytes], value: object) -> None:
    pickle.dump(value, to, pickle.HIGHEST_PROTOCOL)
    to.flush()


def serve(descriptor: int, received: IO[bytes], sent: IO[bytes]) -> None:
    """What a child does until it is told nothing more."""
    setup: Setup[object, object] = pickle.load(received)  # noqa: S301 - from our own parent
    judge = Judge(Replica.of_descriptor(descriptor), setup.references, setup.wanted, setup.stale)
    while True:
        try:
            block = pickle.load(received)  # noqa: S301
        except EOFError:
            return
        try:
            made = setup.process(block, judge)
        except Exception as error:
            made = error
        _send(sent, made)
