"""Tables written row by row, in the order of the references, into files: memory does not grow with their number."""

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, Self

import numpy as np

from consumers.replica import payload
from consumers.replica.rows import WIDTHS, Shapes, as_row
from consumers.replica.table import BITS, KEY_MASK, PREFIX, Table, split
from projections.history import Contact

ACCOUNT_BITS: Final = 16
"""So that the bucket and key of an account are the 80 bits that a contact's row keeps of it."""
LENGTH: Final = 4
BLOBS: Final = ("general", "accounts")
"""The tables of states of any shape: contacts, and accounts. Their blobs begin with the reference in full."""
FLUSHED: Final = 1 << 16
PIECE: Final = 1 << 20
Sections = Iterator[tuple[str, Iterable[bytes]]]


class TableWriter:
    """Writes one table; rows come in the order of their references."""

    def __init__(self, bits: int, folder: Path | None, files: ExitStack) -> None:
        """Rows wait in files that `files` closes."""
        self.bits = bits
        self.counts = np.zeros(1 << bits, np.int64)
        self._buckets = array("I")
        self._keys = array("Q")
        self._records = bytearray()
        self._blobs = bytearray()
        self._files = [files.enter_context(_waiting(folder)) for _ in range(3)]

    def append(self, reference: bytes, record: bytes, blob: bytes = b"") -> None:
        """A row."""
        whole = int.from_bytes(reference[:PREFIX], "big")
        self._buckets.append(whole >> (96 - self.bits))
        self._keys.append((whole >> (32 - self.bits)) & KEY_MASK)
        self._records += record
        self._blobs += blob
        if len(self._keys) >= FLUSHED:
            self._write()

    def copy(self, table: Table, first: int, end: int) -> None:
        """The rows of another table from `first` up to `end`; their buckets are counted by the caller."""
        if first == end:
            return
        self._write()
        start, stop = table.blob_span(first, end) if table.blobs else (0, 0)
        width = table.width
        keys, records, blobs = self._files
        keys.write(table.keys_of(first, end))
        records.write(table.records[first * width : end * width])
        blobs.write(table.blobs[start:stop])

    def _write(self) -> None:
        np.add.at(self.counts, np.frombuffer(self._buckets, np.uint32), 1)
        keys, records, blobs = self._files
        keys.write(self._keys)
        records.write(self._records)
        blobs.write(self._blobs)
        self._buckets, self._keys = array("I"), array("Q")
        self._records, self._blobs = bytearray(), bytearray()

    def sections(self, name: str) -> Sections:
        """What the table is made of; nothing where it has no row."""
        self._write()
        if not self.counts.any():
            return
        starts = np.concatenate(([0], np.cumsum(self.counts))).astype(np.uint32)
        yield f"{name}/starts", [starts.tobytes()]
        for column, file in zip(("keys", "records", "blobs"), self._files, strict=True):
            yield f"{name}/{column}", _pieces(file)


def _waiting(folder: Path | None) -> IO[bytes]:
    """A file without a name, in memory as long as it is small."""
    return tempfile.SpooledTemporaryFile(PIECE, dir=None if folder is None else str(folder))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    yield from iter(lambda: file.read(PIECE), b"")


class Builder:
    """Writes all tables of a copy. Contacts and accounts each come in the order of their references."""

    def __init__(self, folder: Path | None, bits: int = BITS, shapes: Shapes | None = None) -> None:
        """`folder` is where the rows wait meanwhile (the machine's temporary folder by default)."""
        self.bits = bits
        self.shapes = shapes or Shapes()
        sizes = dict.fromkeys(WIDTHS, bits) | {"general": bits, "accounts": ACCOUNT_BITS}
        self._files = ExitStack()
        self.tables = {name: TableWriter(size, folder, self._files) for name, size in sizes.items()}
        self._last: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def contact(self, reference: bytes, stands: Contact, encoded: bytes | None = None, collides: bool = False) -> None:
        """A contact, by 16 bytes of reference; `encoded` where it has several parts.

        Of two contacts that a table could not tell apart the second becomes general: that table knows references in
        full. `collides` says so of one that is written already.
        """
        place = split(reference, self.bits)
        row = as_row(stands, self.shapes) if encoded is None and not collides and place != self._last else None
        if row is not None:
            self._last = place
            self.tables[row.table].append(reference, row.record)
        else:
            self.blob("general", reference, encoded or payload.of_history(stands))

    def blob(self, table: str, reference: bytes, encoded: bytes) -> None:
        """A state of any shape."""
        self.tables[table].append(reference, (16 + len(encoded)).to_bytes(LENGTH, "little"), reference + encoded)

    def sections(self) -> Sections:
        """Everything that was written."""
        for name, table in self.tables.items():
            yield from table.sections(name)


def tables_of(sections: Mapping[str, memoryview], bits: int) -> dict[str, Table]:
    """The tables in an image; those without a row are left out."""
    widths = WIDTHS | dict.fromkeys(BLOBS, LENGTH)
    return {
        name: Table(
            ACCOUNT_BITS if name == "accounts" else bits,
            width,
            *(sections[f"{name}/{column}"] for column in ("starts", "keys", "records", "blobs")),
        )
        for name, width in widths.items()
        if f"{name}/keys" in sections
    }
