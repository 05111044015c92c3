"""Processes of ours: started, waited for, ended by their id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Self

LOOPBACK = "127.0.0.1"
QUIET_PORTS = range(10_240, 32_000)
"""Ports beneath those that the system lends to outgoing connections: there somebody else's call may take one that was
free a moment ago, and a process that is started again does not get its own back."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    while True:
        port = SystemRandom().choice(QUIET_PORTS)
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind((LOOPBACK, port))
            return port


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(true: Callable[[], bool], seconds: float, what: str, every: float = 0.05) -> None:
    """Waits for a condition. Raises TimeoutError that names it."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


class Process:
    """A child process whose output goes to a file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=folder,
                env=None if environment is None else {**os.environ, **environment}, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its id, also after it has ended."""
        return self._child.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._child.poll()

    def wait_until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Waits for a condition. Raises RuntimeError, with the end of its output, if it ends or takes too long."""
        try:
            wait_until(lambda: self.code is not None or true(), seconds, f"{self.name}: {what}")
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self.said()}") from None
        if self.code is not None:
            raise RuntimeError(f"{self.name} has ended with {self.code} before {what}\n{self.said()}")

    def said(self, last: int = 4_000) -> str:
        """The end of its output."""
        return self.log.read_text("utf-8", "replace")[-last:]

    def signal(self, number: int) -> None:
        """Sends it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.code is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """As by a power cut."""
        self.signal(signal.SIGKILL)
        self._child.wait(30)

    def stop(self, seconds: float = 30) -> int:
        """Asks it to end, and ends it if it does not; returns its exit code."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
