"""Erased on Kafka: gone from the brokers' disks within the bound, and from every machine, also one that was away.

The bound of `docs/privacy.md` is days. This test shortens what makes it (`max.compaction.lag.ms`, `segment.ms`,
`delete.retention.ms`, `file.delete.delay.ms` of the two erasable topics) to a second, and sets back the clock of the
machine that was away; nothing else differs.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumers.settings import Settings
from ledger.adapters.kafka_client import consumer, library
from ledger.adapters.kafka_source import KafkaSource
from ledger.adapters.kafka_topics import KafkaTopics
from stack.kafka import Kafka
from stack.processes import free_port
from tests.consumers.commands import Commands
from tests.consumers.outsiders import proves
from tests.consumers.with_the_key import NONCE, KeyInHand, files_below, in_the_clear, spellings
from tests.kafka.stage import Part

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

NUMBER, RETURNED, SISTER = "+14165550123", "+14165550124", "+14165550125"
SAID = "Stop texting me at once, this is Jean Tremblay"
SAID_BEFORE = "Never write to me again, says Aline Gagnon, ok"
YES = ("--channel", "sms", "--purpose", "marketing.offers", "--basis", "express", "--actor", "person")
SOON = {
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "1000",
    "file.delete.delay.ms": "0",
}
TRACES = [*spellings(NUMBER), *spellings(RETURNED), b"Tremblay", b"Gagnon"]
EIGHT_DAYS = 8 * 86_400_000


class Machines:
    """A ledger on Kafka, and two machines that record in it."""

    def __init__(self, kafka: Kafka, folder: Path, commands: Commands) -> None:
        self.folder, self._commands = folder, commands
        self.home, self.away = folder / "home", folder / "away"
        self.address = kafka.address
        url = f"kafka://{kafka.address}"
        commands.environment.setenv("PREFLEDGER_LEDGER_URL", url)
        self.json("topics", "create", "--partitions", "1", "--replication-factor", "1")
        self.away.mkdir()
        shutil.copy(self.home / "secret", self.away / "secret")
        self.key = KeyInHand(self.home / "secret")
        self.broker = Settings(home=self.home, ledger_url=url).broker()
        self.erasable = (self.broker.topics.identities, self.broker.topics.evidence)

    def lines(self, *arguments: str, code: int = 0, home: Path | None = None) -> list[dict[str, Any]]:
        """What a command says on one of the machines."""
        self._commands.environment.setenv("PREFLEDGER_HOME", str(home or self.home))
        return self._commands.lines(*arguments, code=code)

    def json(self, *arguments: str, code: int = 0, home: Path | None = None) -> dict[str, Any]:
        [document] = self.lines(*arguments, code=code, home=home)
        return document

    def segments(self) -> dict[Path, bytes]:
        """The files of the brokers in which records lie."""
        return files_below(self.folder / "kafka" / "data")

    def readable(self, files: dict[Path, bytes], places: list[str]) -> set[bytes]:
        """What the key opens in these files of the people behind some places."""
        return {
            plain
            for path, content in files.items()
            for plain in self.key.found(content, places, 1 if "/" not in places[0] else 3)
            if "people" in path.name or "identities" in str(path) or "evidence" in str(path)
        }

    def records(self, topic: str, partitions: int) -> Iterator[tuple[str, bytes]]:
        """Every record that a topic still has."""
        with closing(KafkaSource(self.broker, topic, range(partitions))) as source:
            reached: dict[int, int] = {}
            ends = source.ends()
            while any(reached.get(partition, 0) < end for partition, end in ends.items()):
                for part in source.fetch(reached):
                    reached[part.partition] = part.end
                    yield from ((raw.key, raw.value) for raw in part.records)

    def committed(self, topic: str) -> Iterator[bytes]:
        """Key and value of every record of a topic that is written in transactions."""
        with closing(consumer(self.broker, isolation_level="read_committed", consumer_timeout_ms=3_000)) as reader:
            places = [library().TopicPartition(topic, partition) for partition in reader.partitions_for_topic(topic)]
            reader.assign(places)
            reader.seek_to_beginning(*places)
            yield from ((record.key or b"") + (record.value or b"") for record in reader)


@pytest.fixture
def machines(own_kafka: Kafka, tmp_path: Path, commands: Commands) -> Machines:
    return Machines(own_kafka, tmp_path, commands)


class Auditor:
    """Keeps elsewhere what was handed out before the erasure, names and words included."""

    def __init__(self, machines: Machines, folder: Path, event_id: str) -> None:
        self._machines, self._folder, self._event = machines, folder, event_id
        self.key = machines.json("checkpoint", "--out", str(folder / "kept"))["key"]
        self._proof = machines.json("prove", event_id)
        machines.json("bundle", NUMBER, str(folder / "bundle.json"), "--actor", "agent:eve")

    def finds_that_all_holds(self) -> None:
        """The checkpoint, the proof and the bundle are as true as they were, in the log of now."""
        machines, kept, log = self._machines, str(self._folder / "kept"), str(self._folder / "log.jsonl")
        machines.json("checkpoint")
        assert machines.json("verify", kept, "--key", self.key, "--export", log)["findings"] == []
        assert proves(self._folder, self._proof)
        assert machines.json("prove", self._event)["leaf"] == self._proof["leaf"]
        bundle = str(self._folder / "bundle.json")
        checked = machines.json("verify-bundle", bundle, "--key", self.key, "--log", log, "--checkpoint", kept)
        assert (checked["holds"], checked["complete"], checked["unchecked"]) == (True, True, [])
        after = self._folder / "after.json"
        machines.json("bundle", NUMBER, str(after))
        assert machines.json("verify-bundle", str(after), "--key", self.key, "--log", log)["complete"]
        assert in_the_clear({after: after.read_bytes()}, TRACES) == []

    def imports_them_again(self) -> None:
        """From a list that somebody still had."""
        file = self._folder / "list.csv"
        file.write_text(f"number,at\n{NUMBER},2021-01-01T00:00:00Z\n", "utf-8")
        given = ("action=grant", "basis=express", "channel=sms", "purpose=marketing.offers")
        said = [word for one in given for word in ("--default", one)]
        assert self._machines.json("import", str(file), *said, "--map", "occurred_at=at")["rejected"] == 0


def erasable(folder: Path) -> dict[Path, bytes]:
    return {path: content for path, content in files_below(folder).items() if "people" in path.name}


def test_what_was_erased_is_gone_from_all_segments_and_mirrors_and_the_no_stays(
    machines: Machines, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ref, returned = (machines.key.references.of("number", number) for number in (NUMBER, RETURNED))
    said = machines.json("revoke", NUMBER, "--evidence", SAID, "--actor", "person")["event_id"]
    before = machines.json("revoke", RETURNED, "--evidence", SAID_BEFORE, "--actor", "person")["event_id"]
    machines.json("revoke", SISTER)
    others_had_them(machines)
    who, words = [ref], [f"{ref}/{said}", f"{returned}/{before}"]
    assert machines.json("reveal", NUMBER, "--actor", "agent:ada", home=machines.away)["id"] == NUMBER

    for files in (machines.segments(), erasable(machines.home), erasable(machines.away)):
        assert machines.readable(files, who) == {f"number:{NUMBER}".encode()}, "with the key it can be read, so far"
        assert len(machines.readable(files, words)) == 2

    sealed = [
        value[:NONCE]
        for topic in machines.erasable
        for name, value in machines.records(topic, 6)
        if name in (*who, *words)
    ]
    assert len(sealed) == 3
    auditor = Auditor(machines, tmp_path_factory.mktemp("auditor"), said)
    assert machines.json("erase", NUMBER, "--yes")["removed"] == 2
    assert machines.json("erase", RETURNED, "--yes")["removed"] == 2
    machines.json("grant", RETURNED, *YES, "--evidence", "yes again")

    assert machines.readable(erasable(machines.home), [*who]) == set(), "at once where it was erased"
    assert machines.readable(erasable(machines.home), words) == set()
    compact(machines, who, words, sealed)

    machine_returns(machines, who, words)
    auditor.finds_that_all_holds()
    auditor.imports_them_again()
    assert machines.json("reveal", NUMBER, code=1)["id"] is None
    asked = ("decide", NUMBER, "--channel", "sms", "--purpose", "marketing.offers")
    assert machines.json(*asked, code=1)["reason"] == "revoked_by_number"
    nothing_is_in_the_clear(machines)


def others_had_them(machines: Machines) -> None:
    """A worker folds them into its tables, a gateway takes them into its copy and logs a decision about them."""
    port, gateway_port, folder = free_port(), free_port(), machines.folder
    environment = {"PREFLEDGER_HOME": str(machines.home), "PREFLEDGER_LEDGER_URL": f"kafka://{machines.address}"}
    snapshot = str(folder / "copy" / "replica.snapshot")
    worker = Part("worker-0", ["worker", "run", "--metrics-port", str(port)], folder, environment, port)
    run = ["gateway", "run", "sms-0", "--port", str(gateway_port), "--snapshot", snapshot]
    gateway = Part("sms-0", run, folder, environment, gateway_port)
    for part in (worker, gateway):
        part.start()
    try:
        for part in (worker, gateway):
            part.ready()
        answer = gateway.decide(contact=NUMBER, channel="sms", purpose="marketing.offers")
        assert answer
        assert answer["reason"] == "revoked_by_number"
    finally:
        for part in (gateway, worker):
            part.process.stop()


def compact(machines: Machines, who: list[str], words: list[str], sealed: list[bytes]) -> None:
    """Makes the broker do in seconds what it does within days; `doctor` adds what closes the segments."""
    with closing(KafkaTopics(machines.broker)) as topics:
        for name in machines.erasable:
            topics.set(name, SOON)

    def is_left() -> bool:
        return any(one in content for content in machines.segments().values() for one in sealed)

    def is_remembered() -> bool:
        """Whether a tombstone is left, by which a machine that comes back could learn of it."""
        return any(key in words for key, _value in machines.records(machines.erasable[1], 6))

    assert is_left(), "the broker has not compacted yet"
    end = time.monotonic() + 200
    while is_left() or is_remembered():
        assert time.monotonic() < end, "after 200 s what was erased is still in the segments"
        machines.lines("doctor")
        time.sleep(1.5)  # longer than a segment is written to
    segments = machines.segments()
    assert machines.readable(segments, who) | machines.readable(segments, words) == set()


def machine_returns(machines: Machines, who: list[str], words: list[str]) -> None:
    """It was off when they were erased, for longer than the topics keep tombstones."""
    [mirror] = machines.away.glob("*-people-mirror.db")
    assert len(machines.readable(erasable(machines.away), words)) == 2, "it holds what it held"
    with closing(sqlite3.connect(mirror)) as db:
        db.execute("UPDATE was_read SET at = at - ?", (EIGHT_DAYS,))
        db.commit()
    assert machines.json("reveal", SISTER, home=machines.away)["id"] == SISTER
    assert machines.readable(erasable(machines.away), who) == set()
    assert machines.readable(erasable(machines.away), words) == set()
    assert machines.json("reveal", NUMBER, home=machines.away, code=1)["id"] is None
    shown = machines.json("reveal", RETURNED, home=machines.away)
    assert (shown["id"], [one["standing"] for one in shown["evidence"]]) == (RETURNED, ["erased", "genuine"])
    looks = machines.lines("looks", NUMBER)
    assert [one["by"] for one in looks] == ["agent:ada", "agent:eve", "system:cli"], "who looked on the other machine"


def nothing_is_in_the_clear(machines: Machines) -> None:
    topics = machines.broker.topics
    for topic, partitions in ((topics.ledger, 1), (topics.identities, 6), (topics.evidence, 6)):
        records = list(machines.records(topic, partitions))
        assert records, f"{topic} has something to look at"
        assert not [key for key, value in records if any(text in key.encode() + value for text in TRACES)]
    for topic in (topics.table("by-number"), topics.decisions, topics.receipts):
        told = list(machines.committed(topic))
        assert told, f"{topic} has something to look at"
        assert not [one for one in told if any(text in one for text in TRACES)]
    assert (machines.folder / "copy" / "replica.snapshot").stat().st_size
    assert in_the_clear(files_below(machines.folder), TRACES) == []
