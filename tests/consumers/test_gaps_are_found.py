"""A gap is found whoever caused it: a copy that lost a no, a gateway that lets it out, a link that was never told."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.running_gateway import ask_gateway
from ledger.adapters.memory_people import MemoryPeople
from schemas.errors import InputError
from tests.consumers.commands import OFFERS, Commands

YES = (*OFFERS, "--basis", "express", "--occurred-at", "2020-01-01T00:00:00Z")
FIRST, SECOND, THIRD = "+14165550101", "+14165550102", "+14165550103"


@pytest.fixture
def household(commands: Commands) -> Commands:
    """An account of which the ledger knows one number of two; it has opted out."""
    commands.lines("link", "ACC-1", FIRST, "--occurred-at", "2019-01-01T00:00:00Z")
    commands.json("grant", SECOND, *YES)
    commands.json("revoke", "account:ACC-1", "--purpose", "marketing")
    return commands


def customers(folder: Path, text: str, name: str = "customers.csv") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def kinds(found: list[dict[str, Any]]) -> set[tuple[str, str | None, str | None]]:
    return {(line["gap"], line.get("contact"), line.get("account")) for line in found}


def test_a_number_of_an_opted_out_account_that_the_ledger_was_never_told_is_uncovered(
    household: Commands, tmp_path: Path
) -> None:
    file = customers(tmp_path, f"account,number\nACC-1,{FIRST}\nACC-1,{SECOND}\n")
    found = household.lines("gaps", "--accounts", file, code=1)
    assert kinds(found) == {
        ("uncovered", "+1416•••0102", "account:ACC-1"),
        ("never_linked", "+1416•••0102", "account:ACC-1"),
    }
    gap = next(line for line in found if (line["gap"], line["channel"]) == ("uncovered", "sms"))
    assert (gap["purpose"], gap["expected"], gap["got"], gap["because"]) == (
        "marketing.offers", "revoked_by_account", "granted", "never_linked",
    )  # fmt: skip
    household.lines("link", "ACC-1", SECOND)
    assert household.lines("gaps", "--accounts", file) == []


def test_a_link_never_told_of_an_account_that_said_nothing_is_no_failure(household: Commands, tmp_path: Path) -> None:
    file = customers(tmp_path, f"account,number\nACC-1,{FIRST}\nACC-2,{THIRD}\n")
    assert kinds(household.lines("gaps", "--accounts", file)) == {("never_linked", "+1416•••0103", "account:ACC-2")}
    assert household("gaps", "--accounts", file, "--strict").code == 1


def test_a_link_that_the_database_has_not_is_named(household: Commands, tmp_path: Path) -> None:
    household.lines("link", "ACC-1", THIRD)
    file = customers(tmp_path, f"account,number\nACC-1,{FIRST}\n")
    assert kinds(household.lines("gaps", "--accounts", file)) == {("not_listed", "+1416•••0103", "account:ACC-1")}
    household.lines("unlink", "ACC-1", THIRD)
    assert household.lines("gaps", "--accounts", file) == []


def test_a_row_that_cannot_be_read_is_reported_with_its_line_and_never_guessed(
    household: Commands, tmp_path: Path
) -> None:
    file = customers(tmp_path, f"account,number\nACC-1,{FIRST}\nACC-1,not a number\n,{SECOND}\nACC-1,\nACC-1\n")
    found = household.lines("gaps", "--accounts", file, code=1)
    assert [(line["gap"], line["line"]) for line in found] == [("unreadable", line) for line in (3, 4, 5, 6)]
    assert all(line["reason"] for line in found)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_format_of_a_customer_database_says_the_same(household: Commands, tmp_path: Path, ending: str) -> None:
    rows = [{"Customer": "ACC-1", "Phone": FIRST, "n": 1}, {"Customer": "ACC-1", "Phone": SECOND, "n": 2}]
    path = tmp_path / f"customers.{ending}"
    match ending:
        case "csv":
            path.write_text("Customer;Phone;n\n" + "".join(f"{r['Customer']};{r['Phone']};{r['n']}\n" for r in rows))
        case "jsonl":
            path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
    maps = ("--map", "account=Customer", "--map", "number=Phone")
    found = household.lines("gaps", "--accounts", str(path), *maps, code=1)
    assert ("never_linked", "+1416•••0102", "account:ACC-1") in kinds(found)
    assert household("gaps", "--accounts", str(path)).code == 2, "no column is guessed"


def test_what_was_found_is_exported(household: Commands, tmp_path: Path) -> None:
    household.lines("link", "ACC-2", SECOND, THIRD)
    household.json("grant", THIRD, *YES)
    household.json("revoke", SECOND, "--purpose", "marketing", "--reach", "contact")
    answer = household("gaps", "--out", str(tmp_path / "gaps.parquet"), "--strict")
    assert (answer.code, "1 partial" in answer.out) == (1, True)
    [row] = pq.read_table(tmp_path / "gaps.parquet").to_pylist()
    assert (row["gap"], row["opted_out"], row["reachable"]) == ("partial", ["+1416•••0102"], ["+1416•••0103"])
    assert "acme/sms/marketing.offers" in row["covers"]


def test_a_gateways_snapshot_is_asked_as_it_lies_there(commands: Commands, tmp_path: Path) -> None:
    commands.json("grant", FIRST, *YES)
    assert commands.lines("gaps") == []
    snapshot = commands.home / "replica.snapshot"
    behind = snapshot.rename(tmp_path / "behind.snapshot")
    no = commands.json("revoke", FIRST)
    assert commands.lines("gaps", "--snapshot", str(behind)) == [], "it is asked about what it can know"
    ref = commands.json("ref", FIRST)["ref"]
    commands.lines("gaps")
    with sqlite3.connect(commands.home / "projections.db") as db:
        assert db.execute("DELETE FROM states WHERE key = ?", (ref,)).rowcount == 1
    snapshot.unlink()
    commands("gaps")
    damaged = snapshot.rename(tmp_path / "damaged.snapshot")
    found = commands.lines("gaps", "--snapshot", str(damaged), code=1)
    assert {(line["gap"], line["copy"], *line["evidence"]) for line in found} == {
        ("uncovered", str(damaged), no["event_id"])
    }


def test_a_snapshot_that_is_none_of_this_ledger_is_refused(commands: Commands, tmp_path: Path) -> None:
    commands.json("revoke", FIRST)
    assert commands("gaps", "--snapshot", str(tmp_path / "none")).code == 2
    (tmp_path / "text").write_text("no snapshot")
    assert commands("gaps", "--snapshot", str(tmp_path / "text")).code == 2
    commands("gaps")
    of_this = (commands.home / "replica.snapshot").rename(tmp_path / "longer.snapshot")
    commands.environment.setenv("PREFLEDGER_HOME", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret").write_text((commands.home / "secret").read_text())
    (tmp_path / "other" / "secret").chmod(0o600)
    commands.json("ref", FIRST)
    answer = commands("gaps", "--snapshot", str(of_this))
    assert (answer.code, "another one" in answer.err) == (2, True)


class Gateway(BaseHTTPRequestHandler):
    """Answers `POST /v1/decisions` as a gateway does, always the same."""

    answer: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.extend(body["decisions"])
        said = orjson.dumps({"decisions": [self.answer for _ in body["decisions"]]})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *_: object) -> None:
        """Nothing."""


@contextmanager
def answering(**answer: object) -> Iterator[str]:
    """A gateway on loopback; what it was asked is in `Gateway.asked`."""
    Gateway.answer, Gateway.asked = dict(answer), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_gateway_that_lets_an_opted_out_number_pass_is_found_by_asking_it(
    household: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.running_gateway.PATIENCE_S", 0.1)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(allowed=True, reason="granted") as url:
        found = household.lines("gaps", "--gateway", url, code=1)
        assert {(line["gap"], line["contact"], line["copy"]) for line in found} == {("uncovered", "+1416•••0101", url)}
        assert {(one["contact"], one["log"]) for one in Gateway.asked} == {(FIRST, False)}
    with answering(allowed=False, reason="revoked_by_account") as url:
        assert household.lines("gaps", "--gateway", url) == []


def test_a_gateway_is_asked_about_those_whom_only_the_customer_database_knows(
    household: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.running_gateway.PATIENCE_S", 0.1)
    file = customers(tmp_path, f"account,number\nACC-1,{FIRST}\nACC-1,{THIRD}\n")
    with answering(allowed=True, reason="permitted_by_policy") as url:
        found = household.lines("gaps", "--gateway", url, "--accounts", file, code=1)
    assert ("uncovered", "+1416•••0103", "account:ACC-1") in kinds(found)


def test_somebody_who_was_erased_is_said_not_to_have_been_asked_about(household: Commands) -> None:
    household.json("erase", FIRST, "--yes")
    with answering(allowed=True, reason="granted") as url:
        answer = household("gaps", "--gateway", url)
    assert (answer.code, "was not asked about them" in answer.err) == (0, True)


def test_a_gateway_that_does_not_answer_is_a_service_away(household: Commands) -> None:
    assert household("gaps", "--gateway", "http://127.0.0.1:9").code == 3
    with answering(allowed=True) as url:
        assert household("gaps", "--gateway", url).code == 3, "an answer without a reason is none"


@pytest.mark.parametrize("url", ["http://gateway.example.org:8090", "http://192.0.2.7", "ftp://127.0.0.1", "gateway"])
def test_no_number_goes_in_clear_to_another_machine(url: str) -> None:
    with pytest.raises(InputError):
        ask_gateway(url, MemoryPeople(), {})
