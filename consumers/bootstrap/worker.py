"""The worker process: checks the topics, starts the Faust application, says how it is, and ends when it is asked to."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from consumers.bootstrap.checked_topics import checked_topics
from consumers.bootstrap.health import telling
from consumers.bootstrap.telling import tell_on_stderr
from consumers.children import children
from ledger.broker import Broker
from ledger.errors import UnavailableError
from projections.adapters.faust_batch import Folder
from projections.adapters.faust_worker import Options, Worker, build, rebuilding
from projections.collecting import rarely
from schemas.topics import Topics

__all__ = ["Options", "Rebuilt", "checked", "rebuild_tables", "run_worker"]

Result = TypeVar("Result")
PATIENCE_S = 30.0
"""How long the broker may be away at the start."""
ENDING_S = 20.0
"""How long the end may take: whoever asks for it usually kills after 30."""
log = logging.getLogger("prefledger.worker")


class Rebuilt(NamedTuple):
    """From which topic tables were rebuilt, and up to which offset of each partition."""

    ledger: str
    ends: dict[int, int]


def run_worker(
    broker: Broker, options: Options, metrics_port: int = 0, folder: Folder | None = None, listen: str = "127.0.0.1"
) -> None:
    """Folds until SIGTERM or SIGINT; returns once everything folded is committed and the group is left.

    Raises UnavailableError where the broker is away for too long or a lost partition did not come back, NotALedgerError
    where topics are missing or wrong.
    """
    _log_to_stderr()
    partitions = checked(broker)
    with rarely(), asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_run(broker, partitions, options, (listen, metrics_port), folder))


def checked(broker: Broker, patience: float = PATIENCE_S) -> int:
    """The number of the ledger's partitions, once topics and settings have been found right."""
    end = time.monotonic() + patience
    while True:
        try:
            return checked_topics(broker)[broker.topics.ledger].partitions
        except UnavailableError as error:
            if time.monotonic() > end:
                raise
            log.warning("%s; trying again", error)
            time.sleep(1)


async def _run(
    broker: Broker, partitions: int, options: Options, place: tuple[str, int], folder: Folder | None
) -> None:
    worker = build(broker, partitions, options, folder)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    metrics = worker.metrics
    with telling(place, metrics.registry, lambda: metrics.is_ready, "no assignment, or recovering"):
        await _until_asked(worker, asked)


async def _until_asked(worker: Worker, asked: asyncio.Event) -> None:
    app = worker.app
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(coroutine) for coroutine in (worker.start(), asked.wait(), app._crashed.wait())
    ]
    await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
    log.info("ending" if asked.is_set() else "ending because of an error")
    reason = app.crash_reason
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await app.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if reason is not None:
        raise reason


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_to_stderr() -> None:
    tell_on_stderr(log.name)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    for name in ("faust", "mode"):  # what they report as they crash is raised here as well
        logging.getLogger(name).setLevel(logging.CRITICAL)


def rebuild_tables(broker: Broker, version: int, progress: Callable[[int], None]) -> Rebuilt:
    """Fills the empty tables of a version of the topics from the first entry of the ledger in force on.

    One process a core, each with one partition at a time; `progress` hears how many entries a partition had.
    Raises NotALedgerError where topics are missing, wrong or not empty, UnavailableError.
    """
    _log_to_stderr()
    topics = broker.topics._replace(version=version)
    checked(broker)
    checked(replace(broker, topics=topics))
    ends = _run_alone(rebuilding(broker, broker.topics.ledger, topics).ends())
    processes = min(os.cpu_count() or 1, len(ends))
    with children(partial(_filling, broker, topics), processes) as pool:
        for entries in pool.map(ends.items()):
            progress(entries)
    return Rebuilt(broker.topics.ledger, ends)


def _filling(broker: Broker, topics: Topics) -> Callable[[tuple[int, int]], int]:
    """What a process does with each partition that it is given, and up to where."""
    _log_to_stderr()

    def fill(share: tuple[int, int]) -> int:
        with rarely():
            return _run_alone(rebuilding(broker, broker.topics.ledger, topics).fill(*share))

    return fill


def _run_alone(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """On an event loop of its own."""
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        return runner.run(coroutine)
