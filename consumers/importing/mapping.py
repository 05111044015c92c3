"""Which column is which field. Nothing is guessed: a column that nobody named is refused, with its name.

Otherwise a renamed column could turn an opt-in into an opt-out, or a list's channel into everything.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final

from consumers.importing.options import FIELDS, SUBJECTS, Options
from consumers.importing.readers import RESERVED
from schemas.errors import InputError, shown

POSITION_OF_BARE: Final = ("1",)
ABOUT: Final = (*SUBJECTS, "region")


class Mapping:
    """Takes the fields of a row out of its cells."""

    def __init__(self, columns: Sequence[str], options: Options) -> None:
        """`rest` takes the cells of a row that say the rest: what rows have in common that differ in whom they are
        about. Raises InputError for a column that is not mapped, mapped twice, or not there.
        """
        self.columns = tuple(columns)
        self._defaults = dict(options.defaults)
        self.places = _places(self.columns, options)
        self._pairs = tuple(self.places.items())
        self._about = tuple((name, place) for name, place in self._pairs if name in ABOUT)
        self._defaults_about = {name: value for name, value in options.defaults.items() if name in ABOUT}
        rest = [place for name, place in self._pairs if name not in SUBJECTS]
        self.rest: Callable[[Sequence[str]], object] = itemgetter(*rest) if rest else lambda cells: None
        self._must_have("action", ("action",), "--default action=revoke")
        self._must_have("whom it is about", SUBJECTS, "--map number=COLUMN")

    def fields(self, cells: Sequence[str]) -> dict[str, str]:
        """The fields that a row says, and the defaults of those that it leaves empty."""
        return _said(self._defaults, self._pairs, cells)

    def about(self, cells: Sequence[str]) -> dict[str, str]:
        """Those of the fields that say whom a row is about, and how to read it."""
        return _said(self._defaults_about, self._about, cells)

    def column_of(self, name: str) -> str:
        """How to name the place of a field in a message."""
        return f"column {self.columns[self.places[name]]}" if name in self.places else f"--default {name}"

    def _must_have(self, what: str, fields: Sequence[str], how: str) -> None:
        if not any(name in self.places or name in self._defaults for name in fields):
            raise InputError(
                f"no column says {what}; the file has {_listed(self.columns)}. "
                f"Map one to {' or '.join(fields)}, or say {how}. Nothing was recorded"
            )


def _said(defaults: dict[str, str], places: Iterable[tuple[str, int]], cells: Sequence[str]) -> dict[str, str]:
    said = defaults.copy()
    for name, place in places:
        if text := cells[place].strip():
            said[name] = text
    return said


def _places(columns: tuple[str, ...], options: Options) -> dict[str, int]:
    own = [column for column in columns if column not in RESERVED]
    by_column = _by_column(own, options)
    if tuple(own) == POSITION_OF_BARE and not options.columns:
        by_column = {"1": "number"}
    for column in own:
        if column not in by_column and column not in options.ignored:
            raise InputError(
                f"the column {shown(column)} is not mapped; say --map FIELD={column} or --ignore {column}. "
                f"The fields are {', '.join(FIELDS)}; the file has {_listed(own)}. Nothing was recorded"
            )
    return {by_column[column]: place for place, column in enumerate(columns) if column in by_column}


def _by_column(own: list[str], options: Options) -> dict[str, str]:
    """Column to field: those that were mapped, and those that bear a field's name."""
    if twice := next((column for column in own if own.count(column) > 1 and column not in options.ignored), None):
        raise InputError(f"two columns are called {shown(twice)}; rename one. Nothing was recorded")
    by_column: dict[str, str] = {}
    for name, column in options.columns.items():
        _must_be_there(column, own, options)
        if column in by_column:
            raise InputError(f"the column {shown(column)} is mapped to {by_column[column]} and to {name}; choose one")
        by_column[column] = name
    mapped = set(by_column.values())
    unsaid = (column for column in own if column not in by_column and column not in options.ignored)
    return by_column | {column: column for column in unsaid if column in FIELDS and column not in mapped}


def _must_be_there(column: str, own: list[str], options: Options) -> None:
    if column not in own:
        raise InputError(f"there is no column {shown(column)}; the file has {_listed(own)}. Nothing was recorded")
    if column in options.ignored:
        raise InputError(f"the column {shown(column)} is both mapped and left out; choose one")


def _listed(columns: Sequence[str]) -> str:
    few = ", ".join(shown(column, 30) for column in columns[:20])
    return f"{few} and {len(columns) - 20} more" if len(columns) > 20 else few
