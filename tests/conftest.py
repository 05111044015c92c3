"""Fixtures that many tests share, and the rule that CI leaves nothing out."""

import os
from pathlib import Path

import pytest

from tests.consumers.commands import Commands

# What a run of an hour has found is to be read in its output.
pytest.register_assert_rewrite("tests.kafka.judged", "tests.kafka.remains")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make soak` runs what takes too long for every change."""
    parser.addoption("--soak", action="store_true", help="run the long randomised runs, and nothing else is changed")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Long runs are no part of `make test`."""
    return True if collection_path.name == "soak" and not config.getoption("--soak") else None


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
    pytest.skip("the published complaint numbers are not beside this checkout: put them into ../shared/data")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Ends by naming what was left out, and how to get it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        terminalreporter.write_line("Nothing was left out.")
    for reason in sorted({str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}):
        terminalreporter.write_line(f"Left out: {reason.removeprefix('Skipped: ')}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With CI set nothing may be left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
