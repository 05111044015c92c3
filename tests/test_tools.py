"""What is fetched into `.tools` is fetched once, whole, however many processes of a test run want it at once."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from stack.tools import FetchingError, once, run

ASKS = """
import sys, time
from pathlib import Path
from stack.tools import once

def fetch(folder):
    with (folder.parent / "fetched").open("a") as count:
        count.write("once\\n")
    (folder / "half").touch()
    time.sleep(1)
    (folder / "half").unlink()
    (folder / "whole").touch()

folder = once("thing", fetch, tools=Path(sys.argv[1]))
assert [path.name for path in sorted(folder.iterdir())] == ["complete", "whole"]
"""


def test_of_processes_that_come_at_once_one_fetches_and_the_others_find_it_whole(tmp_path: Path) -> None:
    asking = [subprocess.Popen([sys.executable, "-c", ASKS, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in asking] == [0] * 4
    assert (tmp_path / "fetched").read_text() == "once\n"


def test_what_a_failed_fetching_left_does_not_count(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise FetchingError("the index was away")

    with pytest.raises(FetchingError):
        once("thing", fails, tools=tmp_path)
    folder = once("thing", lambda folder: (folder / "whole").touch(), tools=tmp_path)
    assert [path.name for path in sorted(folder.iterdir())] == ["complete", "whole"]


def test_another_wish_fetches_anew_and_the_same_one_does_not(tmp_path: Path) -> None:
    wishes: list[str] = []
    for wanted in ("one", "one", "two", "two"):
        once("thing", partial(_wished, wishes, wanted), wanted, tmp_path)
    assert wishes == ["one", "two"]


def _wished(wishes: list[str], wanted: str, _folder: Path) -> None:
    wishes.append(wanted)


def test_a_command_that_fails_says_which_and_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(FetchingError, match=r"ended with 3\nno such artifact"):
        run([sys.executable, "-c", "print('no such artifact'); raise SystemExit(3)"], tmp_path, 60)
    with pytest.raises(FetchingError, match="not done after"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, 0.5)
