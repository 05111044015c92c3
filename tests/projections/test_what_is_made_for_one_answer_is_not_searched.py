import gc
import weakref
from collections.abc import Iterator

import pytest

from projections.collecting import unsearched


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def only_this_test_collects() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_was_made_is_among_the_old_objects_and_no_search_follows() -> None:
    with unsearched():
        kept = [[] for _ in range(10_000)]
    assert gc.isenabled()
    assert any(one is kept[0] for one in gc.get_objects(generation=2))
    assert gc.get_count()[0] < 1_000


def test_circles_that_were_left_are_found_by_the_next_search_of_everything() -> None:
    with unsearched():
        left = weakref.ref(Circle())
    assert left() is not None
    gc.collect()
    assert left() is None


def test_what_somebody_else_froze_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with unsearched():
        kept = [[] for _ in range(10)]
    assert gc.get_freeze_count() == frozen
    assert any(one is kept[0] for one in gc.get_objects())


def test_who_had_the_collector_off_has_it_off_afterwards() -> None:
    gc.disable()
    with unsearched():
        pass
    assert not gc.isenabled()


def test_an_error_passes_and_the_collector_is_on_again() -> None:
    with pytest.raises(LookupError), unsearched():
        raise LookupError("what was asked for")
    assert gc.isenabled()
