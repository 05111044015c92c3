"""A file imported twice records nothing twice; the next edition of a list is news."""

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from ledger.adapters.memory_log import MemoryLog
from ledger.errors import UnavailableError
from ledger.log import Entry, Outcome
from ledger.requests import Grant
from schemas.errors import InputError
from schemas.subject import Subject
from tests.consumers.importing.conftest import Desk, small_batches
from tests.controls_import import recorder

DATED = "action,number,channel,purpose,brand,basis,occurred_at\n"
GRANTED = "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z\n"
REVOKED = "revoke,+14165550124,,,,,2026-01-01T10:00:00Z\n"


def counts(result: object) -> tuple[int, int, int]:
    return result.recorded, result.duplicates, result.rejected  # type: ignore[attr-defined]


def test_the_same_file_twice_records_nothing_twice(desk: Desk) -> None:
    text = "action,number\nrevoke,+14165550123\nrevoke,+14165550124\nrevoke,+14165550123\nrevoke,none\n"
    assert counts(desk.load(text)) == (2, 1, 1)
    assert counts(desk.load(text, "copy.csv")) == (0, 3, 1)
    assert len(desk.events) == 2


def test_the_next_edition_opts_out_again_who_opted_in_since(desk: Desk) -> None:
    desk.load("number\n+14165550123\n+14165550124\n", defaults=["action=revoke"])
    yes = Grant(
        subject=Subject("number", "+14165550123"), brand="acme", channel="sms", purpose="marketing", basis="express"
    )
    desk.recorder.record(yes)
    assert counts(desk.load("number\n+14165550123\n+14165550125\n", defaults=["action=revoke"])) == (2, 0, 0)
    assert desk.types("+14165550123") == ["PreferenceRevoked", "PreferenceGranted", "PreferenceRevoked"]


def test_a_later_listing_is_recorded_even_where_it_changes_nothing_today(desk: Desk) -> None:
    """A grant that is entered later, backdated between the two, must find the second."""
    desk.load("number\n+14165550123\n", defaults=["action=revoke"])
    desk.load("number\n+14165550123\n\n", defaults=["action=revoke"])
    assert desk.types("+14165550123") == ["PreferenceRevoked", "PreferenceRevoked"]


def test_a_dated_statement_is_the_same_in_every_edition(desk: Desk) -> None:
    assert counts(desk.load(DATED + GRANTED + REVOKED)) == (2, 0, 0)
    assert counts(desk.load(DATED + REVOKED + GRANTED + "revoke,+14165550125,,,,,\n")) == (1, 2, 0)
    assert not any(event.flags for event in desk.events)


def test_a_date_to_come_is_no_date(desk: Desk) -> None:
    later = DATED + REVOKED.replace("2026", "2999")
    desk.load(later)
    assert counts(desk.load(later + "\n")) == (1, 0, 0)


def test_another_source_is_another_statement(desk: Desk) -> None:
    desk.load(DATED + REVOKED)
    assert counts(desk.load(DATED + REVOKED, defaults=["source=crm"])) == (1, 0, 0)


def test_a_key_of_the_files_own_is_kept(desk: Desk) -> None:
    header = "action,number,idempotency_key\n"
    desk.load(f"{header}revoke,+14165550123,k1\n")
    assert counts(desk.load(f"{header}revoke,+14165550123,k1\nrevoke,+14165550123,k2\n")) == (1, 1, 0)


def test_all_events_of_a_file_carry_one_correlation_id_that_names_it(desk: Desk) -> None:
    desk.load("number\n" + "".join(f"+1416555{n:04d}\n" for n in range(5000)), defaults=["action=revoke"])
    [run] = {event.correlation_id for event in desk.events}
    other = Desk(desk.folder)
    other.load(desk.folder / "list.csv", defaults=["action=revoke"])
    [again] = {event.correlation_id for event in other.events}
    assert str(run)[-17:] == str(again)[-17:]


class BreakingLog(MemoryLog):
    """Is away from a batch on."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        self.batches -= 1
        if self.batches < 0:
            raise UnavailableError("the log is away; repeat with the same key")
        return super().submit(entries)


@pytest.mark.parametrize("batches", range(7))
def test_a_log_that_goes_away_leaves_whole_batches_and_the_rest_follows(
    desk: Desk, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    desk.log = BreakingLog(batches)
    desk.recorder = recorder(desk.log, desk.people)
    path = desk.file("number\n" + "".join(f"+1416555{n:04d}\n" for n in range(650)) + "none\n")
    with pytest.raises(UnavailableError):
        desk.load(path, defaults=["action=revoke"])
    before = len(desk.events)
    assert before == 100 * batches
    desk.log.batches = 100
    result = desk.load(path, defaults=["action=revoke"])
    assert counts(result) == (650 - before, before, 1)
    assert len(desk.events) == len(desk.said()) == 650


def test_a_dry_run_records_nothing_and_says_what_would_be(desk: Desk) -> None:
    text = "action,number,channel\nrevoke,+14165550123,fax\nrevoke,none,\ngrant,+14165550123,sms\n"
    result = desk.load(text, dry_run=True)
    assert counts(result) == (1, 0, 2)
    assert result.flagged == 1
    assert desk.events == []
    assert desk.follow_ups == []
    assert list(desk.people.all_refs()) == []


def test_a_file_that_changes_while_it_is_read_is_reported(desk: Desk) -> None:
    path = desk.file("number\n+14165550123\n")
    from consumers.importing.load import load
    from consumers.importing.options import options

    def grow(rows: int, done: int, total: int) -> None:
        with path.open("a") as file:
            file.write("+14165550124\n")

    with pytest.raises(InputError, match="was changed while it was being read; 1 rows of it were recorded"):
        load(path, desk.recorder, options(defaults=["action=revoke"]), grow)
