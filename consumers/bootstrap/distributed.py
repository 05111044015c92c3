"""The ledger on Kafka: what it is made of on this machine, and how it begins."""

import math
from contextlib import ExitStack, closing
from dataclasses import replace

from consumers.bootstrap.checked_topics import checked_topics
from consumers.bootstrap.opening import begin, check_opening, default_policy, make_folder, secret_of
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_people import KafkaPeople
from ledger.adapters.kafka_topics import Described, KafkaTopics, Layout, drift, staleness_limit_s
from ledger.broker import Broker
from ledger.errors import NotALedgerError
from ledger.record import Recorder
from ledger.reference import References
from projections.adapters.sql_view import SqlView
from projections.log_view import LogView
from projections.past import PastOfView
from projections.reading import read
from projections.view import Store
from schemas.encoding import UnreadableEvent
from schemas.events import OPERATOR_LEDGER, OPERATOR_POLICY
from schemas.topics import partition_of

__all__ = ["Layout", "described", "make_topics", "open_distributed"]

LEAST_AWAY = 3_600.0
PAST_PATIENCE = 1.0
"""Seconds that an opt-out waits for what this machine must still read; then it is recorded as it was given."""


def open_distributed(settings: Settings, even_if_moved: bool = False) -> Ledger:
    """Opens the ledger on Kafka, once its topics have been found right; one that was moved only if that is wanted.

    Raises NotALedgerError where they are missing, wrong or empty, WrongSecretError, UnavailableError, InputError.
    """
    broker = settings.broker()
    make_folder(settings.home)
    there = checked_topics(broker, even_if_moved)
    secret = secret_of(settings.secret_file, is_new=False)
    ledger = _assembled(settings, broker, there, References(secret))
    try:
        _check(ledger)
    except BaseException:
        ledger.open_objects.close()
        raise
    return ledger


def make_topics(settings: Settings, layout: Layout, empty: bool = False) -> list[str]:
    """Makes the topics that are missing and, unless they are to stay `empty`, the secret and the first events.

    Returns the names of the topics that were made. May be repeated. Raises RefusedError where the cluster is too small,
    WrongSecretError where another secret was first, NotALedgerError, UnavailableError.
    """
    broker = settings.broker()
    make_folder(settings.home)
    if not empty:  # the first policy is in force at once, and the tables have to bear it
        least = math.ceil(default_policy().lease_s)
        layout = replace(layout, max_staleness=max(layout.max_staleness, least))
    with closing(KafkaTopics(broker)) as topics:
        made = topics.create(layout)
        there = topics.check()
    if empty:
        return made
    with closing(_log(settings, broker, there)) as log:
        is_new = not any(log.ends().values())
    with _assembled(settings, broker, there, References(secret_of(settings.secret_file, is_new))) as ledger:
        if not is_new:
            _check(ledger)
        # Also where an earlier run was killed between the first event and the second.
        if not ledger.view().parts(OPERATOR_POLICY):
            begin(ledger.log, ledger.recorder, ledger.references)
            _check(ledger)
        _people(ledger).begin()
    return made


def described(broker: Broker) -> tuple[list[Described], list[str]]:
    """The topics as they are, and what a ledger cannot work with, one sentence each. Raises UnavailableError."""
    with closing(KafkaTopics(broker)) as topics:
        there = topics.describe()
    return list(there.values()), list(drift(broker, there))


def _assembled(settings: Settings, broker: Broker, there: dict[str, Described], references: References) -> Ledger:
    with ExitStack() as stack:
        log = _log(settings, broker, there)
        stack.callback(log.close)
        identities, evidence = there[broker.topics.identities], there[broker.topics.evidence]
        people = KafkaPeople(
            broker, settings.people_mirror_path, references.derived_key("people"), identities.partitions,
            (identities.topic_id, evidence.topic_id), settings.kafka_timeout_s, _forgets_after(identities, evidence),
        )  # fmt: skip
        stack.callback(people.close)
        recorder = Recorder(log, people, references, PastOfView(lambda: LogView(log.within(PAST_PATIENCE))))
        open_objects = stack.pop_all()

    def open_store() -> Store:
        store = SqlView(settings.projections_url)
        open_objects.callback(store.close)
        return store

    limit = staleness_limit_s(broker, there)
    return Ledger(settings, log, people, references, recorder, open_store, open_objects, staleness_limit_s=limit)


def open_log(settings: Settings) -> KafkaLog:
    """The log without its secret: for what can be read by reference only. Raises NotALedgerError, UnavailableError."""
    broker = settings.broker()
    make_folder(settings.home)
    return _log(settings, broker, checked_topics(broker))


def _forgets_after(*topics: Described) -> float:
    """Seconds after which a mirror may have missed a tombstone: half of the time for which the topics keep them."""
    kept = min(float(topic.settings.get("delete.retention.ms", 0)) for topic in topics)
    return max(LEAST_AWAY, kept / 2_000)


def _log(settings: Settings, broker: Broker, there: dict[str, Described]) -> KafkaLog:
    topic = there[broker.topics.ledger]
    return KafkaLog(broker, settings.mirror_path, topic.partitions, topic.topic_id, settings.kafka_timeout_s)


def _check(ledger: Ledger) -> None:
    """Whether the ledger begins as one of this secret. Reads no more than that: the log may be long."""
    log = ledger.log
    if not isinstance(log, KafkaLog):
        raise TypeError("a distributed ledger has a log on Kafka")
    first = log.first_of(partition_of(OPERATOR_LEDGER, log.partitions))
    if first is None:
        raise NotALedgerError(
            f"the topic {ledger.settings.broker().topics.ledger} holds no ledger yet: run prefledger topics create, or "
            "prefledger move to fill it from another"
        )
    try:
        check_opening(read(first.value), ledger.references)
    except UnreadableEvent as error:
        raise NotALedgerError(f"the first entry of {first.key} is {error}; it is not a preference ledger") from error


def _people(ledger: Ledger) -> KafkaPeople:
    if not isinstance(ledger.people, KafkaPeople):
        raise TypeError("a distributed ledger has its people on Kafka")
    return ledger.people
