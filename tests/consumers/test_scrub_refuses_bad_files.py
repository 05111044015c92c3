"""A file that cannot be scrubbed is refused in one sentence, and no file has changed then."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.copy import ViewCopy
from consumers.replica import Replica
from consumers.scrub import Wanted, scrub_file
from ledger.errors import UnavailableError
from schemas.errors import InputError, PreferenceLedgerError, ScopeError
from tests.consumers.asking import NOW, NUMBER, REFERENCES, Facts

WANTED = Wanted(channel="sms", purpose="marketing.offers", at=NOW)
OPEN_QUOTE = 'number,name\n+14165550123,"never closed\n' + "+14165550123,x\n" * 10

NAMES = (
    "empty.csv", "no-column.csv", "two-columns.csv", "open-quote.csv", "after-quote.csv", "zero-byte.csv", "list.json",
    "cut.parquet", "end-only.parquet", "text.parquet",
)  # fmt: skip


def parquet(path: Path) -> bytes:
    pq.write_table(pa.table({"number": [NUMBER] * 1000}), path)
    return path.read_bytes()


def bad_files(folder: Path) -> dict[str, bytes]:
    whole = parquet(folder / "whole.parquet")
    return {
        "empty.csv": b"",
        "no-column.csv": b"phone,name\n+14165550123,x\n",
        "two-columns.csv": b"number,number\n+14165550123,x\n",
        "open-quote.csv": OPEN_QUOTE.encode(),
        "after-quote.csv": b'number,name\n+14165550123,"a"b\n',
        "zero-byte.csv": b"number\n+1416\x005550123\n",
        "list.json": b'["+14165550123"]',
        "cut.parquet": whole[: len(whole) // 2],
        "end-only.parquet": b"PAR1" + b"\0" * 100 + b"PAR1",
        "text.parquet": b"number\n+14165550123\n",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    source, out, denied = tmp_path / name, tmp_path / "out", tmp_path / "denied"
    source.write_bytes(bad_files(tmp_path)[name])
    before = sorted(tmp_path.iterdir())
    out.write_text("what was there")
    with pytest.raises(InputError) as refused:
        scrub_file(source, out, denied, ViewCopy(Facts().view()), REFERENCES, WANTED)
    assert "\n" not in str(refused.value)
    assert out.read_text() == "what was there"
    assert sorted(tmp_path.iterdir()) == sorted([*before, out])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        scrub_file(tmp_path / "none", tmp_path / "out", None, ViewCopy(Facts().view()), REFERENCES, WANTED)


def test_the_list_itself_is_never_written_over(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    source.write_text(f"number\n{NUMBER}\n")
    for out, denied in ((source, None), (tmp_path / "out", source), (tmp_path / "out", tmp_path / "out")):
        with pytest.raises(InputError, match="different files"):
            scrub_file(source, out, denied, ViewCopy(Facts().view()), REFERENCES, WANTED)


@pytest.mark.parametrize("asked", [{"channel": "*"}, {"purpose": "*"}, {"brand": "*"}, {"purpose": "unknown"}])
def test_a_question_that_is_not_concrete_is_refused_before_anything_is_read(
    asked: dict[str, str], tmp_path: Path
) -> None:
    wanted = Wanted(**({"channel": "sms", "purpose": "marketing", "at": NOW} | asked))  # type: ignore[arg-type]
    with pytest.raises(ScopeError):
        scrub_file(tmp_path / "none", tmp_path / "out", None, ViewCopy(Facts().view()), REFERENCES, wanted)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    source.write_text(f"number\n{NUMBER}\n")
    with pytest.raises(UnavailableError, match="cannot be written"):
        scrub_file(source, tmp_path / "no" / "out", None, ViewCopy(Facts().view()), REFERENCES, WANTED)


def test_a_block_that_cannot_be_read_is_refused_by_a_process_as_by_this_one(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    source.write_text(OPEN_QUOTE)
    replica = Replica.load(Facts().view(), REFERENCES.fingerprint, bits=4)
    with pytest.raises(InputError, match="no CSV"):
        scrub_file(source, tmp_path / "out", None, replica, REFERENCES, WANTED, processes=2)
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_process_that_dies_stops_the_scrub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "list.csv"
    source.write_text(f"number\n{NUMBER}\n")
    replica = Replica.load(Facts().view(), REFERENCES.fingerprint, bits=4)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(PreferenceLedgerError, match="ended before its time"):
        scrub_file(source, tmp_path / "out", None, replica, REFERENCES, WANTED, processes=2)
    assert sorted(tmp_path.iterdir()) == [source]
