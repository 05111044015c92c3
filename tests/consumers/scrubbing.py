"""What the scrub's tests begin with: a small copy, a list with a row of every kind."""

import csv
from pathlib import Path

from consumers.replica import Replica
from consumers.scrub import Wanted
from projections.view import Store
from tests.consumers.asking import NOW, NUMBER, OTHER, REFERENCES, Facts

WANTED = Wanted(channel="sms", purpose="marketing.offers", at=NOW)
Row = dict[str, str]
ROWS: list[Row] = [
    {"name": "Ann, with a comma", "number": NUMBER},
    {"name": 'Bob "the quote"', "number": OTHER},
    {"name": "Two\nlines", "number": OTHER},
    {"name": "É", "number": "+33 6 12 34 56 78"},
    {"name": "", "number": ""},
    {"name": "x", "number": "12"},
]


def loaded(view: Store) -> Replica:
    replica = Replica.load(view, REFERENCES.fingerprint, bits=6)
    replica.is_current()
    return replica


def few() -> tuple[Replica, str]:
    """One number that said no, by this event, and one that said yes."""
    facts = Facts()
    no = facts.says("PreferenceRevoked", "number", NUMBER)
    facts.says("PreferenceGranted", "number", OTHER)
    return loaded(facts.view()), no


def as_csv(path: Path, rows: list[Row], **options: object) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)  # type: ignore[arg-type]
        writer.writeheader()
        writer.writerows(rows)
