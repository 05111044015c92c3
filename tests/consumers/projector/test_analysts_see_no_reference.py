"""What analysts see: every row, told apart by pseudonyms; no reference, no number, no word that a person wrote."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.bootstrap import open_ledger
from consumers.settings import load
from projections.adapters.read_models import READ_MODELS
from projections.pseudonyms import Pseudonyms
from projections.sharing import HIDDEN, PEOPLE, shown_as
from schemas.times import rfc3339
from tests.consumers.commands import Commands
from tests.consumers.projector.handed_out import ADDRESS, FREE, MASKED, NUMBER, SISTER, TABLES, HandedOut, handed_out

TRACES = [NUMBER[1:], SISTER[1:], FREE[1:], ADDRESS, "Tremblay", "FAMILY", "alone"]


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(commands: Commands, request: pytest.FixtureRequest) -> HandedOut:
    """The story, projected and handed out with masked numbers."""
    return handed_out(commands, request, request.param, changed="another_key" in request.node.name)


def test_no_view_shows_a_reference_or_whom_it_stands_for(shared: HandedOut) -> None:
    with open_ledger(load()) as ledger:
        refs = set(ledger.people.all_refs())
    assert len(refs) >= 5
    in_tables = " ".join(str(row) for name in TABLES for row in shared.rows(f"SELECT * FROM {{base}}{name}"))
    seen = " ".join(str(row) for name in TABLES for row in shared.rows(f"SELECT * FROM {{view}}{name}"))
    assert sum(ref in in_tables for ref in refs) >= 5, "or there would be nothing to hide"
    assert not [ref for ref in refs if ref in seen]
    assert not [text for text in TRACES if text in seen + in_tables]
    assert not [name for name in HIDDEN if _is_there(shared, name)]


def _is_there(shared: HandedOut, view: str) -> bool:
    catalogue = "pg_views WHERE viewname" if shared.server else "sqlite_master WHERE name"
    name = view if shared.server else f"analysis_{view}"
    schema = " AND schemaname = 'analysis'" if shared.server else ""
    return bool(shared.rows(f"SELECT 1 FROM {catalogue} = '{name}'{schema}"))


def test_every_column_was_decided_on() -> None:
    columns = [column for table in READ_MODELS.sorted_tables if table.name not in HIDDEN for column in table.c]
    undecided = [str(column) for column in columns if shown_as(column.name) is None]
    assert undecided == [], "say in projections/sharing.py whether analysts may see it, and as what"
    speaks_of_references = [column for column in columns if "Reference of" in str(column.comment)]
    assert {column.name for column in speaks_of_references} <= PEOPLE


def test_counts_are_those_of_the_tables(shared: HandedOut) -> None:
    counts = [shared.rows(f"SELECT count(*) FROM {{base}}{name}") for name in TABLES]
    assert counts == [shared.rows(f"SELECT count(*) FROM {{view}}{name}") for name in TABLES]
    assert sum(count for [(count,)] in counts) > 20


def test_everybody_has_one_pseudonym_by_which_views_are_joined_as_tables_are(shared: HandedOut) -> None:
    joined = (
        "SELECT a.account, p.subject, p.scope, p.state FROM {0}account_numbers a JOIN {0}current_preferences p "
        "ON p.subject = a.subject JOIN {0}events e ON e.event_id = p.event_id"
    )
    by_ref = shared.rows(joined.format("{base}"))
    by_pseudonym = shared.rows(joined.format("{view}"))
    assert len(by_ref) >= 3
    names = dict(shared.rows("SELECT subject, pseudonym FROM {beside}pseudonyms"))
    assert len(set(names.values())) == len(names)
    assert sorted((names[a], names[s], *rest) for a, s, *rest in by_ref) == sorted(map(tuple, by_pseudonym))


def test_times_are_times(shared: HandedOut) -> None:
    in_ms = shared.rows("SELECT event_id, occurred_at, valid_until FROM {base}events ORDER BY event_id")
    assert any(at == 1_772_359_199_999 for _, at, _ in in_ms)
    seen = shared.rows("SELECT event_id, occurred_at, valid_until FROM {view}events ORDER BY event_id")
    assert [tuple(row) for row in seen] == [(event, _time(shared, at), _time(shared, end)) for event, at, end in in_ms]


def _time(shared: HandedOut, ms: int | None) -> Any:  # noqa: ANN401
    if ms is None:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms) if shared.server else rfc3339(ms)


def test_masked_numbers_are_masked_as_everywhere_else_and_join_by_pseudonym(shared: HandedOut) -> None:
    masked = shared.rows("SELECT subject, masked FROM {view}masked_numbers")
    assert {one.masked for one in masked} == MASKED, "numbers only: no address, no account"
    joined = "SELECT count(*) FROM {view}masked_numbers m JOIN {view}events e ON e.subject = m.subject"
    [(count,)] = shared.rows(joined)
    assert count >= 5
    assert shared.project("--masked-numbers") == {"named": 0, "masked": 0}, "again: nothing is left to do"


def test_a_pseudonym_is_the_hmac_of_the_reference_under_the_key_in_its_file(shared: HandedOut) -> None:
    key = bytes.fromhex((shared.commands.home / "pseudonym-key").read_text())
    assert (shared.commands.home / "pseudonym-key").stat().st_mode & 0o077 == 0
    names = dict(shared.rows("SELECT subject, pseudonym FROM {beside}pseudonyms"))
    people = {ref: name for ref, name in names.items() if ":" not in ref and len(ref) == 32}
    assert len(people) >= 5
    for ref, name in people.items():
        assert name == hmac.new(key, ref.encode(), hashlib.sha256).hexdigest()[:32]
    assert names["operator:policy"] == "operator:policy", "which names nobody"
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(key[:31])


def test_another_key_is_refused_unless_everybody_is_to_get_a_new_pseudonym(shared: HandedOut) -> None:
    before = dict(shared.rows("SELECT subject, pseudonym FROM {beside}pseudonyms"))
    (shared.commands.home / "pseudonym-key").unlink()
    refused = shared.commands("db", "share")
    assert (refused.code, "--anew" in refused.err) == (2, True)
    assert dict(shared.rows("SELECT subject, pseudonym FROM {beside}pseudonyms")) == before
    assert shared.project("--anew")["named"] == len(before)
    after = dict(shared.rows("SELECT subject, pseudonym FROM {beside}pseudonyms"))
    assert {ref for ref in before if before[ref] == after[ref]} == {ref for ref in before if len(ref) != 32}


def test_a_database_without_read_models_says_what_to_run(commands: Commands) -> None:
    found = commands("db", "share")
    assert (found.code, "db upgrade" in found.err) == (2, True)
