"""The wheel holds what the tree holds, and works without the tree."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "ledger", "projections", "consumers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_files_of_the_four_packages_and_no_others(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tree = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == tree


def test_the_installed_wheel_records_and_decides_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    environment = os.environ | {"PYTHONPATH": str(target), "PREFLEDGER_HOME": str(tmp_path / "home")}

    def prefledger(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "consumers.cli.main", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    where = [sys.executable, "-P", "-c", "import consumers; print(consumers.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert str(target) in found.stdout
    assert prefledger("revoke", "+14165550123").returncode == 0
    denied = prefledger("decide", "+14165550123", "--channel", "sms", "--purpose", "marketing.offers")
    assert denied.returncode == 1, denied.stderr


def test_a_command_loads_no_arrays_and_no_client_of_kafka_before_it_needs_them() -> None:
    code = "import sys, consumers.cli.main; print({'numpy', 'kafka', 'faust', 'pyarrow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
