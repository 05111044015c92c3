"""However many records a gateway cannot read and however large they are: each is set aside, and memory is bounded."""

from typing import NoReturn

from consumers.gateway.ports import Place, Ports
from consumers.gateway.reading import Unreadable
from consumers.gateway.rejecting import MOST_WITH_VALUES, Rejecting
from ledger.adapters.kafka_client import MAX_MESSAGE
from ledger.errors import UnavailableError
from schemas.distributed import LARGEST_COPY, LONGEST_KEY, RejectedEntry
from tests.consumers.gateway.test_what_cannot_be_read_denies import Written

BY_NUMBER = Place("by-number", 0)
READ = Unreadable("f" * 32, "it is no part of a state", None)


class Aside:
    """A rejected topic in memory."""

    def __init__(self) -> None:
        self.entries: list[RejectedEntry] = []

    def reject(self, entry: RejectedEntry) -> None:
        self.entries.append(entry)

    def close(self) -> None:
        pass


def away() -> NoReturn:
    raise UnavailableError("the broker is away")


def test_whatever_is_set_aside_fits_into_a_record() -> None:
    # Control characters take six bytes each in JSON.
    entry = RejectedEntry.of("t" * 249, 99_999, 1 << 62, "\0" * 10**6, b"\0" * 10**6, b"\xff" * LARGEST_COPY)
    assert entry.value is not None
    assert LONGEST_KEY + len(entry.model_dump_json()) < MAX_MESSAGE - 100_000
    assert RejectedEntry.of("t", 0, 0, "", None, b"\xff" * (LARGEST_COPY + 1)).value is None


def test_of_many_that_wait_all_are_set_aside_and_few_with_their_values() -> None:
    aside = Aside()
    rejecting = Rejecting(Ports(away, away, away, away, rejected=lambda: aside), lambda _said: None)
    for offset in range(200):
        rejecting.put(BY_NUMBER, Written(b"f" * 32, b"?" * LARGEST_COPY, offset), READ)
    rejecting.stop()
    rejecting.run()
    assert [entry.offset for entry in aside.entries] == list(range(200))
    assert [entry.offset for entry in aside.entries if entry.value] == list(range(MOST_WITH_VALUES))
