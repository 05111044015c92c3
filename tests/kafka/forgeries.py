"""What can be put before the processes of a ledger that is none of theirs: they must not take it for what it looks."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import Any

from consumers.bootstrap import open_ledger
from consumers.replica import Replica
from ledger.adapters.kafka_client import producer
from ledger.errors import UnavailableError, WrongSecretError
from ledger.log import Recorded
from ledger.reference import SECRET_BYTES, References
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from schemas.topics import partition_of
from stack.processes import wait_until
from tests.kafka.faults import Fault
from tests.kafka.stage import READY_S, Part
from tests.kafka.story import Refusing, Scene
from tests.kafka.test_poison_in_every_topic import GARBAGE, KEYS, put
from tests.kafka.workers import LedgerAsRead

ANOTHER = "0199a0a8-3c00-7000-8000-00000000bbbb"
LARGE = 2_000_000
NOBODY = "+1416556{:04d}"
WRONG_SECRET = 2
"""The exit code of who is given one."""


def poison(scene: Scene, rng: Random) -> None:
    """What is no entry, no receipt, no decision, nobody and no words, in the topics that all may write to."""
    broker = scene.stage.settings.broker()
    topics = broker.topics
    for topic in (topics.ledger, topics.receipts, topics.decisions, topics.identities, topics.evidence):
        keys = (rng.randbytes(16).hex().encode(), rng.choice(KEYS))
        offsets = put(broker, topic, *((key, rng.choice(GARBAGE)) for key in keys))
        if topic == topics.ledger:
            scene.story.poison += [(0, offset) for offset in offsets]


def poison_tables(scene: Scene, rng: Random) -> None:
    """States that no worker writes, of those of whom nobody speaks.

    Somebody who is spoken of would be held until the tables are rebuilt, and no worker begins a partition whose
    watermark cannot be read before they are: `test_poison_in_every_topic.py` has both.
    """
    broker, partitions = scene.stage.settings.broker(), scene.stage.partitions
    number = NOBODY.format(rng.randrange(10_000))
    reference = _references(scene).of("number", number)
    states = {
        "by-number": rng.choice((reference, f"{reference}#zz")),
        "by-account": rng.choice((rng.randbytes(16).hex(), "f" * 300)),
        "reference": f"operator:{rng.randbytes(4).hex()}",
    }  # fmt: skip
    for table, topic in broker.topics.tables.items():
        key, value = states[table], rng.choice([each for each in GARBAGE if each is not None])
        put(broker, topic, (key.encode(), value), partition=partition_of(key.partition("#")[0], partitions))
        scene.story.poisoned[key] = value
    scene.story.held.add(number)


def large_record(scene: Scene, rng: Random) -> None:
    """Of 2 MB: compressed it is small enough for the broker."""
    broker = scene.stage.settings.broker()
    topics = broker.topics
    with closing(producer(broker, max_request_size=2 * LARGE)) as writing:
        for topic in (topics.ledger, topics.receipts, topics.decisions, topics.identities, topics.evidence):
            put_at = writing.send(topic, b"x" * LARGE, key=rng.randbytes(16).hex().encode()).get(30)
            if topic == topics.ledger:
                scene.story.poison.append((put_at.partition, put_at.offset))


def spoil_snapshot(scene: Scene, rng: Random) -> None:
    """Cut off anywhere."""
    part = rng.choice(scene.stage.gateways)
    part.process.stop()
    snapshot = scene.stage.snapshot_of(part)
    if snapshot.exists():
        os.truncate(snapshot, rng.randrange(snapshot.stat().st_size + 1))
    part.start()


def forge_snapshot(scene: Scene, rng: Random) -> None:
    """One of another ledger, in which nobody has ever said no, and which seems to go as far as this one."""
    part = rng.choice(scene.stage.gateways)
    part.ready()
    part.process.stop()
    snapshot, fingerprint = scene.stage.snapshot_of(part), _references(scene).fingerprint
    own = Replica.open(snapshot, fingerprint)
    view = MemoryView()
    log: Any = Yeses(scene.stage.settings.broker())
    catch_up(log, view)
    forged = Replica.of_parts(view.all_parts(), own.watermark(), fingerprint)
    forged.notes = {**own.notes, "ledger_id": ANOTHER}
    forged.save(snapshot)
    _refuses(scene, part, lambda said: "is of another ledger" in said)


class Yeses(LedgerAsRead):
    """The ledger as if nobody had taken back anything."""

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        every = super().read(partition, start, end)
        return (each for each in every if b"PreferenceRevoked" not in each.value)


def wrong_secret(scene: Scene, rng: Random) -> None:
    """A gateway and a recorder are given another secret: neither begins; the gateway is started again with its own."""
    part = rng.choice(scene.stage.gateways)
    part.process.stop()
    other = scene.stage.folder / "other" / "secret"
    other.parent.mkdir(exist_ok=True)
    other.write_text(rng.randbytes(SECRET_BYTES).hex())
    settings = scene.stage.settings.model_copy(update={"secret_file": other})
    try:
        open_ledger(settings).open_objects.close()
    except WrongSecretError:
        pass
    else:
        raise AssertionError("a ledger was opened with another secret")
    _refuses(scene, part, lambda _said: part.process.code is not None, PREFLEDGER_SECRET_FILE=str(other))
    assert part.process.code == WRONG_SECRET
    assert "the secret is not the one" in part.process.said()
    part.start()


def _refuses(scene: Scene, part: Part, until: Callable[[str], bool], **environment: str) -> None:
    """Starts it, and notes for how long it had nothing that it could answer from."""
    since, log = time.monotonic(), part.process.log
    before = log.stat().st_size
    part.start(**environment)
    wait_until(lambda: until(log.read_bytes()[before:].decode("utf-8", "replace")), READY_S, f"{part.name} refuses")
    has_another_secret = "PREFLEDGER_SECRET_FILE" in environment
    scene.story.refusing.append(Refusing(part.name, since, time.monotonic(), has_another_secret))


def _references(scene: Scene) -> References:
    return References(bytes.fromhex(scene.stage.settings.secret_file.read_text().strip()))


def _once_it_can(forge: Fault) -> Fault:
    """A broker that has come back takes connections before it leads its partitions."""

    def forging(scene: Scene, rng: Random) -> None:
        wait_until(lambda: _is_open(scene), READY_S, "the ledger can be opened")
        forge(scene, rng)

    return forging


def _is_open(scene: Scene) -> bool:
    try:
        open_ledger(scene.stage.settings).open_objects.close()
    except UnavailableError:
        return False
    return True


FORGERIES: dict[str, Fault] = {
    each.__name__: _once_it_can(each)
    for each in (poison, poison_tables, large_record, spoil_snapshot, forge_snapshot, wrong_secret)
}
