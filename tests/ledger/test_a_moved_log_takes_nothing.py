"""A log in a file that was moved: no process appends to it, however many of its callers wait at once."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.errors import NotALedgerError
from tests.contracts.log import entry

CALLERS = 5


@pytest.mark.parametrize("name", ["ledger.db", "another name for it"])
def test_all_who_wait_together_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ledger.db"
    with closing(SqliteLog(path)) as moved:
        (tmp_path / "another name for it").symlink_to(path)
        with closing(SqliteLog(tmp_path / name)) as still_open:
            moved.shut("kafka://broker:9092")

            async def appended() -> list[object]:
                calls = [still_open.append_async([entry()]) for _ in range(CALLERS)]
                return list(await asyncio.gather(*calls, return_exceptions=True))

            answers = asyncio.run(appended())
            assert [type(answer) for answer in answers] == [NotALedgerError] * CALLERS
            assert moved.ends() == {0: 0}
