"""Whatever bytes a file holds, an import ends with a result or with an InputError, and counts every row once."""

import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from schemas.errors import InputError
from tests.consumers.importing.conftest import Desk

ROUNDS = 250
SAID: dict[str, Any] = {"defaults": ["action=revoke"], "region": "CA", "ignored": ["x"], "timezone": "UTC"}
CSV = 'action,number,occurred_at,evidence\nrevoke,+14165550123,2026-01-01T10:00:00Z,"a ""b"" c"\nrevoke,4165550124,,é\n'
LINES = '{"number": "+14165550123", "x": 1}\n{"number": 4165550124, "occurred_at": "2026-01-01T10:00:00Z"}\n'
LIST = '["+14165550123", 4165550124, "Unknown", "416 555 0125"]'
MEAN = [
    b'"',
    b"\0",
    b"\r",
    b"\n",
    b",",
    b";",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"[",
    b"{",
    b"\\ud800",
    b"e999",
    b"'",
    b"\x81",
]


def mutated(rng: random.Random, valid: bytes) -> bytes:
    content = bytearray(valid)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(5):
            case 0:
                content[at:at] = rng.choice(MEAN)
            case 1:
                del content[at : at + rng.randint(1, 8)]
            case 2:
                content[at : at + 1] = rng.randbytes(1)
            case 3:
                content = content[:at]
            case _:
                content[at:at] = content[rng.randrange(len(content) + 1) :][:20]
    return bytes(content)


def parquet(folder: Path) -> bytes:
    path = folder / "valid.parquet"
    columns = {"number": ["+14165550123", None, "x"] * 20, "x": [1.5, None, 3.0] * 20, "account": [None, "A", "B"] * 20}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.json", "list.parquet", "list"])
def test_no_file_makes_an_import_crash_or_hang(desk: Desk, name: str) -> None:
    valid = {"list.csv": CSV, "list.jsonl": LINES, "list.json": LIST, "list": CSV}
    seed = valid[name].encode() if name in valid else parquet(desk.folder)
    rng = random.Random(name)
    taken = 0
    for round_ in range(ROUNDS):
        content = rng.randbytes(rng.randint(1, 200)) if round_ % 10 == 0 else mutated(rng, seed)
        try:
            result = desk.load(content, name, **SAID)
        except InputError:
            continue
        taken += 1
        assert result.rows == result.recorded + result.duplicates + result.rejected
    assert taken > 0
