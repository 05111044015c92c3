"""What goes wrong with a gateway: it says no to what it cannot know, and comes back by itself."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from consumers.adapters.kafka_feed import KafkaFeed
from consumers.bootstrap.gateway import ports
from consumers.gateway import Gateway
from consumers.gateway.ports import Place, Record
from consumers.replica import Replica
from ledger.broker import Broker
from ledger.errors import WrongSecretError
from schemas.events import OPERATOR_TRAFFIC
from schemas.topics import Topics, partition_of
from stack.kafka import Kafka
from stack.processes import LOOPBACK, Process, wait_until
from tests.consumers.asking import REFERENCES
from tests.kafka.gateways import NUMBER, NumbersLast, Ran, codes, gateway, offers, readers, reason
from tests.kafka.table_writer import SHORT, TableWriter

pytestmark = pytest.mark.kafka
LONG = 60.0
OTHER = "+33612345678"


def test_killed_at_any_moment_it_starts_from_its_snapshot_and_buries_its_dead(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        first = Ran(broker, tmp_path / "home")
        first.says("granted")
        assert first.process.stop() == 0
        second = Ran(broker, tmp_path / "home")
        second.says("granted")
        second.process.kill()
        ledger.says("PreferenceRevoked", "number", NUMBER)
        third = Ran(broker, tmp_path / "home")
        seen = set()
        while (said := reason(third.port)) != "revoked_by_number":
            assert third.process.code is None
            seen.add(said)
        assert seen <= {None, "stale"}  # and never what the snapshot says
        assert third.process.stop() == 0
        events = [orjson.loads(entry.value) for partition in range(2) for entry in ledger.read(partition)]
    ids = {kind: [event["process"] for event in events if event["type"] == kind] for kind in
           ("GatewayRegistered", "GatewayRetired")}  # fmt: skip
    assert len(ids["GatewayRegistered"]) == 3
    assert sorted(ids["GatewayRegistered"]) == sorted(ids["GatewayRetired"])


class Counting(KafkaFeed):
    """The tables, and the keys of the states of numbers that were read of them in this process."""

    def __init__(self, broker: Broker, keys: list[bytes]) -> None:
        super().__init__(broker)
        self._keys = keys

    def poll(self, seconds: float) -> Sequence[tuple[Place, Sequence[Record]]]:
        """What has come, which is noted."""
        found = super().poll(seconds)
        numbers = (record for place, records in found if place.table == "by-number" for record in records)
        self._keys += [record.key for record in numbers if record.key and record.key[:1] != b"~"]
        return found


def test_from_its_snapshot_it_reads_nothing_that_is_in_it(broker: Broker, tmp_path: Path) -> None:
    def started() -> tuple[str, list[bytes]]:
        keys: list[bytes] = []
        counting = replace(ports(broker), feed=partial(Counting, broker, keys))
        with Gateway("sms-1", counting, REFERENCES, tmp_path / "sms-1.snapshot") as asked:
            asked.wait_until_current(LONG)
            return offers(asked), keys

    with TableWriter(broker) as ledger:
        numbers = [f"+1416555{number:04d}" for number in range(50)]
        ledger.say([ledger.event("PreferenceGranted", "number", number) for number in (NUMBER, *numbers)])
        ledger.fold()
        with ledger.working():
            said, read = started()
            assert said == "granted"
            assert {REFERENCES.of("number", number).encode() for number in numbers} <= set(read)
            assert started() == ("granted", [])


def test_a_snapshot_that_cannot_be_used_is_named_and_the_topics_have_it_all(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "sms-1.snapshot"
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        with gateway(broker, tmp_path) as asked:
            wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        good = path.read_bytes()

        def truncated() -> None:
            path.write_bytes(good[: len(good) // 2])

        def of_another_secret() -> None:
            Replica.of_parts([], {}, "0" * 32).save(path)

        def of_another_ledger() -> None:
            other = Replica.open(path, REFERENCES.fingerprint)
            other.notes = other.notes | {"ledger_id": "0199a0a8-3c00-7000-8000-00000000bbbb"}
            other.save(path)

        def of_other_topics() -> None:
            other = Replica.open(path, REFERENCES.fingerprint)
            other.notes = other.notes | {"positions": dict.fromkeys(other.notes["positions"], 10**9)}
            other.save(path)

        spoilers: dict[str, Callable[[], None]] = {
            "cut off": truncated, "another secret": of_another_secret, "another ledger": of_another_ledger,
            "other topics": of_other_topics,
        }  # fmt: skip
        for said, spoil in spoilers.items():
            path.write_bytes(good)
            spoil()
            caplog.clear()
            with gateway(broker, tmp_path) as asked:
                wait_until(lambda asked=asked: offers(asked) == "granted", LONG, "the grant counts")  # type: ignore[misc]
            assert any(said in record.getMessage() for record in caplog.records), said


def test_a_ledger_of_another_secret_ends_the_gateway(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ran = Ran(broker, tmp_path / "home", secret=bytes(32))
        wait_until(lambda: ran.process.code is not None, LONG, "it ends")
        assert ran.process.code == 2
        assert "the secret is not the one" in ran.process.said()
        with gateway(broker, tmp_path) as asked:
            asked.wait_until_current(LONG)
    fresh = Broker(broker.servers, Topics(broker.topics.prefix + "-other"))
    with TableWriter(fresh, secret_fingerprint="0" * 32) as ledger, gateway(fresh, tmp_path) as asked:
        with pytest.raises(WrongSecretError):
            asked.wait_until_current(LONG)
        assert (offers(asked), codes(asked)) == ("stale", "stale")


def test_a_port_that_somebody_else_has_is_named(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker), socket.create_server((LOOPBACK, 0)) as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.kafka.gateways.free_port", lambda: other.getsockname()[1])
        ran = Ran(broker, tmp_path / "home")
        wait_until(lambda: ran.process.code is not None, LONG, "it ends")
    assert ran.process.code == 2
    assert f"127.0.0.1:{ran.port} cannot be listened on; name another --port" in ran.process.said()


def test_topics_that_a_gateway_cannot_lean_on_end_it_at_its_start(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker, settings={"min.compaction.lag.ms": "0"}):
        ran = Ran(broker, tmp_path / "home")
        wait_until(lambda: ran.process.code is not None, LONG, "it ends")
        assert ran.process.code == 2
        assert "by-number.v1 has min.compaction.lag.ms=0, and a ledger needs" in ran.process.said()


def test_before_it_knows_the_stop_switch_it_allows_nothing_at_all(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger:
        ledger.halts()  # the worker has not folded it
        with gateway(broker, tmp_path) as asked:
            end = time.monotonic() + 3
            while time.monotonic() < end:
                assert (offers(asked), codes(asked)) == ("stale", "stale")
            with ledger.working():
                wait_until(lambda: codes(asked) == "halted", LONG, "it knows")
                assert offers(asked) == "halted"


def test_a_poison_record_denies_its_subject_and_stops_nobody(broker: Broker, tmp_path: Path) -> None:
    reference = REFERENCES.of("number", NUMBER)
    with TableWriter(broker) as ledger, gateway(broker, tmp_path) as asked:
        with ledger.working():
            for number in (NUMBER, OTHER):
                ledger.says("PreferenceGranted", "number", number)
            wait_until(lambda: offers(asked) == offers(asked, OTHER) == "granted", LONG, "the grants count")
        ledger.put("by-number", partition_of(reference, 2), reference, b"\xff" * 900_000)
        ledger.put("by-number", 0, "~watermark/0", b"{")
        with ledger.working():
            wait_until(lambda: offers(asked) == "held_for_review", LONG, "nobody knows what it said")
            ledger.says("PreferenceRevoked", "number", OTHER)
            wait_until(lambda: offers(asked, OTHER) == "revoked_by_number", LONG, "the others go on")
            assert asked.running.unreadable_records == 2
            ledger.put("reference", partition_of(OPERATOR_TRAFFIC, 2), OPERATOR_TRAFFIC, b"?")
            wait_until(lambda: codes(asked) == "stale", LONG, "the stop switch may be thrown")
            ledger.halts()
            wait_until(lambda: codes(asked) == "halted", LONG, "it can be read again")


def test_one_that_was_retired_answers_no_more(broker: Broker, tmp_path: Path) -> None:
    from consumers.bootstrap.gateways import gateways, retire
    from consumers.settings import Settings

    (tmp_path / "secret").write_text(bytes(range(32)).hex())
    settings = Settings(home=tmp_path, ledger_url=f"kafka://{broker.name}", topics_prefix=broker.topics.prefix)
    with TableWriter(broker) as ledger, ledger.working(), gateway(broker, tmp_path) as asked:
        asked.wait_until_current(LONG)
        wait_until(lambda: bool(gateways(settings).processes), LONG, "its registration is folded")
        [seen] = gateways(settings).processes
        assert (seen.gateway, seen.process) == ("sms-1", asked.process)
        wait_until(lambda: gateways(settings).processes[0].state(gateways(settings).now) == "current", LONG, "it tells")
        assert [one.process for one in retire(settings, "sms-1")] == [asked.process]
        wait_until(lambda: asked.running.failed is not None, LONG, "it has read that")
        assert (offers(asked), codes(asked)) == ("stale", "stale")
        wait_until(lambda: not gateways(settings).processes, LONG, "it is gone")


def test_the_process_that_reads_may_be_killed_or_frozen(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker, policy=SHORT) as ledger, ledger.working(), gateway(broker, tmp_path) as asked:
        ledger.says("PreferenceGranted", "number", NUMBER)
        wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        [first] = readers(os.getpid())
        os.kill(first, signal.SIGKILL)
        ledger.says("PreferenceRevoked", "number", NUMBER)
        wait_until(lambda: offers(asked) == "revoked_by_number", LONG, "another one reads on")
        [second] = readers(os.getpid())
        assert second != first
        os.kill(second, signal.SIGSTOP)
        ledger.says("PreferenceGranted", "number", NUMBER)
        wait_until(lambda: offers(asked) == "stale", LONG, "nobody tells it anything")
        assert codes(asked) == "never_needs_consent"
        os.kill(second, signal.SIGCONT)
        wait_until(lambda: offers(asked) == "granted", LONG, "it is told again")
        assert asked.running.failed is None
    assert not readers(os.getpid())


def test_while_the_tables_are_read_one_before_the_other_nothing_is_answered_from_them(
    broker: Broker, tmp_path: Path
) -> None:
    numbers_wait = tmp_path / "numbers-wait"
    feed = partial(NumbersLast, broker, numbers_wait)
    with (
        TableWriter(broker) as ledger, ledger.working(),
        Gateway("sms-1", replace(ports(broker), feed=feed), REFERENCES, tmp_path / "sms-1.snapshot") as asked,
    ):  # fmt: skip
        ledger.says("PreferenceGranted", "number", NUMBER)
        ledger.says("ContactLinked", "number", NUMBER, account="A", reason="added")
        wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        [reader] = readers(os.getpid())
        os.kill(reader, signal.SIGSTOP)
        ledger.says("ContactUnlinked", "number", NUMBER, account="A")
        ledger.says("PreferenceRevoked", "account", "A")  # whom the number has left before
        numbers_wait.touch()
        time.sleep(1)  # the tables have both
        os.kill(reader, signal.SIGKILL)
        reasons: list[str] = []

        def said() -> str:
            reasons.append(offers(asked))
            return reasons[-1]

        wait_until(lambda: said() == "stale", LONG, "it says nothing")
        for _ in range(20):
            time.sleep(0.05)
            said()
        assert codes(asked) == "never_needs_consent"
        numbers_wait.unlink()
        wait_until(lambda: said() == "granted", LONG, "it is whole again")
    assert set(reasons) == {"granted", "stale"}


def test_the_process_that_reads_ends_with_its_gateway_however_that_ends(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        for end in (Process.kill, Process.stop):
            ran = Ran(broker, tmp_path / "home")
            ran.says("granted")
            [reader] = readers(ran.process.pid)
            end(ran.process)
            wait_until(lambda reader=reader: not Path(f"/proc/{reader}").exists(), LONG, "it is gone")  # type: ignore[misc]


def test_cut_off_from_the_broker_it_grows_stale_and_comes_back_without_a_restart(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    broker = Broker((own_kafka.address,), Topics("cut"))
    with TableWriter(broker, policy=SHORT) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        ran = Ran(broker, tmp_path / "home")
        ran.says("granted")
    own_kafka.process.signal(signal.SIGSTOP)
    ran.says("stale")
    ran.says("never_needs_consent", "service.codes")
    own_kafka.process.signal(signal.SIGCONT)
    ran.says("granted")
    own_kafka.kill()
    ran.says("stale")
    ran.says("never_needs_consent", "service.codes")
    own_kafka.start()
    ran.says("granted")
    assert ran.process.stop() == 0
