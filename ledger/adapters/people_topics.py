"""What the records of the two erasable topics say, in order, and how each is written.

| topic | key | value |
|---|---|---|
| identities | reference | sealed identity; a tombstone erases |
| | `~erased/REF` | `erased`, or `renewed` since the person said yes again |
| | `~look/ID` | who looked, as JSON |
| | `~check` | tells a wrong secret |
| evidence | `REF/EVENT` | sealed words; a tombstone erases |
| both | `~beat` | nothing: something is added to each partition, so that its segments are closed |

All that is about one reference is in its partition, so that an erasure and what comes after it have one order. The mark
of an erasure is never a tombstone: those go in the end, and a mirror that was away must still learn of it.

What cannot be read is named in the log and passed over: an opt-out is recorded only after its identity was kept, and
nobody could be kept any more behind one damaged record. What it stood for is kept again with the next statement.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson

from ledger.adapters.kafka_mirror import Raw
from ledger.adapters.kafka_writer import Record
from ledger.adapters.people_mirror import Look
from ledger.adapters.sealing import Sealing
from ledger.broker import Broker
from ledger.errors import WrongSecretError
from ledger.people import Identity, Words
from ledger.stamp import new_id
from schemas.topics import partition_of

ERASED, LOOK, CHECK, BEAT = "~erased/", "~look/", "~check", "~beat"
OURS = "~"
"""Keys that begin so are about no reference; those that a reader does not know it passes over."""
IS_ERASED, IS_RENEWED = b"erased", b"renewed"
END_OF_TIME = 1 << 62
"""Later than any time, in milliseconds, and no larger than what a mirror can store."""
log = logging.getLogger("prefledger.ledger")


class Gone(NamedTuple):
    """A tombstone: of an identity, or (with `event_id`) of words."""

    ref: str
    event_id: str | None = None


class Mark(NamedTuple):
    """A reference was erased, or takes an identity again."""

    ref: str
    erased: bool


Said = Identity | Words | Gone | Mark | Look


class PeopleTopics:
    """Makes and reads the records of one ledger."""

    def __init__(self, broker: Broker, sealing: Sealing, partitions: int) -> None:
        self.identities_topic = broker.topics.identities
        self.evidence_topic = broker.topics.evidence
        self._sealing = sealing
        self._partitions = partitions

    def identities(self, identities: Sequence[Identity]) -> Iterator[Record]:
        """Each sealed."""
        for identity, sealed in zip(identities, self._sealing.identities(identities), strict=True):
            yield self._record(self.identities_topic, identity.ref, identity.ref, sealed)

    def words(self, words: Words) -> Record:
        """Sealed."""
        return self._record(self.evidence_topic, words.ref, f"{words.ref}/{words.event_id}", self._sealing.words(words))

    def gone(self, ref: str, event_id: str | None = None) -> Record:
        """A tombstone."""
        if event_id is None:
            return self._record(self.identities_topic, ref, ref, None)
        return self._record(self.evidence_topic, ref, f"{ref}/{event_id}", None)

    def mark(self, ref: str, *, erased: bool) -> Record:
        """That a reference was erased, or is not any more."""
        return self._record(self.identities_topic, ref, ERASED + ref, IS_ERASED if erased else IS_RENEWED)

    def look(self, look: Look) -> Record:
        """All looks are in one partition: they have an order."""
        return self._record(self.identities_topic, LOOK, LOOK + new_id(), orjson.dumps(look._asdict()))

    def check(self) -> Record:
        """What a wrong secret does not match."""
        return self._record(self.identities_topic, CHECK, CHECK, self._sealing.check)

    def beats(self) -> list[Record]:
        """One for each partition of both topics."""
        return [
            Record(topic, partition, BEAT.encode(), b"beat")
            for topic in (self.identities_topic, self.evidence_topic)
            for partition in range(self._partitions)
        ]

    def _record(self, topic: str, place: str, key: str, value: bytes | None) -> Record:
        return Record(topic, partition_of(place, self._partitions), key.encode(), value)

    def read(self, topic: str, raw: Raw) -> Said | None:
        """What a record says; None for one that says nothing about people, or is damaged. Raises WrongSecretError."""
        try:
            return self._read_words(raw) if topic == self.evidence_topic else self._read_identity(raw)
        except (ValueError, KeyError, TypeError) as error:
            said = "the record at offset %d of %s, under %r, is damaged (%s) and passed over"
            log.error(said, raw.offset, topic, raw.key, error)
            return None

    def _read_words(self, raw: Raw) -> Words | Gone | None:
        if raw.key.startswith(OURS):
            return None
        ref, _slash, event_id = raw.key.partition("/")
        return self._sealing.opened_words(ref, event_id, raw.value) if raw.value else Gone(ref, event_id)

    def _read_identity(self, raw: Raw) -> Said | None:
        if raw.key == CHECK:
            if raw.value != self._sealing.check:
                raise WrongSecretError(
                    "the identities of this ledger were sealed with another secret; use the secret file that belongs "
                    "to it"
                )
            return None
        if raw.key.startswith(ERASED):
            return Mark(raw.key.removeprefix(ERASED), raw.value != IS_RENEWED)
        if raw.key.startswith(LOOK):
            return _look(raw.value)
        if raw.key.startswith(OURS):
            return None
        return self._sealing.identity(raw.key, raw.value) if raw.value else Gone(raw.key)


def _look(value: bytes) -> Look:
    """Raises ValueError, TypeError."""
    look = Look(**orjson.loads(value))
    if not (
        isinstance(look.at, int) and 0 <= look.at < END_OF_TIME and all(isinstance(each, str) for each in look[1:])
    ):
        raise ValueError("it says of nobody who looked")
    return look
