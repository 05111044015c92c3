"""What is asked and said about the gateways of a distributed ledger from outside of them."""

from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple

from consumers.adapters.kafka_feed import KafkaFeed, KafkaLedgerEnds
from consumers.bootstrap.opening import secret_of
from consumers.bootstrap.receipts import open_receipts
from consumers.gateway.ports import Place
from consumers.gateway.reading import read
from consumers.gateway.registering import RETIRED, append
from consumers.gateway.roster import SINCE_MS, Process, roster
from consumers.settings import Settings
from ledger.adapters.kafka_append import KafkaAppend
from ledger.broker import Broker
from ledger.reference import References
from projections.statement import Fields
from schemas.errors import InputError
from schemas.events import OPERATOR_GATEWAYS
from schemas.topics import partition_of

POLL_S = 0.2


class Seen(NamedTuple):
    """The gateways as of one moment of the broker's clock, and where the ledger ended."""

    processes: list[Process]
    ends: Mapping[int, int]
    now: int


def gateways(settings: Settings) -> Seen:
    """All processes that are registered and not retired. Raises UnavailableError, NotALedgerError."""
    broker = settings.broker()
    with open_receipts(settings) as receipts, closing(KafkaLedgerEnds(broker)) as ledger:
        now = receipts.now()
        receipts.since(now - SINCE_MS)
        return Seen(roster(_registered(broker), receipts.told()), ledger.ends(), now)


def _registered(broker: Broker) -> list[Fields]:
    """The parts of the state of `operator:gateways`, as the reference table has them."""
    found: dict[int, Fields] = {}
    with closing(KafkaFeed(broker)) as feed:
        place = Place("reference", partition_of(OPERATOR_GATEWAYS, feed.partitions))
        end = feed.ends()[place]
        feed.follow({place: feed.beginnings()[place]})
        while feed.position(place) < end:
            for _place, records in feed.poll(POLL_S):
                said = (read(place, record) for record in records)
                parts = [part for part in said if isinstance(part, dict) and part["subject"] == OPERATOR_GATEWAYS]
                found |= {part["part"]: part for part in parts}
    return list(found.values())


def retire(settings: Settings, name: str, process: str | None = None) -> list[Process]:
    """Records of processes of a gateway that they are gone, and returns them; one that still runs ends by it.

    Raises InputError where there is none, UnavailableError.
    """
    found = [one for one in gateways(settings).processes if one.gateway == name and process in (None, one.process)]
    if not found:
        which = f"no process {process} of the gateway {name}" if process else f"no process of a gateway {name}"
        raise InputError(f"{which} is registered; see prefledger gateway list. Nothing was recorded")
    references = References(secret_of(settings.secret_file, is_new=False))
    with closing(KafkaAppend(settings.broker())) as appender:
        append(appender, references, RETIRED, name, [one.process for one in found], actor="system:cli")
    return found
