"""The tables of a copy with the changes since: what did not change is copied in runs, what did takes its new place."""

from collections.abc import Mapping
from typing import NamedTuple

from consumers.replica import payload
from consumers.replica.build import LENGTH, Builder, TableWriter
from consumers.replica.rows import WIDTHS, as_row
from consumers.replica.table import PREFIX, Table, split


class Change(NamedTuple):
    """A row that takes its place in a table, before the row that stands there now."""

    reference: bytes
    record: bytes
    blob: bytes = b""


def merge(
    tables: Mapping[str, Table], contacts: Mapping[bytes, bytes], accounts: Mapping[bytes, bytes], builder: Builder
) -> None:
    """Writes to `builder` the tables with the changed states, which are payloads by reference."""
    gone: dict[str, set[int]] = {name: set() for name in builder.tables}
    new: dict[str, list[Change]] = {name: [] for name in builder.tables}
    last = None
    for reference in sorted(contacts):
        row = general_row(tables, "general", reference)
        if row >= 0:
            gone["general"].add(row)
        twin = _compact_row(tables, reference)
        is_own = twin is not None and row < 0  # a subject has one row: beside a general one it is a stranger's
        if twin is not None and is_own:
            gone[twin[0]].add(twin[1])
        place = split(reference, builder.bits)
        collides = place == last or (twin is not None and not is_own)
        last = place
        _add(new, builder, reference, contacts[reference], collides)
    for reference in sorted(accounts):
        row = general_row(tables, "accounts", reference)
        if row >= 0:
            gone["accounts"].add(row)
        new["accounts"].append(_blob(reference, accounts[reference]))
    for name, writer in builder.tables.items():
        splice(tables.get(name), gone[name], new[name], writer)


def general_row(tables: Mapping[str, Table], name: str, reference: bytes) -> int:
    """The row of a reference among the states of any shape, told by all of the bytes given; -1 where there is none."""
    table = tables.get(name)
    row = table.find(reference.ljust(PREFIX, b"\0")) if table is not None else -1
    while table is not None and row >= 0:
        if table.blob(row).startswith(reference):
            return row
        row = row + 1 if row + 1 < len(table) and table.keys[row + 1] == table.keys[row] else -1
    return -1


def _compact_row(tables: Mapping[str, Table], reference: bytes) -> tuple[str, int] | None:
    for name in WIDTHS:
        if name in tables and (row := tables[name].find(reference)) >= 0:
            return name, row
    return None


def _add(new: dict[str, list[Change]], builder: Builder, reference: bytes, encoded: bytes, collides: bool) -> None:
    stands = payload.contact(encoded)
    several = payload.parts_of(encoded) is not None
    row = None if collides or several else as_row(stands, builder.shapes)
    if row is not None:
        new[row.table].append(Change(reference, row.record))
    else:
        new["general"].append(_blob(reference, encoded))


def _blob(reference: bytes, encoded: bytes) -> Change:
    return Change(reference, (16 + len(encoded)).to_bytes(LENGTH, "little"), reference + encoded)


def splice(table: Table | None, gone: set[int], new: list[Change], writer: TableWriter) -> None:
    """Writes the rows of a table but those that are gone, and the new ones in their places."""
    if table is None:
        for each in new:
            writer.append(*each)
        return
    writer.counts += table.starts[1:].astype("int64") - table.starts[:-1]
    steps: list[tuple[int, int, Change | None]] = [(table.place(change.reference), 0, change) for change in new]
    steps += [(row, 1, None) for row in gone]
    copied = 0
    for place, _, change in sorted(steps, key=lambda step: step[:2]):  # before the row, then the row itself
        writer.copy(table, copied, place)
        copied = place
        if change is not None:
            writer.append(*change)
        else:
            writer.counts[table.bucket(place)] -= 1
            copied += 1
    writer.copy(table, copied, len(table))
