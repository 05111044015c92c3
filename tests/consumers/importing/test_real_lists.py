"""Three days of the public Do Not Call complaints, with the words and wrong numbers that they hold."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.importing.conftest import Desk

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir() and "CI" not in os.environ, reason=f"{DATA} is not on this machine")
@pytest.mark.parametrize(("day", "rows"), [("17", 4_768), ("18", 2_227), ("19", 12_085)])
def test_every_row_of_a_real_list_is_accounted_for_and_once(desk: Desk, day: str, rows: int) -> None:
    path = DATA / f"ftc-dnc-2021-04-{day}.json"
    said: dict[str, Any] = {"defaults": ["action=revoke"], "region": "US", "rejects": desk.folder / "rejects.csv"}
    first = desk.load(path, **said)
    assert first.rows == rows == first.recorded + first.duplicates + first.rejected
    assert len({event.subject for event in desk.events}) == first.recorded == len(desk.events)
    assert first.recorded > 0.85 * rows
    again = desk.load(path, **said)
    assert (again.rows, again.recorded, again.rejected) == (rows, 0, first.rejected)
