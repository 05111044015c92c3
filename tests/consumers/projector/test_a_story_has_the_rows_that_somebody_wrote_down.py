"""One story and its rows, written out by hand: nothing here asks a fold, or what makes rows, what they should be."""

from typing import Any

import pytest

from consumers.projector.following import Projector
from consumers.projector.loading import load
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry
from projections.adapters.sql_read_models import SqlReadModels
from schemas.encoding import encode
from tests.databases import stored_rows
from tests.histories import make_event

T = 1_790_000_000_000
ANN, BEN, CAT, DAN = "a" * 32, "b" * 32, "c" * 32, "d" * 32
FAMILY, HOUSE, EMPTY = "1" * 32, "2" * 32, "3" * 32
ADA, BOB = "e" * 32, "f" * 32
SAID = {
    "actor": f"agent:{ADA}", "capture": {"source": "console", "procedure": "gone@1"}, "jurisdiction": "CA",
    "evidence": {"commitment": "5" * 64, "language": "fr-CA", "kind": "text"},
    "causation_id": "00000000-0000-7000-8000-000000000099", "flags": ["widened_purpose", "clamped_time"],
}  # fmt: skip
PLAIN = {"actor_kind": "system", "actor": "test", "source": "test", "by_free_text": False, "flags": ""}
SENDERS = ("operator", "operator:senders")


def id_of(place: int) -> str:
    """Of the event at a place of the story."""
    return f"00000000-0000-7000-8000-{place:012x}"


def place(**dimensions: str) -> dict[str, Any]:
    """A scope."""
    return {"scope": {"brand": "*", "channel": "*", "purpose": "*"} | dimensions}


# What is told at each place, and what the row of `events` has beside its place, its times and what PLAIN has.
STORY: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("ContactLinked", "number", ANN, {"account": FAMILY, "reason": "added"}, {"account": FAMILY, "reason": "added"}),
    ("ContactLinked", "number", BEN, {"account": FAMILY, "reason": "ported"}, {"account": FAMILY, "reason": "ported"}),
    ("ContactLinked", "email", CAT, {"account": FAMILY}, {"account": FAMILY, "reason": "added"}),
    ("ContactLinked", "number", BEN, {"account": HOUSE}, {"account": HOUSE, "reason": "added"}),
    ("ContactLinked", "number", DAN, {"account": HOUSE}, {"account": HOUSE, "reason": "added"}),
    (
        "PreferenceRevoked", "account", FAMILY, SAID | place(purpose="marketing"),
        {"actor_kind": "agent", "actor": ADA, "source": "console", "procedure_id": "gone", "procedure_version": "1",
         "evidence_kind": "text", "evidence_language": "fr-CA", "by_free_text": True, "jurisdiction": "CA",
         "brand": "*", "channel": "*", "purpose": "marketing", "flags": "widened_purpose,clamped_time",
         "causation_id": "00000000-0000-7000-8000-000000000099"},
    ),
    (
        "PreferenceGranted", "email", CAT,
        {"basis": "express", "valid_until": T + 90_000, "actor": f"person:{CAT}",
         "evidence": {"commitment": "6" * 64, "kind": "recording"}, **place(channel="email", purpose="service")},
        {"actor_kind": "person", "actor": CAT, "evidence_kind": "recording", "basis": "express",
         "valid_until": T + 90_000, "brand": "*", "channel": "email", "purpose": "service"},
    ),
    ("PreferenceRevoked", "number", BEN, place(brand="acme", channel="sms"),
     {"brand": "acme", "channel": "sms", "purpose": "*"}),
    ("PreferenceGranted", "number", DAN, {"basis": "implied"} | place(),
     {"basis": "implied", "brand": "*", "channel": "*", "purpose": "*"}),
    ("StatementCorrected", "number", DAN, {"corrects": id_of(8), "reason": "wrong-number"},
     {"about": id_of(8), "reason": "wrong-number"}),
    ("FollowUpOpened", "number", ANN, {"reason": "unclear", "holds": True, "due_at": T + 80_000},
     {"reason": "unclear"}),
    ("FollowUpAssigned", "number", ANN, {"follow_up": id_of(10), "assignee": ADA}, {"about": id_of(10)}),
    ("FollowUpAssigned", "number", ANN, {"follow_up": id_of(10), "assignee": BOB}, {"about": id_of(10)}),
    ("FollowUpResolved", "number", ANN, {"follow_up": id_of(10), "resolution": "called"},
     {"about": id_of(10), "reason": "called"}),
    ("FollowUpResolved", "number", ANN, {"follow_up": id_of(10)}, {"about": id_of(10), "reason": "done"}),
    ("FollowUpOpened", "operator", "operator:inbox", {"reason": "unread", "holds": False}, {"reason": "unread"}),
    ("SenderRegistered", *SENDERS, {"sender": "10001", "brand": "acme", "takes_replies": True},
     {"sender": "10001", "brand": "acme"}),
    ("SenderRegistered", *SENDERS, {"sender": "20002", "brand": "acme", "takes_replies": False},
     {"sender": "20002", "brand": "acme"}),
    ("SenderVerified", *SENDERS, {"sender": "20002"}, {"sender": "20002"}),
    ("SenderRegistered", *SENDERS, {"sender": "Acmé", "brand": "mobile", "takes_replies": False},
     {"sender": "Acmé", "brand": "mobile"}),
    ("SenderVerified", *SENDERS, {"sender": "Acmé"}, {"sender": "Acmé"}),
    ("SenderSuspended", *SENDERS, {"sender": "Acmé", "reason": "spoofed"}, {"sender": "Acmé", "reason": "spoofed"}),
    ("SenderVerified", *SENDERS, {"sender": "40004"}, {"sender": "40004"}),
    ("SenderRegistered", *SENDERS, {"sender": "50005", "brand": "old", "takes_replies": True},
     {"sender": "50005", "brand": "old"}),
    ("SenderSuspended", *SENDERS, {"sender": "50005"}, {"sender": "50005", "reason": "suspended"}),
    ("SenderRegistered", *SENDERS, {"sender": "50005", "brand": "acme", "takes_replies": False},
     {"sender": "50005", "brand": "acme"}),
    ("ContactLinked", "number", ANN, {"account": EMPTY}, {"account": EMPTY, "reason": "added"}),
    ("ContactUnlinked", "number", ANN, {"account": EMPTY}, {"account": EMPTY, "reason": "closed"}),
    ("PreferenceRevoked", "account", EMPTY, place(), {"brand": "*", "channel": "*", "purpose": "*"}),
    ("ProcedurePublished", "operator", "operator:procedures", {"procedure": "gone@1"},
     {"procedure_id": "gone", "procedure_version": "1"}),
    ("TrafficHalted", "operator", "operator:traffic", place(channel="sms"),
     {"brand": "*", "channel": "sms", "purpose": "*"}),
]  # fmt: skip


def at(place: int) -> int:
    """When the event at a place was said: a tenth of a second before it came, which was one before it was recorded."""
    return T + 1_000 * place


@pytest.fixture
def log() -> MemoryLog:
    """The story."""
    now = T
    log = MemoryLog(1, clock=lambda: now)
    for number, (kind_of_event, kind, subject, said, _) in enumerate(STORY):
        now = at(number) + 200
        times = {"occurred_at": at(number), "received_at": at(number) + 100}
        envelope = {"kind": kind, "subject": subject, "event_id": id_of(number), "idempotency_key": f"{number:032x}"}
        event = make_event(kind_of_event, **(times | envelope | said))
        log.append([Entry(subject, encode(event), event.event_id, event.idempotency_key, event.content)])
    return log


EVENTS = [
    {
        **PLAIN, "partition": 0, "offset": place, "event_id": id_of(place), "type": type_, "kind": kind,
        "subject": subject, "occurred_at": at(place), "received_at": at(place) + 100, "recorded_at": at(place) + 200,
        **row,
    }
    for place, (type_, kind, subject, _, row) in enumerate(STORY)
]  # fmt: skip
FOLLOW_UPS = [
    (id_of(10), "number", ANN, "unclear", True, at(10), T + 80_000, BOB, at(12), at(13), "called"),
    (id_of(15), "operator", "operator:inbox", "unread", False, at(15), None, None, None, None, None),
]
SENDERS_THEN = [
    ("10001", "registered", "acme", True, at(16), None, None),
    ("20002", "verified", "acme", False, at(17), at(18), None),
    ("40004", "unregistered", None, None, None, at(22), None),
    ("50005", "registered", "acme", False, at(25), None, at(24)),
    ("Acmé", "suspended", "mobile", False, at(19), at(20), at(21)),
]
COVERAGE = [
    (FAMILY, "*/*/marketing", "*", "*", "marketing", at(5), 3, 3, 0),  # it is opted out, and so is each of its three
    (FAMILY, "acme/sms/*", "acme", "sms", "*", None, 3, 1, 2),  # only Ben said so, of himself
    (HOUSE, "*/*/marketing", "*", "*", "marketing", None, 2, 1, 1),  # Ben again, who is in the family as well
    (HOUSE, "acme/sms/*", "acme", "sms", "*", None, 2, 1, 1),
]
ACCOUNTS = [(FAMILY, at(0) + 200, 3), (HOUSE, at(3) + 200, 2), (EMPTY, at(26) + 200, 0)]
NUMBERS = [
    (ANN, FAMILY, at(0), None, "number"), (ANN, EMPTY, at(26), at(27), "number"), (BEN, FAMILY, at(1), None, "number"),
    (BEN, HOUSE, at(3), None, "number"), (CAT, FAMILY, at(2), None, "email"), (DAN, HOUSE, at(4), None, "number"),
]  # fmt: skip
MARKETING, SMS, SERVICE = ("*", "*", "marketing"), ("acme", "sms", "*"), ("*", "email", "service")
BY_ACCOUNT = (*MARKETING, "revoked", "account", FAMILY, id_of(5), at(5), None)
CURRENT = [
    (ANN, "*/*/marketing", "number", *BY_ACCOUNT),
    (BEN, "*/*/marketing", "number", *BY_ACCOUNT),
    (CAT, "*/*/marketing", "email", *BY_ACCOUNT),
    (BEN, "acme/sms/*", "number", *SMS, "revoked", "own", BEN, id_of(7), at(7), None),
    (CAT, "*/email/service", "email", *SERVICE, "granted", "own", CAT, id_of(6), at(6), T + 90_001),
]
HISTORY = [
    (FAMILY, "*/*/marketing", at(5), None, "account", *MARKETING, "revoked", "own", id_of(5), at(5) + 200),
    (EMPTY, "*/*/*", at(28), None, "account", "*", "*", "*", "revoked", "own", id_of(28), at(28) + 200),
    (BEN, "acme/sms/*", at(7), None, "number", *SMS, "revoked", "own", id_of(7), at(7) + 200),
    (CAT, "*/email/service", at(6), T + 90_001, "email", *SERVICE, "granted", "own", id_of(6), at(6) + 200),
    (CAT, "*/email/service", T + 90_001, None, "email", *SERVICE, "expired", "own", id_of(6), at(6) + 200),
]


def told(url: str) -> dict[str, Any]:
    """The rows that are there; of events only what is said."""
    events = [{name: value for name, value in row._asdict().items() if value is not None} for row in
              stored_rows(url, "events")]  # fmt: skip
    return {"events": sorted(events, key=lambda row: row["offset"])} | {
        table: sorted(map(tuple, stored_rows(url, table)), key=repr)
        for table in (
            "follow_ups", "senders", "account_coverage", "accounts", "account_numbers", "current_preferences",
            "preference_history", "rejected",
        )
    }  # fmt: skip


WRITTEN = {
    table: sorted(rows, key=repr)
    for table, rows in (
        ("follow_ups", FOLLOW_UPS), ("senders", SENDERS_THEN), ("account_coverage", COVERAGE), ("accounts", ACCOUNTS),
        ("account_numbers", NUMBERS), ("current_preferences", CURRENT), ("preference_history", HISTORY),
        ("rejected", []),
    )
}  # fmt: skip


def check(url: str) -> None:
    """Table by table."""
    found = told(url)
    assert len(EVENTS) == len(STORY) == 31
    for row, written in zip(found["events"], EVENTS, strict=True):
        assert row == written
    for table, rows in WRITTEN.items():
        assert found[table] == rows, table


def test_turn_by_turn(log: MemoryLog, models: SqlReadModels, url: str) -> None:
    Projector(log, models, clock=lambda: T + 60_000).once()
    check(url)


def test_loaded_at_once(log: MemoryLog, models: SqlReadModels, url: str) -> None:
    load(log, models, clock=lambda: T + 60_000)
    check(url)
