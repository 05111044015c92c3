"""An event as one row of `events`. Pure."""

from typing import Any, Final, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic cannot use typing's own before Python 3.12

from ledger.log import Recorded
from projections.statement import Fields
from schemas.encoding import newest
from schemas.envelope import Capture, EventId, Evidence
from schemas.policy import Code
from schemas.scope import EVERYTHING
from schemas.times import Millis

Row = tuple[Any, ...]
FREE_TEXT: Final = "text"
"""The kind of evidence that a person's own words are."""


class Around(TypedDict):
    """What an event carries that no state keeps."""

    received_at: Millis
    actor: str
    capture: Capture
    evidence: NotRequired[Evidence]
    jurisdiction: NotRequired[str]
    causation_id: NotRequired[EventId]
    flags: NotRequired[list[str]]
    reason: NotRequired[Code]


_AROUND = TypeAdapter(Around).validator
_NOT_SAID: Final = Around(received_at=0, actor="unknown:", capture=Capture(source="unknown"))


def clean(text: str) -> str:
    """A text that any database takes: PostgreSQL has none with a NUL in it."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def event_row(recorded: Recorded, event: Fields) -> Row:
    """The row of a stored event; `event` is what the fold reads of it."""
    around = _around(recorded.value)
    actor_kind, _, actor = around["actor"].partition(":")
    procedure = event.get("procedure") or around["capture"].procedure or ""
    procedure_id, _, procedure_version = procedure.partition("@")
    evidence, scope = around.get("evidence"), event.get("scope")
    return (
        *recorded.position,
        *(event["event_id"], event["type"], event["kind"], event["subject"]),
        min(event["occurred_at"], recorded.recorded_at), around["received_at"] or recorded.recorded_at,
        recorded.recorded_at,
        clean(actor_kind), clean(actor), around["capture"].source,
        procedure_id or None, procedure_version or None,
        evidence.kind if evidence else None, evidence.language if evidence else None,
        evidence is not None and evidence.kind == FREE_TEXT,
        around.get("jurisdiction"),
        *_paths(event, scope),
        event.get("basis"), event.get("valid_until"), event.get("account"),
        event.get("corrects") or event.get("follow_up"),
        _reason(event, around),
        _cleaned(event.get("sender")),
        around.get("causation_id"), clean(",".join(around.get("flags", ()))),
    )  # fmt: skip


def _reason(event: Fields, around: Around) -> str | None:
    """Of a correction too, whose reason changes nothing and so is in no state."""
    said: str | None = event.get("reason") or event.get("resolution")
    return around.get("reason") if event["type"] == "StatementCorrected" else said


def _paths(event: Fields, scope: Fields | None) -> tuple[str | None, str | None, str | None]:
    if scope is None:
        return _cleaned(event.get("brand")), None, None
    said = scope.get
    return said("brand", EVERYTHING), said("channel", EVERYTHING), said("purpose", EVERYTHING)


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _around(value: bytes) -> Around:
    """What another writer left out or garbled is not said: the fold counts the event, so it is shown all the same."""
    try:
        retired = newest(value)
        around: Around = _AROUND.validate_json(value) if retired is None else _AROUND.validate_python(retired)
    except (ValidationError, ValueError):
        return _NOT_SAID
    return around
