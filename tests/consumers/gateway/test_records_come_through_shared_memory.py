"""What is put into a ring is taken from it: each record once, in order, whole; without room it is refused."""

import os
import threading
from collections import deque
from random import Random

import pytest

from consumers.gateway.ring import HEAD, ONCE_ROUND, PREFIX, REFUSED, TAIL, Ring
from ledger.errors import UnavailableError


@pytest.mark.parametrize("seed", range(30))
def test_a_ring_is_a_queue(seed: int) -> None:
    rng = Random(seed)
    ring, queue, refused = Ring(rng.choice([64, 100, 1_000])), deque[bytes](), 0
    for _ in range(2_000):
        if rng.random() < 0.75:
            record = rng.randbytes(rng.choice([0, 1, 7, 20, 45]))
            room = ring.size - (ring.counts[HEAD] - ring.counts[TAIL])
            if ring.put(record):
                queue.append(record)
            else:
                refused += 1
                assert room < 2 * (PREFIX.size + len(record)) + 45, "it could have been taken"
        else:
            some = rng.randrange(1, 5)
            found = ring.waiting(some)
            assert found == list(queue)[:some]
            done = rng.randrange(len(found) + 1)
            if done:
                ring.taken(done)
            for _ in range(done):
                queue.popleft()
        assert ring.is_empty == (not queue)
    assert ring.counts[REFUSED] == refused > 0


def test_one_that_never_fits_is_refused_and_the_others_are_not() -> None:
    ring = Ring(64)
    assert not ring.put(b"x" * 60)
    assert ring.put(b"small")
    assert ring.waiting(9) == [b"small"]


def test_what_keeps_up_uses_no_more_than_the_beginning() -> None:
    ring, record = Ring(8 * ONCE_ROUND), b"x" * 1_000
    for _ in range(20_000):
        assert ring.put(record)
        assert ring.waiting(5) == [record]
        ring.taken(1)
    beyond = ring._records[ONCE_ROUND + 2 * len(record) :]
    assert beyond == bytes(len(beyond))


def test_what_an_earlier_round_left_is_not_taken_for_new() -> None:
    ring = Ring(100)
    for _ in range(50):
        assert ring.put(b"a record")
        ring.waiting(1)
        ring.taken(1)
    # As a processor may show it whose stores come in another order: the count first, and the record not yet.
    ring.counts[HEAD] += 16
    assert ring.waiting(9) == []


def test_threads_put_while_another_process_takes() -> None:
    ring, each = Ring(4_096), 20_000
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        taken = Ring(ring.size, ring.descriptor)
        with open(writing, "wb") as out:
            left = 2 * each
            while left:
                found = taken.waiting(100)
                if found:
                    taken.taken(len(found))
                    out.writelines(found)
                    left -= len(found)
        os._exit(0)
    os.close(writing)

    def put(first: bytes) -> None:
        for number in range(each):
            while not ring.put(first + b"%08d" % number):
                pass

    threads = [threading.Thread(target=put, args=(first,)) for first in (b"a", b"b")]
    for thread in threads:
        thread.start()
    with open(reading, "rb") as came:
        said = came.read()
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    records = [said[at : at + 9] for at in range(0, len(said), 9)]
    for first in (b"a", b"b"):
        own = [record for record in records if record[:1] == first]
        assert own == [first + b"%08d" % number for number in range(each)]


def test_a_system_without_such_memory_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(UnavailableError, match="--no-log-decisions"):
        Ring(1_000)
