"""What the tests of several processes run in another process: `python -m tests.ledger.worker WORK PATH …`.

It prints a line when it is ready, waits for a line to begin, and prints a line for everything that was acknowledged.
"""

import asyncio
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uuid_utils

from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.adapters.turnstile import Turnstile
from ledger.errors import NoRoomError, UnavailableError
from ledger.log import Appended, Entry

ROOT = Path(__file__).parents[2]
NOBODY = 65_534


@contextmanager
def started(work: str, *arguments: object, before: Sequence[str] = ()) -> Iterator["subprocess.Popen[str]"]:
    """A process that is ready; killed at the end if it is still there."""
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "tests.ledger.worker", work, *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", (line, process.stderr and process.stderr.read())
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def begin(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process: "subprocess.Popen[str]") -> list[str]:
    """Waits for the end and gives the lines it printed; fails if it did."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out.splitlines()


def new_entry(value: bytes = b"{}") -> Entry:
    """An event of its own."""
    return Entry(os.urandom(16).hex(), value, str(uuid_utils.uuid7()), os.urandom(16).hex(), "c" * 32)


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def append(path: str, calls: str, shared: str) -> None:
    """Appends `calls` times one event, and each of `shared` claims that all processes make; says what became of it."""
    ready()
    log = SqliteLog(path)
    for number in range(int(calls)):
        one = new_entry()
        log.append([one])
        say("mine", one.event_id)
        if number < int(shared):
            same = Entry("ab" * 16, b"", str(uuid_utils.uuid7()), f"{number:032x}", "c" * 32)
            (outcome,) = log.append([same])
            say(type(outcome).__name__, number)
    log.close()


def bulk(path: str) -> None:
    """Commits back to back until it is told to stop."""
    log = SqliteLog(path)
    stop = threading.Event()
    ready()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    ahead = [log.submit([new_entry(bytes(400)) for _entry in range(1_000)]) for _call in range(4)]
    while not stop.is_set():
        ahead.pop(0).result()
        ahead.append(log.submit([new_entry(bytes(400)) for _entry in range(1_000)]))
    for future in ahead:
        future.result()
    log.close()


def relentless(path: str) -> None:
    """Takes its turn again the moment it gave it back, and counts how often it had it."""
    turnstile = Turnstile(Path(path), patience=60)
    stop = threading.Event()
    ready()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    while not stop.is_set():
        with turnstile.held(), open(path, "ab", buffering=0) as counted:
            counted.write(b".")
            time.sleep(0.005)
    turnstile.close()


def acknowledge(path: str) -> None:
    """Appends in every way at once until it is killed; notes beside the ledger what was acknowledged, only that."""
    log = SqliteLog(path)
    # Not the pipe: it holds 64 kB, and tears a write of more than 4 kB among others. A file of its own: a kill cuts the
    # last line of a file where a page of it ends, and another process would write on from there.
    acknowledged = os.open(f"{path}.{os.getpid()}.acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ready()

    def say(*event_ids: str) -> None:
        os.write(acknowledged, "".join(f"{event_id}\n" for event_id in event_ids).encode())

    def thread(size: int) -> None:
        while True:
            batch = [new_entry(os.urandom(100)) for _entry in range(size)]
            if all(isinstance(outcome, Appended) for outcome in log.append(batch)):
                say(*(one.event_id for one in batch))

    async def task() -> None:
        while True:
            one = new_entry(os.urandom(300))
            await log.append_async([one])
            say(one.event_id)

    async def tasks() -> None:
        await asyncio.gather(*(task() for _task in range(20)))

    for size in (1, 7, 300):
        threading.Thread(target=thread, args=(size,), daemon=True).start()
    asyncio.run(tasks())


def create(path: str) -> None:
    """Makes a ledger, and appends one event."""
    ready()
    log = SqliteLog(path)
    one = new_entry()
    log.append([one])
    say(one.event_id)
    log.close()


def fill(path: str, limit: str) -> None:
    """Appends until there is no room: because of `limit` (bytes a file), or else because the disk is full.

    Then makes room (lifts the limit, or removes the file `ballast`) and goes on.
    """
    ready()
    log = SqliteLog(path)
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    refused: list[Entry] = []
    for size in (200, 20, 1):
        while True:
            batch = [new_entry(os.urandom(400)) for _entry in range(size)]
            try:
                log.append(batch)
            except NoRoomError as error:
                say("refused", error)
                refused += batch
                break
            for one in batch:
                say("stored", one.event_id)
    assert all(log.find(one.event_id) is None for one in refused)
    say("end", log.ends()[0])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    Path(path).with_name("ballast").unlink(missing_ok=True)
    for one in refused:
        log.append([one])
        say("stored", one.event_id)
    log.close()


def erase(path: str, of: str) -> None:
    """Erases one reference, and says how many records went."""
    people = SqlitePeople(path, bytes(32))
    ready()
    say(people.erase(of))
    people.close()


def without_rights(path: str) -> None:
    """Opens a ledger and appends, as somebody who is not root."""
    ready()
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    try:
        SqliteLog(path).append([new_entry()])
    except UnavailableError as error:
        say(error)


def hold(path: str) -> None:
    """Takes the writers' lock and keeps it."""
    log = SqliteLog(path)
    with log._file.writing():
        ready()
        time.sleep(60)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
