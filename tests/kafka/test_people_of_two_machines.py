"""Identities and evidence as two machines see them: what one erases is gone from the other, and from its file."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_people import KafkaPeople
from ledger.errors import NotALedgerError, WrongSecretError
from ledger.people import Identity
from tests.contracts.people import identity, words
from tests.kafka.kafka_logs import Place, new_place

pytestmark = pytest.mark.kafka

KEY = os.urandom(32)


@pytest.fixture(scope="module")
def place(broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return new_place(broker_address, tmp_path_factory.mktemp("mirrors"))


def topic_values(people: KafkaPeople, ref: str) -> list[bytes]:
    """What the topics say last about a reference: b"" for a tombstone."""
    last = {}
    for source in (people._identities, people._evidence):
        reached: dict[int, int] = {}
        while any(reached.get(partition, 0) < end for partition, end in source.ends().items()):
            for part in source.fetch(reached):
                reached[part.partition] = part.end
                last.update({raw.key: raw.value for raw in part.records if raw.key.startswith(ref)})
    return list(last.values())


def test_what_one_keeps_the_other_knows_and_what_one_erases_both_forget(place: Place) -> None:
    with closing(place.people(KEY, "left")) as left, closing(place.people(KEY, "right")) as right:
        one = identity(id_="+14165550199")
        said = words(one.ref, "leave me alone, I said")
        left.keep([one], [said])
        assert right.identity(one.ref) == one
        assert right.evidence(one.ref, said.event_id) == said
        assert right.erase(one.ref) == 2
        assert left.identity(one.ref) is None
        assert left.evidence(one.ref, said.event_id) is None
        left.keep([one], [words(one.ref)])
        assert right.identity(one.ref) is None
        right.keep([one._replace(renews=True)])
        assert left.identity(one.ref) == one
    with closing(place.people(KEY, "third")) as third:
        assert third.identity(one.ref) == one
        assert third.evidence(one.ref, said.event_id) is None


def test_nothing_that_was_erased_is_left_in_the_topics_or_in_any_mirror(place: Place) -> None:
    with closing(place.people(KEY, "left")) as left, closing(place.people(KEY, "right")) as right:
        one = identity(id_="+14165550198")
        left.keep([one], [words(one.ref, "the quick brown fox")])
        assert right.identity(one.ref) == one
        records = topic_values(left, one.ref)
        assert len(records) == 2
        left.erase(one.ref)
        assert right.identity(one.ref) is None
        assert topic_values(left, one.ref) == [b"", b""]
    files = [path.read_bytes() for path in Path(place.folder).iterdir() if path.suffix != ".lock"]
    for sealed in records:
        assert not any(sealed[12:44] in content for content in files)
    assert not any(b"quick brown" in content or b"4165550198" in content for content in files)


def test_what_somebody_writes_who_did_not_know_of_an_erasure_is_removed(place: Place) -> None:
    with closing(place.people(KEY, "left")) as left, closing(place.people(KEY, "right")) as right:
        one = identity()
        left.erase(one.ref)
        said = words(one.ref)
        topics = left._topics
        left._writer.write_all([*topics.identities([one]), topics.words(said)])
        assert right.identity(one.ref) is None
        assert right.evidence(one.ref, said.event_id) is None
        assert topic_values(right, one.ref) == [b"", b""]


def test_who_looked_is_known_to_all_and_said_once(place: Place) -> None:
    one = identity()
    with closing(place.people(KEY, "left")) as left:
        left.keep([one])
        left.looked_at(one.ref, "agent:ada", "reveal", 5_000)
    for machine in ("left", "right", "fourth"):
        with closing(place.people(KEY, machine)) as people:
            assert list(people.looks(one.ref)) == [(5_000, one.ref, "agent:ada", "reveal")]


def test_another_secret_is_refused_and_so_is_another_ledgers_mirror(broker_address: str, tmp_path: Path) -> None:
    place, other = new_place(broker_address, tmp_path), new_place(broker_address, tmp_path)
    with closing(place.people(KEY)) as people:
        people.begin()
        assert people.identity("ab" * 16) is None
    with pytest.raises(WrongSecretError):
        place.people(os.urandom(32))
    with closing(place.people(os.urandom(32), "another")) as people, pytest.raises(WrongSecretError):
        people.keep([Identity("ab" * 16, "number", "+14165550197")])
    with pytest.raises(NotALedgerError, match="another ledger"):
        other.people(KEY)
