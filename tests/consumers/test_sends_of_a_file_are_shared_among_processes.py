"""However many processes read a gateway's file, what is taken of it is the same; and none of them is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.violations.noes import Anybody, Noes
from consumers.violations.send_files import BATCH, take_file
from consumers.violations.send_rows import SendOptions
from consumers.violations.sends import Sends
from ledger.adapters.memory_log import MemoryLog
from ledger.errors import UnavailableError
from ledger.log import Entry
from ledger.reference import References

REFERENCES = References(bytes(range(32)))
OPTIONS = SendOptions(brand="acme", region="CA")
COLUMNS = ("number", "email", "sent_at", "channel", "purpose", "gateway")
ROWS = 2 * BATCH + 500
ODD = {
    7: ("416 555 0107", "", "2030-01-02T10:00:00+02:00", "sms", "marketing", "sms-1"),  # as people write numbers
    8: ("+14165550108", "", "yesterday", "sms", "marketing", "sms-1"),
    BATCH: ("", "", "2030-01-01T00:00:00Z", "sms", "marketing", "sms-1"),
    BATCH + 1: ("+12", "", "2030-01-01T00:00:00Z", "*", "marketing", "sms-1"),
    BATCH + 2: ("", "jean@example.org", "2030-01-01T00:00:00Z", "email", "marketing", "mail-1"),
    2 * BATCH + 9: ("\U0001f600 &", "", "2030-01-01T00:00:00Z", "sms", "market ing", "sms-1"),
}


def number(position: int) -> str:
    return f"+1416{2_000_000 + position:07}"


def row(position: int) -> tuple[str, ...]:
    """All of them in the order of time, every fourth by another gateway."""
    at = f"2030-01-01T00:{position // 60 % 60:02}:{position % 60:02}.{position % 1000:03}Z"
    return ODD.get(position, (number(position % 9_000), "", at, "sms", "marketing", f"sms-{position % 4}"))


@pytest.fixture(scope="module")
def noes() -> Noes:
    """Every third of the numbers said no, and so did an address."""
    log = MemoryLog(1)
    subjects = [REFERENCES.of("number", number(position)) for position in range(0, 9_000, 3)]
    subjects += [REFERENCES.of("email", "jean@example.org"), REFERENCES.of("number", "+14165550107")]
    said = b'{"type":"PreferenceRevoked"}'
    log.append([Entry(one, said, f"{at:032x}", one, "c") for at, one in enumerate(subjects)])
    return Noes(log)


def written(folder: Path, ending: str) -> Path:
    """The file of sends in one of the formats."""
    path, rows = folder / f"sends.{ending}", [row(position) for position in range(ROWS)]
    if ending == "csv":
        path.write_text("".join(",".join(one) + "\n" for one in (COLUMNS, *rows)))
    elif ending == "jsonl":
        path.write_bytes(b"".join(orjson.dumps(dict(zip(COLUMNS, one, strict=True))) + b"\n" for one in rows))
    else:
        pq.write_table(pa.table(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))), path)
    return path


def left_behind(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir() if one != path]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_one_process_and_two_take_the_same(tmp_path: Path, noes: Noes, ending: str) -> None:
    path = written(tmp_path, ending)
    found = []
    for processes in (0, 2):
        sends = Sends(noes, until=1_893_459_600_000)
        taken = take_file(sends, path, REFERENCES, OPTIONS, processes)
        assert taken.rejects_file
        found.append((taken, sends.count, list(sends.by_contact()), taken.rejects_file.read_bytes()))
    assert found[0] == found[1]
    taken, count, looked_at, _rejects = found[0]
    assert (taken.rows, taken.rejected, count) == (ROWS, 4, ROWS - 4 - 1)  # one is of the day after
    assert len(looked_at) > ROWS // 4
    assert {one.message.kind for one in looked_at} == {"number", "email"}
    assert len({one.message for one in looked_at}) == 5  # four gateways, and the address


def test_where_everybody_counts_it_is_taken_by_one_process_and_an_address_is_nowhere(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    found = []
    for processes in (0, 2):
        sends = Sends(Anybody())
        take_file(sends, path, REFERENCES, OPTIONS, processes)
        found.append(list(sends.by_contact()))
    assert found[0] == found[1]
    assert {(one.message.kind, one.message.jurisdiction) for one in found[0]} == {("number", "CA"), ("email", None)}


class Deadly(Noes):
    """Contacts of which a look ends any process but the first."""

    def __init__(self) -> None:
        self.home = os.getpid()
        self.places = {}

    def place(self, _subject: bytes) -> int:
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        return -1


def test_a_process_that_is_killed_ends_the_search_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    with pytest.raises(UnavailableError, match="ended before its time"):
        take_file(Sends(Deadly()), path, REFERENCES, OPTIONS, 2)
    assert left_behind(path) == []


SEARCH = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from consumers.violations.send_files import take_file
from tests.consumers.test_sends_of_a_file_are_shared_among_processes import OPTIONS, REFERENCES, Waiting
from consumers.violations.sends import Sends
take_file(Sends(Waiting()), Path(sys.argv[1]), REFERENCES, OPTIONS, 2)
"""


class Waiting(Noes):
    """Contacts of which a look takes longer than anybody waits."""

    def __init__(self) -> None:
        self.places = {}

    def place(self, _subject: bytes) -> int:
        time.sleep(0.02)
        return -1


def children_of(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which processes there are")
def test_ctrl_c_ends_all_of_them_and_only_one_speaks_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SEARCH, str(path)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as search:
        while len(found := children_of(search.pid)) < 2:
            assert search.poll() is None
            time.sleep(0.05)
        while any("python" not in Path(f"/proc/{one}/comm").read_text() for one in found):
            time.sleep(0.05)
        while not all(int(line.split()[1], 16) & 2 for one in found for line in ignored(one)):
            time.sleep(0.05)
        os.killpg(search.pid, signal.SIGINT)
        _, errors = search.communicate(timeout=120)
    assert search.returncode == -signal.SIGINT
    assert errors.count(b"Traceback (most recent call last)") == 1
    assert not any(Path(f"/proc/{one}").exists() for one in found)
    assert left_behind(path) == []


def ignored(process: int) -> list[str]:
    """Which signals a process ignores: by then it has begun its work."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return [line for line in status if line.startswith("SigIgn")]
