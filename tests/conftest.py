"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest

from tests.consumers.commands import Commands

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line, on a new ledger."""
    return Commands(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture(scope="session")
def complaints() -> list[Path]:
    """Three days of complaint numbers as published; a newcomer's clone does not have them, CI must."""
    files = sorted(DATA.glob("ftc-dnc-*.json"))
    if len(files) == 3:
        return files
    if os.environ.get("CI"):
        pytest.fail(f"CI is set and the complaint data are not beside the checkout ({DATA})")
    pytest.skip("the published complaint numbers are not beside this checkout (../shared/data)")
