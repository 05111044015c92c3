"""Moving a ledger to topics of Kafka: from the file or the topics that the settings name."""

from collections.abc import Callable
from contextlib import closing

from consumers.bootstrap.distributed import open_distributed
from consumers.bootstrap.embedded import open_embedded
from consumers.bootstrap.opening import make_folder
from consumers.gateway.registering import RETIRED, entry
from consumers.gateway.roster import roster
from consumers.move import Moved, move_log, move_people
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.kafka_move import TIMES, KafkaMove
from ledger.adapters.kafka_people import KafkaPeople
from ledger.adapters.kafka_topics import Described, KafkaTopics, drift
from ledger.adapters.sqlite_log import SqliteLog
from ledger.broker import Broker
from ledger.errors import NotALedgerError, RefusedError
from ledger.log import Log
from projections.log_view import LogView
from schemas.events import OPERATOR_GATEWAYS


def move(settings: Settings, to: Settings, progress: Callable[[int], None]) -> Moved:
    """Moves the ledger of `settings` to the topics of `to`, which exist and hold nothing else.

    Raises RefusedError where they hold something else or somebody writes, NotALedgerError where they are missing,
    UnavailableError: run it again then.
    """
    broker = to.broker()
    if settings.distributed and broker.topics.version != settings.topics_version + 1:
        raise RefusedError(
            f"a ledger moves from version {settings.topics_version} of its topics to the next, not to "
            f"{broker.topics.version}: receipts of gateways go on to say in which version they counted; give "
            f"--to-version {settings.topics_version + 1}"
        )
    there = _there(broker)
    make_folder(to.home)
    with _source(settings) as ledger, closing(KafkaMove(broker, there)) as target:
        people = _moved_people(ledger, to, broker, there)
        entries = move_log(ledger.log, target, lambda: _shut(ledger, to.ledger_url), progress)
    return Moved(entries, *people)


def _source(settings: Settings) -> Ledger:
    if settings.distributed:
        return open_distributed(settings, even_if_moved=True)
    if not settings.ledger_path.exists():
        raise NotALedgerError(f"there is no ledger at {settings.ledger_path} to be moved")
    return open_embedded(settings, even_if_moved=True)


def _shut(ledger: Ledger, url: str) -> None:
    """Nobody records in what nobody reads any more, and nobody answers from it."""
    if isinstance(ledger.log, SqliteLog):
        ledger.log.shut(url)
        return
    with closing(KafkaTopics(ledger.settings.broker())) as topics:
        topics.shut()
        while running := _running(ledger.log):  # also who was registered meanwhile
            topics.reopen()
            ledger.log.append([entry(ledger.references, RETIRED, *one, actor="system:move") for one in running])
            topics.shut()


def _running(log: Log) -> list[tuple[str, str]]:
    """The processes of gateways that nobody has retired, each with its gateway's name."""
    return [(one.gateway, one.process) for one in roster(LogView(log).parts(OPERATOR_GATEWAYS), ())]


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
