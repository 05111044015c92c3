"""Adding what the erasable topics say to a mirror, in their order. Adding it again changes nothing."""

from ledger.adapters.kafka_mirror import Fetched
from ledger.adapters.people_mirror import Look, PeopleMirror
from ledger.adapters.people_topics import Gone, Mark, PeopleTopics, Said
from ledger.people import Identity, Words

LeftOver = set[tuple[str, str | None]]
"""References (and events) of which something came although they were erased."""


def read_into(mirror: PeopleMirror, topics: PeopleTopics, topic_id: str, topic: str, part: Fetched) -> LeftOver:
    """Adds one partition's records and notes how far it was read. Raises WrongSecretError."""
    batch = Batch(mirror)
    for raw in part.records:
        batch.add(topics.read(topic, raw))
    batch.flush()
    mirror.reach(topic_id, {part.partition: part.end}, batch.looks)
    return batch.left_over


class Batch:
    """Gathers what is kept, and adds it before anything is removed."""

    def __init__(self, mirror: PeopleMirror) -> None:
        self._mirror = mirror
        self._identities: list[Identity] = []
        self._words: list[Words] = []
        self.looks: list[Look] = []
        self.left_over: LeftOver = set()

    def add(self, said: Said | None) -> None:
        """Adds what one record says."""
        match said:
            case Identity():
                self._identities.append(said)
            case Words():
                self._words.append(said)
            case Look():
                self.looks.append(said)
            case Gone() | Mark():
                self.flush()
                _remove(self._mirror, said)

    def flush(self) -> None:
        """Stores what was gathered, but for looks."""
        refs = {identity.ref for identity in self._identities} | {words.ref for words in self._words}
        if not refs:
            return
        erased = self._mirror.erased(refs)
        self.left_over.update((identity.ref, None) for identity in self._identities if identity.ref in erased)
        self.left_over.update((words.ref, words.event_id) for words in self._words if words.ref in erased)
        self._mirror.keep(self._identities, self._words)
        self._identities, self._words = [], []


def _remove(mirror: PeopleMirror, removed: Gone | Mark) -> None:
    match removed:
        case Mark(ref, erased):
            mirror.mark_erased(ref) if erased else mirror.renew(ref)
        case Gone(ref, None):
            if mirror.known([ref]):
                mirror.forget(ref)
        case Gone(ref, str(event_id)):
            mirror.remove_words(ref, event_id)
