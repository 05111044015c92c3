"""An event that is valid but out of place (a type where it does not belong, a kind that is not its subject's) is kept,
and changes no answer: whoever managed to write it must not stop every decision with it."""

from typing import Any

import orjson
import pytest

from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from projections.log_view import LogView
from projections.past import PastOfView
from projections.view import OPERATOR_SUBJECTS, Histories
from schemas.encoding import encode
from schemas.events import EVENT_TYPES, OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_SENDERS, OPERATOR_TRAFFIC
from tests import controls
from tests.projections.folding import asked
from tests.reference_model import Message

ASKS = [
    Message(controls.NUMBER_REF, "sms", purpose, "acme", "CA", sender, controls.NOW + 100)
    for purpose in ("marketing.offers", "service", "emergency")
    for sender in (None, "12345", "unheard-of")
]


def told(*values: bytes) -> MemoryLog:
    """A log with a policy, a sender, a halt that ended and a procedure, and then these."""
    usual = ("PolicyPublished", "SenderRegistered", "SenderVerified", "TrafficHalted", "ProcedurePublished")
    log = MemoryLog(clock=lambda: controls.NOW + 50)
    for number, value in enumerate([*(encode(controls.BARE[name]) for name in usual), *values]):
        unique = controls.event_id(number)
        log.append([Entry(orjson.loads(value)["subject"], value, unique, unique, unique)])
    return log


def answers(log: MemoryLog) -> list[Any]:
    """All that decisions and the door ask of the operator's subjects, from a store and from the log."""
    store = MemoryView()
    catch_up(log, store)
    said: list[Any] = []
    for view in (store, LogView(log)):
        histories, past = Histories(view), PastOfView(lambda: view)  # noqa: B023  # asked before the next one
        said += [asked(view, ask, histories) for ask in ASKS]
        said += [past.policy(controls.NOW).label, past.procedure("opt-out@2", controls.NOW)]
    return said


@pytest.mark.parametrize(
    ("type_", "subject"),
    [
        (name, subject)
        for name in EVENT_TYPES
        for subject in OPERATOR_SUBJECTS
        if controls.BARE[name].subject != subject
    ],
)
def test_a_type_that_does_not_belong_to_a_subject_of_the_operators_changes_no_answer(type_: str, subject: str) -> None:
    event = controls.BARE[type_]
    strange = orjson.loads(encode(event)) | {"subject": subject, "event_id": controls.event_id(500)}
    for kind in ("operator", "number"):
        assert answers(told(orjson.dumps(strange | {"kind": kind}))) == answers(told())


@pytest.mark.parametrize("type_", [name for name in EVENT_TYPES if controls.BARE[name].kind == "operator"])
def test_a_type_that_does_not_belong_to_a_contact_changes_no_answer(type_: str) -> None:
    strange = orjson.loads(encode(controls.BARE[type_])) | {"subject": controls.NUMBER_REF, "kind": "number"}
    assert answers(told(orjson.dumps(strange))) == answers(told())


def test_the_usual_events_do_change_the_answers() -> None:
    subjects = {OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_SENDERS, OPERATOR_TRAFFIC}
    assert {recorded.key for recorded in told().read(0)} == subjects
    assert answers(told()) != answers(MemoryLog())


@pytest.mark.parametrize("type_", ["PreferenceRevoked", "TrafficHalted"])
@pytest.mark.parametrize("said", [{}, {"purpose": "service"}, {"channel": "sms"}])
def test_a_path_that_another_writer_left_out_of_a_scope_is_everything(type_: str, said: dict[str, str]) -> None:
    full = {"brand": "*", "channel": "*", "purpose": "*"} | said
    subject = {"subject": controls.NUMBER_REF, "kind": "number"} if type_ == "PreferenceRevoked" else {}
    unique = {"event_id": controls.event_id(500), "idempotency_key": "ab" * 16}
    event = orjson.loads(encode(controls.BARE[type_])) | unique | subject
    short, whole = (answers(told(orjson.dumps(event | {"scope": scope}))) for scope in (said, full))
    assert short == whole
    assert short != answers(told())
