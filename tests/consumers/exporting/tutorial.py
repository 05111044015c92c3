"""The ledger of `docs/tutorial-data.md`: autumn at a small sender, built by the product's own commands.

`python -m tests.consumers.exporting.tutorial` writes the answers into the page anew.
"""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from consumers.bootstrap.extracts import open_extracts
from consumers.cli.main import run
from consumers.settings import Settings
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_models import DECISIONS, ENFORCEMENT, EVENTS
from projections.extracts import Extracts
from schemas.times import DAY, parse_time, rfc3339

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tutorial-data.md"
WITHOUT_SERVER = "## Without any server"
"""Begins the part of the page whose answers are DuckDB's."""
PAIR = re.compile(r"```sql\n(?P<sql>.*?)```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)
SEPTEMBER = parse_time("2026-09-01T08:00:00Z")
OCTOBER = parse_time("2026-10-01T08:00:00Z")
END = parse_time("2026-11-01T00:00:00Z")
NUMBERS = [f"+1416555{place:04}" for place in range(100, 190)]
SIZES = (9, 7, 6, 5, 5, *[3] * 12)
SCOPE = {"brand": "acme", "purpose": "marketing.offers"}
WORDS = ("Please leave me alone.", "I told you twice: no more of these.", "arrêtez vos promos svp")
FIELDS = ("action", "number", "account", "brand", "channel", "purpose", "basis", "occurred_at", "source", "evidence")
CALLS = ((2, "phone@1"), (19, "phone@1"), (27, "phone@1"), (30, "phone@1"))
"""On these days of October an agent takes a call, by a procedure that nobody published."""


def build(folder: Path, urls: Sequence[str]) -> None:
    """Makes the ledger in a folder, and the read models of it at each of the URLs."""
    with _at_home(folder):
        _told(END - 2 * DAY, "import", str(_history(folder / "history.csv")))
        for day, procedure in CALLS:
            caller = ("revoke", NUMBERS[-day], "--actor", "agent:ada", "--procedure", procedure, "--source", "phone")
            _told(OCTOBER + (day - 1) * DAY, *caller)
        for url in urls:
            os.environ["PREFLEDGER_DATABASE_URL"] = url
            _told(END, "db", "upgrade")
            _told(END, "projector", "run", "--once")
            _gateways(url)


@contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret").write_text(bytes(range(32)).hex())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFLEDGER_")}
    settings = {"PREFLEDGER_HOME": str(folder), "PREFLEDGER_SECRET_FILE": str(folder / "secret")}
    with patch.dict(os.environ, kept | settings, clear=True):
        yield


def _told(at: int, *arguments: str) -> None:
    """Runs a command at a time: all clocks of the product read this one."""
    with patch("time.time_ns", lambda: at * 1_000_000), redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        code = run(arguments)
    assert code == 0, (arguments, code)


def _history(path: Path) -> Path:
    rng = Random(6)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for row in _rows(rng):
            writer.writerow(row | {"occurred_at": rfc3339(row["occurred_at"])})
    return path


def _rows(rng: Random) -> Iterator[dict[str, Any]]:
    accounts = [f"C-{place:03}" for place, size in enumerate(SIZES) for _ in range(size)]
    for place, (number, account) in enumerate(zip(NUMBERS, accounts, strict=False)):
        joined = SEPTEMBER + place * 3_600_000
        yield {"action": "link", "number": number, "account": account, "occurred_at": joined, "source": "crm"}
    for number in NUMBERS:
        channel = rng.choice(("sms", "sms", "sms", "voice"))
        yes = SCOPE | {"action": "grant", "number": number, "channel": channel, "basis": "express"}
        said = SEPTEMBER + rng.randrange(28 * DAY)
        yield yes | {"occurred_at": said, "source": rng.choice(("back-to-school", "loyalty", "web-shop"))}
        if rng.random() < 0.4:
            no = {"action": "revoke", "number": number, "channel": rng.choice(("*", channel)), "purpose": "marketing"}
            moment = OCTOBER + rng.randrange(24 * DAY)
            words = rng.choice(WORDS) if rng.random() < 0.35 else ""
            yield no | {
                "occurred_at": moment,
                "source": "sms-reply" if channel == "sms" else "phone",
                "evidence": words,
            }
            if rng.random() < 0.3:
                yield yes | {"occurred_at": moment + rng.randrange(1, 5) * DAY, "source": "web-shop"}
    for account in ("C-001", "C-005", "C-009"):
        moment = OCTOBER + rng.randrange(20 * DAY)
        yield {
            "action": "revoke",
            "account": account,
            "purpose": "marketing",
            "occurred_at": moment,
            "source": "letter",
        }
    for number in NUMBERS[40:44]:
        yield {"action": "reassign", "number": number, "occurred_at": OCTOBER + 26 * DAY, "source": "numbering-plan"}


def _gateways(url: str) -> None:
    """What two gateways would have told of these opt-outs, and two hours of what they answered."""
    engine, rng = engine_of(url), Random(11)
    query = sa.select(EVENTS.c.event_id, EVENTS.c.occurred_at, EVENTS.c.recorded_at)
    with engine.begin() as connection:
        opt_outs = connection.execute(
            query.where(EVENTS.c.type == "PreferenceRevoked").order_by(EVENTS.c.occurred_at, EVENTS.c.offset)
        ).all()
        told = [
            {"event_id": event_id, "gateway": gateway, "requested_at": said, "recorded_at": recorded}
            | ({"enforced_at": None, "lag_ms": None} if rng.random() < 0.03 else _lag(rng, recorded, slowest))
            for event_id, said, recorded in opt_outs
            for gateway, slowest in (("dialler", 4_000), ("sms-1", 1_500))
        ]
        connection.execute(sa.insert(ENFORCEMENT), told)
        connection.execute(sa.insert(DECISIONS), list(_decided(rng)))
    engine.dispose()


def _lag(rng: Random, recorded: int, slowest: int) -> dict[str, int]:
    lag = rng.randrange(120, slowest)
    return {"enforced_at": recorded + lag, "lag_ms": lag}


def _decided(rng: Random) -> Iterator[dict[str, Any]]:
    answers = (
        ("allowed", "granted"), ("denied", "no_consent"), ("denied", "revoked_by_account"),
        ("denied", "revoked_by_number"),
    )  # fmt: skip
    of = {"gateway": "sms-1", "channel": "sms", "purpose": "marketing.offers"}
    for hour in (9, 10):
        for answer, reason in answers:
            at = END - DAY + hour * 3_600_000
            yield of | {"hour": at, "answer": answer, "reason": reason, "count": rng.randrange(5, 900)}


def answered(extracts: Extracts, sql: str) -> str:
    """The answer as the page shows it."""
    with extracts.query(sql) as extract:
        rows = [row for batch in extract.batches for row in batch.to_pylist()]
        return shown(extract.schema.names, [list(row.values()) for row in rows], extract.times)


def shown(names: Sequence[str], rows: Sequence[Sequence[Any]], times: frozenset[str]) -> str:
    """Rows under their names; times by their day and minute."""
    cells = [list(names)] + [
        [_cell(name, value, times) for name, value in zip(names, row, strict=True)] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells
    )


def _cell(name: str, value: Any, times: frozenset[str]) -> str:  # noqa: ANN401  # whatever an answer holds
    if value is None:
        return "-"
    if name in times:
        return rfc3339(value)[:10] if value % DAY == 0 else rfc3339(value)[:16].replace("T", " ")
    return str(value)


def main() -> None:
    """Writes the page's answers anew."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/read_models.db"
        build(Path(folder) / "home", [url])
        with open_extracts(Settings(database_url=url)) as extracts:
            questions, heading, rest = PAGE.read_text("utf-8").partition(WITHOUT_SERVER)
            text = PAIR.sub(
                lambda pair: f"```sql\n{pair['sql']}```\n\n```text\n{answered(extracts, pair['sql'])}```", questions
            )
    PAGE.write_text(text + heading + rest, "utf-8")


if __name__ == "__main__":
    main()
