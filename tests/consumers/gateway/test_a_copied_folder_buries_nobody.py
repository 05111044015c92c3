"""Whoever has the lock of a snapshot knows that those before are dead; of a copy of its folder nobody knows that."""

import shutil
from pathlib import Path

from consumers.gateway.snapshots import Snapshots
from tests.consumers.asking import REFERENCES

FIRST, SECOND, THIRD = (f"019b0000-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))


def snapshots(folder: Path, process: str) -> Snapshots:
    """Those of a process that uses this folder."""
    return Snapshots(folder / "sms-1.snapshot", REFERENCES.fingerprint, process)


def test_the_folder_of_a_running_gateway_may_be_copied_and_used_elsewhere(tmp_path: Path) -> None:
    running = snapshots(tmp_path / "first", FIRST)
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    beside = snapshots(tmp_path / "copied", SECOND)
    assert beside.dead == []
    beside.close()
    running.close()
    assert snapshots(tmp_path / "copied", THIRD).dead == [SECOND]
    assert snapshots(tmp_path / "first", THIRD).dead == [FIRST]
