"""The rejects file: each rejected row as it stood, its line and the reason; it can be mended and imported again.

It has the file's own columns, so that the same mapping reads it, and three that an import leaves out. A row whose
cells do not fit the columns stands as a whole in `reject_text`, so that it cannot come back half-read.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from consumers.cells import outgoing_row
from consumers.importing.readers import RESERVED, Row
from schemas.errors import InputError, shown


class Rejects:
    """Written beside its name and put there when it is whole; not at all where nothing was rejected."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Opens the file at once: that it cannot be written has to be known before anything is recorded."""
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._width = len([column for column in columns if column not in RESERVED])
        self._kept = [place for place, column in enumerate(columns) if column not in RESERVED]
        self.count = 0
        try:
            file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"rejected rows cannot be written to {shown(path)}: {why}; say --rejects FILE") from None
        self._file = os.fdopen(file, "w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(outgoing_row([*(columns[place] for place in self._kept), *RESERVED]))

    def add(self, row: Row, reason: str) -> None:
        """A row that was not recorded, and why."""
        self.count += 1
        if row.trouble is None:
            cells, text = [row.cells[place] for place in self._kept], ""
        else:
            cells, text = [""] * self._width, row.cells[0]
        self._writer.writerow(outgoing_row([*cells, str(row.line), reason, text]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if self.count and error is None:
            os.replace(self._part, self._path)
        else:
            self._part.unlink(missing_ok=True)
