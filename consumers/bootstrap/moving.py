"""Moving a ledger to topics of Kafka: from the file or the topics that the settings name."""

from collections.abc import Callable
from contextlib import closing

from consumers.bootstrap.distributed import open_distributed
from consumers.bootstrap.embedded import moved_mark, open_embedded
from consumers.bootstrap.opening import make_folder
from consumers.move import Moved, move_log, move_people
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.kafka_move import TIMES, KafkaMove
from ledger.adapters.kafka_people import KafkaPeople
from ledger.adapters.kafka_topics import Described, KafkaTopics, drift
from ledger.broker import Broker
from ledger.errors import NotALedgerError, RefusedError


def move(settings: Settings, to: Settings, progress: Callable[[int], None]) -> Moved:
    """Moves the ledger of `settings` to the topics of `to`, which exist and hold nothing else.

    Raises RefusedError where they hold something else or somebody writes, NotALedgerError where they are missing,
    UnavailableError: run it again then.
    """
    broker = to.broker()
    there = _there(broker)
    if settings.distributed and settings.broker().topics.ledger == broker.topics.ledger:
        raise RefusedError(f"{broker.topics.ledger} cannot be moved to itself; name another version with --to-version")
    make_folder(to.home)
    with _source(settings) as ledger, closing(KafkaMove(broker, there)) as target:
        people = _moved_people(ledger, to, broker, there)
        entries = move_log(ledger.log, target, lambda: _shut(settings, to.ledger_url), progress)
    return Moved(entries, *people)


def _source(settings: Settings) -> Ledger:
    if settings.distributed:
        return open_distributed(settings)
    if not settings.ledger_path.exists():
        raise NotALedgerError(f"there is no ledger at {settings.ledger_path} to be moved")
    return open_embedded(settings, even_if_moved=True)


def _shut(settings: Settings, url: str) -> None:
    """Nobody shall record in what nobody reads any more."""
    if not settings.distributed:
        moved_mark(settings.ledger_path).write_text(f"{url}\n")


def _there(broker: Broker) -> dict[str, Described]:
    """The target's topics, right in all but the times that it takes."""
    with closing(KafkaTopics(broker)) as topics:
        there = topics.describe()
    for said in drift(broker, there):
        if TIMES not in said:
            raise NotALedgerError(f"{said}; make the topics first: prefledger topics create --empty")
    return there


def _moved_people(
    ledger: Ledger, to: Settings, broker: Broker, there: dict[str, Described]
) -> tuple[int, int, int, int]:
    if isinstance(ledger.people, KafkaPeople) and to.people_mirror_path == ledger.settings.people_mirror_path:
        return 0, 0, 0, 0  # their topics have no versions: they stay where they are
    identities, evidence = there[broker.topics.identities], there[broker.topics.evidence]
    key = ledger.references.derived_key("people")
    ids = (identities.topic_id, evidence.topic_id)
    with closing(KafkaPeople(broker, to.people_mirror_path, key, identities.partitions, ids)) as target:
        target.begin()
        return move_people(ledger.log, ledger.people, target)
