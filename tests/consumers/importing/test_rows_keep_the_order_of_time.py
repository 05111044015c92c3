"""Rows of one subject are recorded in the order in which they occurred, whatever the order of the file."""

import random
from pathlib import Path

import pytest

from consumers.importing import spool
from tests.consumers.importing.conftest import Desk, small_batches

HEADER = "action,number,channel,purpose,brand,basis,occurred_at\n"


def row(action: str, second: int | None, number: str = "+14165550123") -> str:
    time = "" if second is None else f"2026-01-01T10:{second // 60:02d}:{second % 60:02d}Z"
    return f"{action},{number},sms,marketing,acme,express,{time}\n"


def test_a_yes_after_a_no_stays_after_it_though_it_stands_before_it(desk: Desk) -> None:
    desk.load(HEADER + row("grant", 20) + row("revoke", 10))
    assert desk.types("+14165550123") == ["PreferenceRevoked", "PreferenceGranted"]


def test_what_has_no_date_comes_after_what_has_one(desk: Desk) -> None:
    desk.load(HEADER + row("revoke", None) + row("grant", 20))
    assert desk.types("+14165550123") == ["PreferenceGranted", "PreferenceRevoked"]


def test_rows_of_one_moment_keep_the_order_of_the_file(desk: Desk) -> None:
    desk.load(HEADER + row("grant", 30) + row("revoke", 20) + row("grant", 20))
    assert desk.types("+14165550123") == ["PreferenceRevoked", "PreferenceGranted", "PreferenceGranted"]


def test_times_of_different_zones_are_compared_as_moments(desk: Desk) -> None:
    east = row("revoke", 10).replace("10:00:10Z", "12:00:05+02:00")
    desk.load(HEADER + row("grant", 10) + east)
    assert desk.types("+14165550123") == ["PreferenceRevoked", "PreferenceGranted"]


def test_a_shuffled_file_is_put_in_order_with_many_runs_on_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "RUN", 100)
    small_batches(monkeypatch)
    rows = [row("revoke", second, f"+1416555{second % 7:04d}") for second in range(2500)] + ["revoke,none,,,,,\n"]
    random.Random(1).shuffle(rows)
    result = desk.load(HEADER + "".join(rows))
    assert (result.recorded, result.rejected) == (2500, 1)
    for subject in {event.subject for event in desk.events}:
        times = [event.occurred_at for event in desk.events if event.subject == subject]
        assert times == sorted(times)


def test_nothing_of_the_rows_stays_behind_in_the_temporary_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    desk.load(HEADER + row("grant", 20) + row("revoke", 10))
    assert list(temporary.iterdir()) == []
