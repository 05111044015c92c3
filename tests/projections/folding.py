"""Folds generated histories with the product's own folds, the way a store does, and asks the product's resolver."""

from collections.abc import Iterable, Mapping

from ledger.log import Recorded
from projections.adapters.memory_view import MemoryView
from projections.catch_up import fold_batch
from projections.question import Coverage, Question
from projections.reading import read
from projections.resolve import resolve
from projections.view import Histories, View
from schemas.decision import Verdict
from schemas.encoding import encode
from tests.reference_model import Fact, Message


def recorded(fact: Fact) -> Recorded:
    """The fact as a log holds it."""
    return Recorded(fact.position, fact.recorded_at, fact.event.subject, encode(fact.event))


def view_of(facts: Iterable[Fact], known: Mapping[int, int] | None = None, batch: int = 7) -> MemoryView:
    """The states that the facts fold to, in the order given, in small batches as a store is written."""
    store = MemoryView()
    facts = [fact for fact in facts if known is None or fact.position.offset < known[fact.position.partition]]
    for start in range(0, len(facts), batch):
        pairs = [(entry, read(entry.value)) for entry in map(recorded, facts[start : start + batch])]
        states = store.parts_of_many(sorted({pair[0].key for pair in pairs}))
        seen = dict(store.watermark())
        reached = dict(seen)
        for entry, _ in pairs:
            partition, offset = entry.position
            reached[partition] = max(offset + 1, reached.get(partition, 0))
        assert store.write(fold_batch(pairs, states), [], seen, reached)
    return store


def asked(view: View, message: Message, histories: Histories | None = None) -> Verdict:
    """What the resolver says of a message."""
    histories = histories or Histories(view)
    contact = histories.contact(message.contact)
    policy = histories.reference.policy(message.at)
    question = Question(
        policy,
        message.at,
        Coverage(message.brand, message.channel, message.purpose),
        message.channel,
        message.purpose,
        message.sender,
        message.jurisdiction,
    )
    return resolve(contact, histories.accounts_of(contact), histories.reference, question)
