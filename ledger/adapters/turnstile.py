"""One writer at a time, whichever process or thread it is in, and nobody starves.

Two lock files beside the data file. Who wants to write takes the *turn*, then the *lock*, then gives the turn
back: while one writes, one other holds the turn, and it is next. A bulk importer that commits back to back must ask
for the turn like everybody else, so that a single opt-out waits for one or two of its commits, not for its end.
SQLite's own lock would not do: it is won by whoever asks at the right microsecond.

`flock` belongs to the open file: the kernel gives it back when the process dies, however it dies. The files are
never deleted: who unlinks a lock file that another waits for splits the queue in two. If somebody removes them all
the same, order is lost but nothing else: SQLite's own locks still keep two writers apart.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.errors import UnavailableError

POLL = 0.000_1  # seconds; only one waits for the lock, so it may look often
SLOW_POLL = 0.005  # after the first second, behind a writer that is very busy or stopped
PID_BYTES = 11


class Turnstile:
    """The two locks of one data file. Threads that share it exclude each other, too."""

    def __init__(self, path: Path, patience: float) -> None:
        """`path`: the data file. `patience`: seconds before waiting is given up. Raises OSError."""
        self._path = path
        self._patience = patience
        self._threads = threading.Lock()
        self._turn = _opened(path, "turn")
        try:
            self._lock = _opened(path, "lock")
        except OSError:
            os.close(self._turn)
            raise

    @contextmanager
    def held(self) -> Iterator[None]:
        """Waits its turn and holds the lock. Raises UnavailableError, naming who holds it, out of patience."""
        deadline = time.monotonic() + self._patience
        if not self._threads.acquire(timeout=self._patience):
            raise self._given_up()
        try:
            self._take(deadline)
            try:
                self._sign()
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Lets go of the lock files. Repeatable."""
        with self._threads:
            for descriptor in (self._turn, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._turn = self._lock = -1

    def _take(self, deadline: float) -> None:
        if _taken(self._turn):
            try:
                self._take_lock(deadline)
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
            return
        queue = Queue(self._path)
        if not queue.wait(deadline):
            raise self._given_up()
        try:
            self._take_lock(deadline)
        finally:
            queue.leave()

    def _take_lock(self, deadline: float) -> None:
        started = time.monotonic()
        while not _taken(self._lock):
            now = time.monotonic()
            if now >= deadline:
                raise self._given_up()
            time.sleep(POLL if now - started < 1 else SLOW_POLL)

    def _sign(self) -> None:
        # Only for the message of whoever loses patience; a writer must not fail for it.
        with suppress(OSError):
            os.pwrite(self._lock, f"{os.getpid():<{PID_BYTES - 1}d}\n".encode(), 0)

    def _given_up(self) -> UnavailableError:
        with suppress(OSError, ValueError):
            holder = int(os.pread(self._lock, PID_BYTES, 0))
            return UnavailableError(
                f"process {holder} has kept {self._path} from being written to for {self._patience:g} seconds; "
                "let it finish, or end it if it was stopped, and try again"
            )
        return UnavailableError(f"another process keeps {self._path} locked; let it finish and try again")


class Queue:
    """Waiting for the turn in the kernel's queue, which is fair, with an end to patience, which flock has not.

    Polling would make winning a matter of chance: among four writers, one in a hundred opt-outs waited for more than
    twenty commits. So a thread waits in `flock`, and if it comes too late it gives the turn back at once. It may wait
    for ever, behind a process that was stopped (Ctrl-Z in the middle of an import); the opt-out does not.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._descriptor = _opened(path, "turn")  # of its own: it may outlive the turnstile
        self._state = threading.Condition()
        self._taken = self._left = False
        threading.Thread(target=self._wait, name=f"turn of {path}", daemon=True).start()

    def wait(self, deadline: float) -> bool:
        """Whether the turn came in time; if so, `leave` gives it back."""
        with self._state:
            self._state.wait_for(lambda: self._taken, max(0, deadline - time.monotonic()))
            self._left = not self._taken
            return self._taken

    def leave(self) -> None:
        """Gives the turn back."""
        os.close(self._descriptor)

    def _wait(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._state:
            self._taken = True
            self._state.notify()
            if self._left:
                os.close(self._descriptor)


def _opened(path: Path, name: str) -> int:
    return os.open(f"{path}.{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
