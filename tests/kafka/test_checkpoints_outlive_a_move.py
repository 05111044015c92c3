"""A checkpoint that an auditor kept stays checkable on Kafka, after a move there, and after one to more partitions."""

import uuid
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from consumers.bootstrap import open_ledger
from consumers.bootstrap.moving import move
from consumers.bootstrap.proofs import open_checkpoints, open_to_verify
from consumers.proofs import verify_bundle
from consumers.proofs.bundle import bundle, export
from consumers.proofs.checkpoints import Checkpoints, Proof
from consumers.proofs.verify import Report, Verification
from consumers.settings import Settings
from ledger.adapters.kafka_client import admin, library
from ledger.adapters.kafka_move import KafkaMove
from ledger.checkpoint import opened
from ledger.leaves import leaf
from ledger.log import Position, Recorded
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.requests import Revoke
from schemas.subject import Subject
from tests.consumers.commands import Commands
from tests.kafka.test_a_ledger_is_moved import fill, topics_for
from tests.ledger.door import NUMBER, PERSON

pytestmark = pytest.mark.kafka


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", topics_prefix=f"t-{uuid.uuid4().hex[:12]}")


def checkpoint(settings: Settings, people: int = 0) -> bytes:
    """Records some more opt-outs and signs."""
    with open_ledger(settings) as ledger:
        for number in range(people):
            ledger.recorder.record(Revoke(subject=Subject("number", f"+1416557{number:04d}"), origin=PERSON))
        return open_checkpoints(ledger).make().note


def verified(settings: Settings, *kept: bytes) -> Report:
    with open_to_verify(settings, None) as checkpoints:
        return Verification(checkpoints).run({f"kept {place}": note for place, note in enumerate(kept)})


def holds(checkpoints: Checkpoints, proof: Proof) -> bool:
    head, top = proof.told.head, opened(proof.checkpoint, checkpoints.verifier, checkpoints.origin)
    in_partition = verify_inclusion(
        leaf_hash(leaf(proof.recorded)), proof.recorded.position.offset, head.size, proof.path, head.root
    )
    return in_partition and verify_inclusion(
        leaf_hash(head.text.encode()), proof.told.at, top.size, proof.head_path, top.root
    )


def test_checkpoints_from_before_two_moves_are_checked_in_the_log_of_now(
    embedded: Settings, broker_address: str, tmp_path: Path
) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger, 300)
    kept = [checkpoint(embedded), checkpoint(embedded, 20)]
    assert verified(embedded, *kept).findings == []
    first = topics_for(embedded, broker_address)
    move(embedded, first, lambda _entries: None)
    assert verified(first, *kept).findings == []  # also before the first checkpoint there
    kept += [checkpoint(first), checkpoint(first, 30)]
    second = topics_for(embedded, broker_address, partitions=5, version=2)
    move(first, second, lambda _entries: None)
    kept.append(checkpoint(second, 40))
    report = verified(second, *kept)
    assert report.findings == []
    assert report.entries == report.covered > 300
    with open_ledger(second) as ledger:
        checkpoints = open_checkpoints(ledger)
        assert checkpoints.era == 2
        for recorded in ledger.log.read_subject(ledger.ref(NUMBER)):
            assert holds(checkpoints, checkpoints.prove_entry(recorded))
        made = bundle(ledger, checkpoints, NUMBER, "system:test", 1)
    (tmp_path / "bundle").write_bytes(orjson.dumps(made))
    (tmp_path / "kept").write_bytes(kept[0])
    with open_to_verify(second, None) as checkpoints:
        export(checkpoints, tmp_path / "log")
    found = verify_bundle.checked(tmp_path / "bundle", str(checkpoints.verifier), tmp_path / "log", [tmp_path / "kept"])
    assert found.wrong == []
    earlier = {head.origin for _at, era, _partition, head in checkpoints.heads.all if era < 2}
    assert len(earlier) > 1
    old, *trees = found.unchecked
    assert {line.split()[3].strip("',") for line in trees} == earlier  # `verify` has checked those, above
    assert "that you kept" in old
    assert len(found.unheld) == 1


@pytest.mark.parametrize("forge", ["edit", "drop", "swap"])
def test_what_was_changed_on_the_way_is_found_where_it_stood_before(
    embedded: Settings, broker_address: str, forge: str
) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
        entries = [(one, (one.position,)) for one in ledger.log.read(0)]
    kept = checkpoint(embedded)
    to = topics_for(embedded, broker_address)
    changed = entries[20][0]
    if forge == "edit":
        value = changed.value.replace(b"granted", b"grinted").replace(b"PreferenceGranted", b"PreferenceRevoked")
        entries[20] = changed._replace(value=value), entries[20][1]
    elif forge == "drop":
        del entries[20]
    else:
        entries[20], entries[21] = (changed, entries[21][1]), (entries[21][0], entries[20][1])
    _filled(to, entries)
    found = verified(to, kept).findings
    assert any("(0, 20)" in one.where for one in found) or forge == "drop"
    assert any(one.code == "root" for one in found)
    assert any(one.code == "gap" for one in found) is (forge == "drop")


def _filled(to: Settings, entries: list[tuple[Recorded, tuple[Position, ...]]]) -> None:
    """What an operator's own program might do instead of `move`."""
    from ledger.adapters.kafka_topics import KafkaTopics

    with closing(KafkaTopics(to.broker())) as topics:
        there = topics.describe()
    with closing(KafkaMove(to.broker(), there)) as target:
        target.begin()
        target.add(entries)
        target.finish()


def test_records_that_the_broker_no_longer_has_are_missed(embedded: Settings, broker_address: str) -> None:
    with open_ledger(embedded) as ledger:
        fill(ledger)
    to = topics_for(embedded, broker_address, partitions=1)
    move(embedded, to, lambda _entries: None)
    kept = checkpoint(to, 3)
    place = library().TopicPartition(to.broker().topics.ledger, 0)
    with closing(admin(to.broker())) as client:
        client.delete_records({place: 5})
    found = verified(to, kept).findings
    assert [(one.code, one.where) for one in found if one.code == "unreadable"] == [("unreadable", "(0, 0)")]


def test_a_mirror_that_was_changed_deceives_nobody_who_verifies(embedded: Settings, broker_address: str) -> None:
    import sqlite3

    with open_ledger(embedded) as ledger:
        fill(ledger)
    to = topics_for(embedded, broker_address, partitions=1)
    move(embedded, to, lambda _entries: None)
    with open_ledger(to) as ledger:
        assert list(ledger.log.read(0))
    with closing(sqlite3.connect(to.mirror_path)) as db:
        db.execute("UPDATE entry SET value = CAST(value || ' ' AS BLOB) WHERE place = 7")
        db.commit()
    checkpoint(to)  # signs what the mirror says
    assert [one.where for one in verified(to).findings if one.code == "entry"] == ["(0, 7)"]


@pytest.mark.parametrize("left", [20, 0])
def test_a_topic_that_holds_less_than_a_checkpoint_says_is_found_and_where_it_ends(
    embedded: Settings, broker_address: str, tmp_path: Path, commands: Commands, left: int
) -> None:
    """The ledger of yesterday under the checkpoint of today, as from a broker's old disk."""
    with open_ledger(embedded) as ledger:
        fill(ledger)
        entries = [(one, (one.position,)) for one in ledger.log.read(0)]
    to = topics_for(embedded, broker_address, partitions=1)
    _filled(to, entries)
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint(to, 3))
    commands.environment.setenv("PREFLEDGER_HOME", str(embedded.home))
    commands.environment.setenv("PREFLEDGER_LEDGER_URL", to.ledger_url)
    commands.environment.setenv("PREFLEDGER_TOPICS_PREFIX", to.topics_prefix)
    assert commands.json("verify", str(kept))["entries"] == len(entries) + 3
    yesterday = topics_for(embedded, broker_address, partitions=1, version=2)
    _filled(yesterday, entries[: left or len(entries)])
    commands.environment.setenv("PREFLEDGER_TOPICS_VERSION", "2")
    findings = commands.json("verify", str(kept), code=1)["findings"]
    end = left or len(entries)
    assert {one["where"] for one in findings if one["code"] == "truncated"} >= {f"(0, {end})"}
    refused = commands("checkpoint")
    assert refused.code == 1
    assert f"partition 0 ends at {end}, but a checkpoint covers {len(entries) + 3}" in refused.err
