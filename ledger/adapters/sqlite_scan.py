"""All rows of a log in a file as they are, whatever somebody has done to them: for who checks the log.

Nothing here trusts an offset or a text: a key that is no text any more is given as what can be read of it, whose hash
is another one. Where the file is damaged so that rows cannot be found, the scan ends and says where.
"""

import sqlite3
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ledger.adapters.sqlite_file import SqliteFile
from ledger.errors import NotALedgerError
from ledger.log import Scanned

CHUNK = 512  # rows read in one moment; more of them do not stay in a processor's cache until they are hashed
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
ROWS = "SELECT offset, recorded_at, key, value, NULL FROM log WHERE offset > ? AND offset < ? ORDER BY offset LIMIT ?"
RAW = ROWS.replace("key, value", "CAST(key AS BLOB), CAST(value AS BLOB)")


def scan(file: SqliteFile, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
    """The rows in the order of their offsets, below `end`; without a start also those below 0.

    Raises NotALedgerError where it cannot go on.
    """
    last, limit = start - 1 if start > 0 else LOWEST, HIGHEST if end is None else end
    return chain.from_iterable(_chunks(file, last, limit))  # no frame of a generator is entered for a row


def _chunks(file: SqliteFile, last: int, limit: int) -> Iterator[list[Any]]:
    while rows := _some(file, last, limit):
        yield rows
        last = rows[-1][0]


def _some(file: SqliteFile, last: int, limit: int) -> list[Any]:
    try:
        return file.rows(ROWS, (last, limit, CHUNK))
    except (sqlite3.Error, NotALedgerError):
        return _one(file, last, limit)


def _one(file: SqliteFile, last: int, limit: int) -> list[Any]:
    """The next row alone, so that what is wrong is found exactly where it is."""
    try:
        rows = file.rows(RAW, (last, limit, 1))
    except (sqlite3.Error, NotALedgerError) as error:
        where = "at its beginning" if last == LOWEST else f"after offset {last}"
        raise NotALedgerError(f"{file.path} is damaged {where} ({error})") from error
    return [(offset, at, key.decode("utf-8", "replace"), value, None) for offset, at, key, value, _was in rows]
