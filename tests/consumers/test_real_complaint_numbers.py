"""Three days of numbers that people complained about, as they were published: duplicates, words and all."""

import csv
from pathlib import Path

import orjson

from schemas.errors import ContactError
from schemas.number import parse_number
from tests.consumers.commands import Commands

REVOKE = ("--default", "action=revoke", "--region", "US")


def rows_of(files: list[Path]) -> list[str]:
    return [text for file in files for text in orjson.loads(file.read_bytes())]


def understood(text: str) -> str | None:
    try:
        return parse_number(text, "US")
    except ContactError:
        return None


def imported(commands: Commands, files: list[Path], folder: Path) -> list[dict[str, int]]:
    results = []
    for file in files:
        answer = commands("import", str(file), *REVOKE, "--rejects", str(folder / f"{file.name}.csv"), "--json")
        results.append(answer.document)
        assert answer.code == (1 if answer.document["rejected"] else 0)
    return results


def test_every_row_is_recorded_a_duplicate_or_rejected_with_its_reason(
    commands: Commands, complaints: list[Path], tmp_path: Path
) -> None:
    results = imported(commands, complaints, tmp_path)
    for file, result in zip(complaints, results, strict=True):
        rows = rows_of([file])
        good = [number for number in map(understood, rows) if number]
        assert result["rows"] == len(rows)
        assert result["recorded"] == len(set(good))
        assert result["duplicates"] == len(good) - len(set(good))
        assert result["rejected"] == len(rows) - len(good)
        rejects = list(csv.DictReader((tmp_path / f"{file.name}.csv").read_text("utf-8").splitlines()))
        assert len(rejects) == result["rejected"]
        assert all(any("reason" in name and value for name, value in row.items()) for row in rejects)


def test_imported_again_nothing_is_recorded(commands: Commands, complaints: list[Path], tmp_path: Path) -> None:
    imported(commands, complaints, tmp_path)
    assert {result["recorded"] for result in imported(commands, complaints, tmp_path)} == {0}


def test_of_accounts_that_are_revoked_every_linked_number_is_denied(
    commands: Commands, complaints: list[Path], tmp_path: Path
) -> None:
    imported(commands, complaints[:1], tmp_path)
    opted_out = set(map(understood, rows_of(complaints[:1])))
    numbers = sorted({number for number in map(understood, rows_of(complaints)) if number})
    half = numbers[: len(numbers) // 2]
    by_themselves = len(opted_out.intersection(half))
    links, yeses = tmp_path / "links.csv", tmp_path / "yes.csv"
    links.write_text("action,number,account\n" + "".join(f"link,{n},A-{i % 100}\n" for i, n in enumerate(half)))
    yeses.write_text("number\n" + "".join(f"{number}\n" for number in half))
    assert commands("import", str(links)).code == 0
    grant = (
        "action=grant",
        "channel=sms",
        "purpose=marketing.offers",
        "basis=express",
        "occurred_at=2020-01-01T00:00:00Z",
    )
    assert commands("import", str(yeses), *(part for value in grant for part in ("--default", value))).code == 0
    revoked = tmp_path / "revoked.csv"
    revoked.write_text("action,account\n" + "".join(f"revoke,A-{number}\n" for number in range(100)))
    assert commands("import", str(revoked)).code == 0
    out, denied = tmp_path / "out.csv", tmp_path / "denied.csv"
    result = commands.json(
        "scrub", str(yeses), str(out), "--denied", str(denied), "--channel", "sms", "--purpose", "marketing.offers"
    )
    assert by_themselves > 0
    assert result["by_reason"] == {
        "revoked_by_account": len(half) - by_themselves,
        "revoked_by_number": by_themselves,
    }
    assert commands("gaps").code == 0
    assert commands.json("replay")["differences"] == []
