"""Work for processes of our own and back, in order.

Plain child processes and pipes: a fork would copy the locks of libraries that run threads, and `multiprocessing` would
run a caller's unguarded script a second time.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Generic, TypeVar, cast

from ledger.errors import UnavailableError

Block = TypeVar("Block")
Made = TypeVar("Made")
Work = Callable[[Block], Made]
Start = Callable[[], Work[Block, Made]]
"""What a child calls once, before its first block. It and all blocks and answers must be able to be pickled."""

AHEAD = 2
"""Blocks that wait at each process, so that none is idle while the results are written."""


class Pool(Generic[Block, Made]):
    """Where blocks are worked at."""

    def __init__(self, work: Work[Block, Made], threads: int, give_up: Callable[[], None] = lambda: None) -> None:
        """`give_up` ends what is being worked at."""
        self._work = work
        self._threads = threads
        self._give_up = give_up

    def map(self, blocks: Iterable[Block]) -> Generator[Made, None, None]:
        """What becomes of each block, in order; reads ahead by a few blocks only."""
        if not self._threads:
            yield from map(self._work, blocks)
            return
        waiting: deque[Future[Made]] = deque()
        with ThreadPoolExecutor(self._threads) as executor:
            try:
                for block in blocks:
                    waiting.append(executor.submit(self._work, block))
                    if len(waiting) > AHEAD * self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except KeyboardInterrupt:
                self._give_up()  # nobody waits for the blocks that are being worked at
                raise
            finally:
                for future in waiting:
                    future.cancel()


@contextmanager
def children(start: Start[Block, Made], processes: int, descriptors: Sequence[int] = ()) -> Iterator[Pool[Block, Made]]:
    """So many processes, which inherit the descriptors; what is raised there is raised here.

    Raises UnavailableError where one of them is killed.
    """
    with ExitStack() as stack:
        started = [stack.enter_context(_child(start, descriptors)) for _ in range(processes)]
        idle = deque(child for child, _ in started)

        def work(block: Block) -> Made:
            child = idle.popleft()  # as many threads as children: one is always idle
            try:
                return child(block)
            finally:
                idle.append(child)

        def give_up() -> None:
            for _, kill in started:
                kill()

        yield Pool(work, processes, give_up)


def with_channel(
    main: Callable[[], None], descriptors: Sequence[int] = ()
) -> tuple[Connection, "subprocess.Popen[bytes]"]:
    """A process that runs a module's `main`, and our end of the channel whose other end is its argument.

    It is in a session of its own: who is asked to end by a terminal decides itself when this one does. It inherits the
    descriptors. Raises OSError.
    """
    ours, theirs = Pipe()
    command = [sys.executable, "-c", f"from {main.__module__} import main; main()", str(theirs.fileno())]
    try:
        with closing(theirs):
            return ours, subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *descriptors], start_new_session=True,
            )  # fmt: skip
    except OSError:
        ours.close()
        raise


@contextmanager
def _child(
    start: Start[Block, Made], descriptors: Sequence[int]
) -> Iterator[tuple[Work[Block, Made], Callable[[], None]]]:
    """Has a block worked at; and the end of it."""
    command = [sys.executable, "-m", "consumers.child"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors, env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    to, back = child.stdin, child.stdout
    try:
        with _alive():
            _send(to, start)
        yield lambda block: cast(Made, _asked(to, back, block)), child.kill
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
        raise UnavailableError(
            "a process of this command ended before its time; nothing of what it was doing counts"
        ) from error


def _send(to: IO[bytes], value: object) -> None:
    pickle.dump(value, to, pickle.HIGHEST_PROTOCOL)
    to.flush()


def serve(received: IO[bytes], sent: IO[bytes]) -> None:
    """What a child does until it is told nothing more."""
    work = pickle.load(received)()  # noqa: S301 - from our own parent
    while True:
        try:
            block = pickle.load(received)  # noqa: S301
        except EOFError:
            return
        try:
            made = work(block)
        except Exception as error:
            made = error
        _send(sent, made)
