"""kafka-python's buffer has no bound, so there is one before it."""

import threading

import pytest

from ledger.adapters.kafka_room import OVERHEAD, Room
from ledger.errors import UnavailableError
from tests.contracts.log import entry


def test_who_finds_no_room_in_time_is_told_that_nothing_was_acknowledged() -> None:
    room = Room(0.01, max_bytes=10 * OVERHEAD, max_entries=100)
    room.take([entry(value=b"x" * 8 * OVERHEAD)])
    with pytest.raises(UnavailableError, match="nothing of this was acknowledged"):
        room.take([entry(), entry()])


def test_so_many_entries_and_no_more_may_be_under_way() -> None:
    room = Room(0, max_entries=3)
    room.take([entry(), entry(), entry()])
    with pytest.raises(UnavailableError):
        room.take([entry()], wait=False)


def test_room_that_is_given_back_lets_the_next_one_in() -> None:
    room = Room(60, max_entries=1)
    taken = room.take([entry()])
    let_in = threading.Event()

    def next_one() -> None:
        room.take([entry()])
        let_in.set()

    thread = threading.Thread(target=next_one)
    thread.start()
    assert not let_in.wait(0.05)
    room.give(taken)
    thread.join(60)
    assert let_in.is_set()


def test_a_call_larger_than_all_the_room_goes_alone() -> None:
    room = Room(0, max_bytes=1)
    taken = room.take([entry(value=b"x" * 1_000)])
    with pytest.raises(UnavailableError):
        room.take([entry()])
    room.give(taken)
    room.take([entry()])
