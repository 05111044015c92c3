"""An erasure reaches what was handed out: the masked number goes, rows that name nobody stay."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from consumers.bootstrap import open_ledger
from consumers.erasing_models import MARKS
from consumers.settings import load
from consumers.sharing import mask_numbers
from ledger.people import People
from projections.adapters.sql_sharing import SqlSharing
from tests.consumers.commands import OFFERS, Commands
from tests.consumers.projector.handed_out import MASKED, NUMBER, SISTER, TABLES, HandedOut, handed_out
from tests.consumers.with_the_key import files_below, in_the_clear

AWAY = "postgresql://nobody@127.0.0.1:9/none"
GONE = MASKED - {"+1416•••0123"}
ALL = [f"SELECT count(*) FROM {{base}}{name}" for name in TABLES if name not in ("events", "positions", "follow_ups")]


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(commands: Commands, request: pytest.FixtureRequest) -> HandedOut:
    """The story, projected and handed out with masked numbers."""
    return handed_out(commands, request, request.param)


def masked(shared: HandedOut) -> set[str]:
    """The masked numbers that are seen."""
    return {one.masked for one in shared.rows("SELECT masked FROM {view}masked_numbers")}


def marks(shared: HandedOut) -> int:
    """How many erasures are noted as unfinished in the read models."""
    folder = shared.commands.home / MARKS
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_the_masked_number_goes_and_every_row_stays(shared: HandedOut) -> None:
    before = [shared.rows(query) for query in ALL]
    erased = shared.commands.json("erase", NUMBER, "--yes")
    assert erased["removed"] == 3, "identity, words and masked number"
    assert masked(shared) == GONE
    shared.project("--masked-numbers")
    assert masked(shared) == GONE, "and nothing brings it back"
    assert [shared.rows(query) for query in ALL] == before
    assert marks(shared) == 0


def test_what_is_exported_later_has_nothing_of_it(shared: HandedOut, tmp_path: Path) -> None:
    seen = "analysis.{}" if shared.server else "analysis_{}"
    joined = f"{seen.format('masked_numbers')} n JOIN {seen.format('events')} e ON e.subject = n.subject"
    query = f"SELECT n.masked, e.type FROM {joined}"
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    shared.commands.json("export", str(before), "--query", query)
    shared.commands.json("erase", NUMBER, "--yes")
    shared.commands.json("export", str(after), "--query", query)
    assert ("+1416•••0123" in before.read_text("utf-8"), "+1416•••0123" in after.read_text("utf-8")) == (True, False)
    assert "+1416•••0124" in after.read_text("utf-8")


def test_no_byte_of_it_is_left_in_a_file(commands: Commands, request: pytest.FixtureRequest) -> None:
    shared = handed_out(commands, request, "sqlite")
    for number in range(12):
        commands.json("revoke", f"+1416555{1000 + number}")
    shared.project("--masked-numbers")
    wanted = ["+1416•••0123".encode()]
    assert in_the_clear(files_below(commands.home), wanted) != []
    commands.json("erase", NUMBER, "--yes")
    assert in_the_clear(files_below(commands.home), wanted) == []
    assert len(masked(shared)) == 14


def test_a_later_yes_of_the_person_brings_the_masked_number_back(shared: HandedOut) -> None:
    shared.commands.json("erase", NUMBER, "--yes")
    shared.commands.json("grant", NUMBER, *OFFERS, "--basis", "express", "--actor", "person")
    shared.project("--masked-numbers")
    assert masked(shared) == MASKED


@pytest.mark.parametrize(
    ("away", "finish"), [(AWAY, ("doctor",)), ("mysql://of/something_else", ("erase", NUMBER, "--yes"))]
)
def test_while_the_database_is_away_it_says_so_and_is_finished_later(
    shared: HandedOut, away: str, finish: tuple[str, ...]
) -> None:
    shared.use(away)
    found = shared.commands("erase", NUMBER, "--yes")
    assert found.code == 3
    assert all(words in found.err for words in ("is recorded", "masked number", "doctor"))
    assert shared.commands("reveal", NUMBER).code == 1, "identity and words are gone all the same"
    assert marks(shared) == 1
    assert shared.commands("revoke", SISTER).code == 0, "and nobody's opt-out waits for a database"
    doctor = shared.commands("doctor")
    assert (doctor.code, "unfinished in the read models" in doctor.out) == (1, True)
    shared.use(shared.url)
    assert masked(shared) == MASKED
    assert shared.commands(*finish).code == 0
    assert (masked(shared), marks(shared)) == (GONE, 0)


def test_where_the_machine_never_came_back_doctor_goes_by_the_events(shared: HandedOut) -> None:
    shared.use(AWAY)
    shared.commands("erase", NUMBER, "--yes")
    for mark in (shared.commands.home / MARKS).iterdir():
        mark.unlink()
    shared.use(shared.url)
    found = shared.commands("doctor")
    assert (found.code, "1 masked number(s)" in found.out) == (0, True)
    assert masked(shared) == GONE


class ErasedInBetween(SqlSharing):
    """As the database, but somebody is erased between the look at the identities and the storing of the masks."""

    people: People

    def keep_masks(self, masks: Mapping[str, str]) -> None:
        """Erases the first of them, then stores all."""
        self.people.erase(min(masks))
        super().keep_masks(masks)


def test_who_is_erased_while_numbers_are_masked_does_not_come_back_by_it(shared: HandedOut) -> None:
    for number in (NUMBER, SISTER):
        shared.commands.json("erase", number, "--yes")
        shared.commands.json("grant", number, *OFFERS, "--basis", "express", "--actor", "person")
    before = masked(shared)
    with open_ledger(load()) as ledger, closing(ErasedInBetween(shared.url)) as sharing:
        sharing.people = ledger.people
        assert mask_numbers(ledger.people, sharing) == 2
    assert len(masked(shared) - before) == 1
