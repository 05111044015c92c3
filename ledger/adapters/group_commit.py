"""Group commit: what is handed in at the same time becomes durable together, at the price of one fsync.

Threads and asyncio tasks put requests in a queue; one thread takes what waits and has it stored as one batch.
While a batch is on its way to the disk the next one gathers by itself: nobody ever waits for company.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from typing import NamedTuple

from ledger.errors import UnavailableError
from ledger.log import Entry, Outcome

BATCH = 1_000  # entries a transaction, so that nobody behind it waits long; a larger single request goes alone

Answer = list[Outcome] | BaseException
Take = Callable[[], list[Sequence[Entry]]]


class Request(NamedTuple):
    """Entries to be stored in one atomic step, and who waits for it: a thread, or a task of an event loop."""

    entries: Sequence[Entry]
    future: "Future[list[Outcome]] | asyncio.Future[list[Outcome]]"

    def starts(self) -> bool:
        """Whether it is still wanted. From now on a thread's future can no longer be cancelled.

        A cancelled task's request is stored all the same: its client went away, but had said "stop".
        """
        return isinstance(self.future, asyncio.Future) or self.future.set_running_or_notify_cancel()


class GroupCommit:
    """The queue and its thread, which starts with the first request."""

    def __init__(self, store: Callable[[Take], list[Answer]], name: str) -> None:
        """`store` waits its turn, takes a batch of requests, and says what became of each, in order. What it raises
        is the answer to all it took; if it took none, to all that wait."""
        self._store = store
        self._name = name
        self._waiting: deque[Request] = deque()
        self._staged: dict[asyncio.AbstractEventLoop, list[Request]] = {}
        self._wake = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._closing = False

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        """From any thread. Raises UnavailableError after `close`."""
        future: Future[list[Outcome]] = Future()
        with self._wake:
            self._check_open()
            self._unstage()  # what this thread's own tasks handed in before comes before
            self._waiting.append(Request(entries, future))
            self._wake.notify()
        return future

    def submit_async(self, entries: Sequence[Entry]) -> "asyncio.Future[list[Outcome]]":
        """From a task of a running event loop. Raises UnavailableError after `close`.

        The thread is woken only when the loop has run all that is ready now: woken by the first of 256 tasks, it
        would take a batch of one and fight the other 255 for the interpreter's lock.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        with self._wake:
            self._check_open()
            staged = self._staged.get(loop)
            if staged is None:
                staged = self._staged[loop] = []
                loop.call_soon(self._gathered)
            staged.append(Request(entries, future))
        return future

    def close(self) -> None:
        """Waits until all that was submitted is answered. Repeatable."""
        with self._wake:
            self._closing = True
            self._unstage()
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _check_open(self) -> None:
        if self._closing:
            raise UnavailableError(f"{self._name} is closed; open it again")
        if self._thread is None:
            # A daemon: a program that ends without closing loses only what nobody was told of.
            self._thread = threading.Thread(target=self._run, name=f"commit {self._name}", daemon=True)
            self._thread.start()

    def _gathered(self) -> None:
        with self._wake:
            self._unstage()
            self._wake.notify()

    def _unstage(self) -> None:
        for staged in self._staged.values():
            self._waiting.extend(staged)
        self._staged.clear()

    def _run(self) -> None:
        while self._wait():
            batch: list[Request] = []
            try:
                answers = self._store(lambda batch=batch: self._take(batch))  # type: ignore[misc]
            except BaseException as error:
                if not batch:
                    self._take(batch)
                answers = [copy(error) for _request in batch]
            _answer(batch, answers)

    def _wait(self) -> bool:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            return bool(self._waiting)

    def _take(self, batch: list[Request]) -> list[Sequence[Entry]]:
        size = 0
        with self._wake:
            while self._waiting and (not batch or size + len(self._waiting[0].entries) <= BATCH):
                request = self._waiting.popleft()
                if request.starts():
                    batch.append(request)
                    size += len(request.entries)
        return [request.entries for request in batch]


def _answer(batch: list[Request], answers: list[Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Request, Answer]]] = {}
    for request, answer in zip(batch, answers, strict=True):
        if isinstance(request.future, asyncio.Future):
            by_loop.setdefault(request.future.get_loop(), []).append((request, answer))
        else:
            _settle(request, answer)
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, settled)


def _settle_all(settled: list[tuple[Request, Answer]]) -> None:
    for request, answer in settled:
        if not request.future.done():  # cancelled meanwhile
            _settle(request, answer)


def _settle(request: Request, answer: Answer) -> None:
    if isinstance(answer, BaseException):
        request.future.set_exception(answer)
    else:
        request.future.set_result(answer)
