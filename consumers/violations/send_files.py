"""A gateway's own log of what it sent: CSV, JSON Lines or Parquet, read as an import reads its lists.

Columns that are not asked for are passed over: what a gateway logs besides changes nothing here. A row has to say to
whom, when and what; one that does not is rejected with its line and the reason, and the others are looked at.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from consumers.children import children
from consumers.importing.options import pairs
from consumers.importing.readers import Row, reader
from consumers.importing.rejects import Rejects
from consumers.importing.source import opened
from consumers.violations.send_rows import ABOUT, FIELDS, Rejected, Rows, SendOptions, elsewhere, packed
from consumers.violations.sends import Sends
from ledger.reference import References
from schemas.errors import InputError, shown

NEEDED: Final = ("sent_at", "channel", "purpose")
BATCH: Final = 8_192
LARGE: Final = 32 << 20
"""Bytes of a file from which on it is worth starting processes, each of which is given the noes."""
Batch = Sequence[Row]


def send_options(maps: Sequence[str], defaults: Sequence[str], **others: object) -> SendOptions:
    """From the texts of the command line, `field=column` and `field=value`. Raises InputError."""
    columns, values = pairs("--map", maps, "field=column"), pairs("--default", defaults, "field=value")
    for name in (*columns, *values):
        if name not in FIELDS:
            raise InputError(f"{shown(name)} is no field of a send; the fields are {', '.join(FIELDS)}")
    return SendOptions(columns=columns, defaults=values, **others)  # type: ignore[arg-type]


class Taken(NamedTuple):
    """How many rows a file had, how many could not be understood, and where those are."""

    rows: int
    rejected: int
    rejects_file: Path | None


def take_file(
    sends: Sends, source: Path, references: References, options: SendOptions, processes: int | None = None
) -> Taken:
    """Adds the sends of a file. `processes`: how many others to use (by default one a core, for a large file).

    Raises InputError for a file or a mapping that cannot be meant, UnavailableError where one of them is killed.
    """
    file = opened(source)
    found = reader(file, header=True)
    places = _places(found.columns, options)
    if processes is None:
        processes = (os.cpu_count() or 1) if file.size >= LARGE else 0
    sends.file, count = source.name, 0
    target = options.rejects or source.with_name(f"{source.name}.rejects.csv")
    if target.resolve() == source.resolve():
        raise InputError("the rejects file is the file of sends; name another with --rejects")
    with Rejects(target, found.columns) as rejects:
        reading = found.rows()
        batches = iter(lambda: list(islice(reading, BATCH)), [])
        for batch, rejected in _taken(Rows(sends, references, options, places), batches, processes):
            count += len(batch)
            for place, reason in rejected:
                rejects.add(batch[place], reason)
        file.must_be_unchanged("nothing was said about it")
    return Taken(count, rejects.count, target if rejects.count else None)


def _taken(rows: Rows, batches: Iterable[Batch], processes: int) -> Iterator[tuple[Batch, Rejected]]:
    """Each batch once its sends are added, and what of it was rejected: in order, whoever has read it."""
    if not processes or rows.sends.is_of_anybody:  # who gets a place as he comes gets it in one process
        for batch in batches:
            yield batch, rows.take(batch)
        return
    away: deque[Batch] = deque()

    def given() -> Iterator[bytes]:
        for batch in batches:
            away.append(batch)
            yield packed(batch)

    with children(partial(elsewhere, rows), processes) as pool, closing(pool.map(given())) as made:
        for part, rejected in made:
            rows.sends.join(part)
            yield away.popleft(), rejected


def _places(columns: Sequence[str], options: SendOptions) -> dict[str, int]:
    """Where each field stands. Raises InputError."""
    places = {name: columns.index(name) for name in FIELDS if name in columns}
    for name, column in options.columns.items():
        if column not in columns:
            raise InputError(f"there is no column {shown(column)}; the file has {', '.join(columns[:20])}")
        places[name] = columns.index(column)
    said = {*places, *options.defaults}
    for what, names in (("whom it went to", ABOUT), *((name, (name,)) for name in NEEDED)):
        if not said.intersection(names):
            raise InputError(
                f"no column says {what}; the file has {', '.join(columns[:20])}. Say --map {names[0]}=COLUMN"
                + ("" if names == ABOUT else f", or --default {names[0]}=VALUE")
            )
    return places
