"""What a copy held when it was last loaded or merged: tables in a mapped file that never change."""

import os
import tempfile
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from consumers.replica import payload
from consumers.replica.build import Builder, tables_of
from consumers.replica.load import Operator, load
from consumers.replica.merge import general_row, merge
from consumers.replica.rows import CONTACTS, WIDTHS, Shape, Shapes
from consumers.replica.snapshot import explained, read, replacing, write
from consumers.replica.table import BITS, KEY_MASK, PREFIX
from projections.history import NO_CONTACT, Contact

Watermark = dict[int, int]


class Said(NamedTuple):
    """What goes into a file beside the tables. `notes` are the caller's: topics, their versions and positions."""

    watermark: Watermark
    operator: Operator
    fingerprint: str
    policy: str
    notes: dict[str, Any]


class Base:
    """Contacts and accounts of a file."""

    def __init__(self, file: BinaryIO, name: str, check: bool = True) -> None:
        """Maps a file that `save` or `anonymous` has written. Raises SnapshotError."""
        image = read(file, name, check)
        self.descriptor = os.dup(file.fileno())
        """Of the file, for a process of our own that maps it too; it stays open as long as this object lives."""
        weakref.finalize(self, os.close, self.descriptor)
        meta = image.meta
        self.bits: int = meta["bits"]
        self.shapes: list[Shape] = [(revokes, tuple(scope), basis) for revokes, scope, basis in meta["shapes"]]
        self.said = Said(
            {int(partition): offset for partition, offset in meta["watermark"].items()},
            meta["operator"], meta["fingerprint"], meta["policy"], meta["notes"],
        )  # fmt: skip
        self.tables = tables_of(image.sections, self.bits)
        self.digits = (self.bits + 64) // 4
        self.size = sum(len(section) for section in image.sections.values())
        self._general = "general" in self.tables
        compact = [(self.tables[name], CONTACTS[name]) for name in WIDTHS if name in self.tables]
        self._compact = [(*table.views, table.records, contact_of) for table, contact_of in compact]

    @classmethod
    def anonymous(cls, builder: Builder, said: Said) -> Self:
        """Maps what was built in a file that has no name and goes with the process."""
        with explained(None), tempfile.TemporaryFile() as file:
            write(file, _meta(builder, said), builder.sections())
            return cls(file, "the copy", check=False)

    @classmethod
    def saved(cls, path: Path, builder: Builder, said: Said) -> Self:
        """Writes what was built to a file, in one step, and maps it."""
        with replacing(path) as file:
            write(file, _meta(builder, said), builder.sections())
        with path.open("rb") as written:
            return cls(written, str(path), check=False)

    def contact(self, reference: bytes) -> Contact:
        """What stands of a contact."""
        if self._general:
            row = general_row(self.tables, "general", reference)
            if row >= 0:
                return payload.contact(self.tables["general"].blob(row)[16:])
        # `Table.find`, written out: of what a decision costs, calls are the most.
        whole, bits = int.from_bytes(reference[:PREFIX], "big"), self.bits
        bucket, key = whole >> (96 - bits), (whole >> (32 - bits)) & KEY_MASK
        for starts, keys, records, contact_of in self._compact:
            end = starts[bucket + 1]
            row = bisect_left(keys, key, starts[bucket], end)
            if row < end and keys[row] == key:
                return contact_of(records, row, self.shapes)
        return NO_CONTACT

    def is_general(self, reference: bytes) -> bool:
        """Whether a contact is kept in the form that fits any shape."""
        return self._general and general_row(self.tables, "general", reference) >= 0

    def knows(self, reference: bytes) -> bool:
        """Whether there is a row of a contact."""
        found = (self.tables[name].find(reference) >= 0 for name in WIDTHS if name in self.tables)
        return self.is_general(reference) or any(found)

    def blob(self, table: str, reference: bytes) -> bytes | None:
        """The payload of a subject of `general` or `accounts`; `reference` may be the first 10 bytes of an account."""
        row = general_row(self.tables, table, reference)
        return self.tables[table].blob(row)[16:] if row >= 0 else None

    def contacts(self) -> Iterator[tuple[str, Contact]]:
        """Every contact, with the digits of its reference that are known: all, or the first `digits`."""
        for name, table in self.tables.items():
            if name in CONTACTS:
                for row in range(len(table)):
                    yield table.prefix(row), CONTACTS[name](table.records, row, self.shapes)
        if self._general:
            general = self.tables["general"]
            for row in range(len(general)):
                blob = general.blob(row)
                yield blob[:16].hex(), payload.contact(blob[16:])


@contextmanager
def built(parts: Iterable[tuple[str, bytes]], bits: int = BITS) -> Iterator[tuple[Builder, Operator]]:
    """The tables of a store's parts, ordered by key, and the operator's subjects."""
    with explained(None), Builder(None, bits) as builder:
        yield builder, load(parts, builder)


@contextmanager
def merged(
    base: Base, contacts: Mapping[bytes, bytes], accounts: Mapping[bytes, bytes], folder: Path | None
) -> Iterator[Builder]:
    """The tables of a base with what has changed since."""
    with explained(folder), Builder(folder, base.bits, Shapes(list(base.shapes))) as builder:
        merge(base.tables, contacts, accounts, builder)
        yield builder


def _meta(builder: Builder, said: Said) -> dict[str, object]:
    return said._asdict() | {
        "watermark": {str(partition): offset for partition, offset in said.watermark.items()},
        "bits": builder.bits,
        "shapes": builder.shapes.known,
    }
