"""What every event carries, whatever it says: who, how it came in, on what evidence, under which key."""

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uuid_utils
from pydantic import ValidationError

from ledger import leniency
from ledger.errors import RefusedError
from ledger.log import Entry
from ledger.people import Identity, Words
from ledger.reference import References
from ledger.requests import Origin
from schemas.encoding import content_digest, decode, first_line
from schemas.envelope import Flag
from schemas.errors import InputError, shown
from schemas.events import EVENT_TYPES, Event
from schemas.subject import parse_contact

SALT_BYTES = 16
ACTOR = re.compile(r"(person|agent):([^\n\ud800-\udfff]{1,200})|(system|import|regulator):([A-Za-z0-9._-]{1,64})")
NO_CONTENT = "0" * 32
VERSIONS = {name: model.model_fields["schema_version"].default for name, model in EVENT_TYPES.items()}
Fields = dict[str, Any]


class Printed(NamedTuple):
    """The one event of a draft in its stored form only (`ledger/stencil.py`)."""

    entry: Entry
    flags: tuple[Flag, ...]


@dataclass(slots=True)
class Draft:
    """What one request becomes: events in the order in which they are appended, and what they need beside the log.

    `main` is the index of the event that the request is about; those before it are what it reaches besides, those
    after it follow-ups. `keys` are the idempotency keys as given, one an event. Where there is only the `printed`
    form, `events` are empty until somebody unfolds it.
    """

    given_key: str
    lenient: bool = False
    main: int = 0
    events: list[Event] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    printed: Printed | None = None
    identities: list[Identity] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The flags of the event that the request is about."""
        return self.printed.flags if self.printed else self.events[self.main].flags

    def unfold(self) -> None:
        """Makes the event of the printed form."""
        if self.printed:
            self.events, self.printed = [decode(self.printed.entry.value)], None


def new_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and in the order of its making."""
    return str(uuid_utils.uuid7())


def finished(fields: Fields) -> Event:
    """The event of these fields, with its version and the digest of its content. Raises RefusedError.

    The digest is of the stored form, with all that the model adds to what was said (a reason that was left out), so
    that a reader who knows only that form comes to the same.
    """
    fields = {name: value for name, value in fields.items() if value is not None}
    fields |= {"schema_version": VERSIONS[fields["type"]], "content": NO_CONTENT}
    try:
        event = EVENT_TYPES[fields["type"]].model_validate(fields)
    except ValidationError as error:
        raise RefusedError(f"it makes no {fields['type']}: {first_line(error)}; nothing was recorded") from None
    return event.model_copy(update={"content": content_digest(event.model_dump(mode="json", exclude_none=True))})


class Stamp:
    """Completes events under one secret. Lenient drafts (opt-outs) lose what is malformed; others are refused."""

    def __init__(self, references: References) -> None:
        self.references = references

    def put(self, draft: Draft, fields: Fields, origin: Origin, evidence: str | None, key: str | None = None) -> Event:
        """Adds an event to a draft: `fields` plus origin, evidence, idempotency key, id and content digest."""
        key = key or draft.given_key
        fields = {"event_id": new_id(), **fields}
        fields["idempotency_key"] = self.references.of("key", f"{fields['subject']}/{key}")
        self._put_origin(fields, origin, draft)
        self._put_evidence(fields, evidence, origin.language, draft)
        event = finished(fields)
        draft.events.append(event)
        draft.keys.append(key)
        return event

    def _put_origin(self, fields: Fields, origin: Origin, draft: Draft) -> None:
        lenient = draft.lenient
        source = leniency.well_formed(leniency.CODE, origin.source, "source code", "unknown", lenient)
        label = leniency.well_formed(leniency.PROCEDURE, origin.procedure, "procedure (NAME@VERSION)", None, lenient)
        place = origin.jurisdiction and origin.jurisdiction.upper()
        fields["capture"] = {"source": source} | ({"procedure": label} if label else {})
        fields["jurisdiction"] = leniency.well_formed(leniency.JURISDICTION, place, "jurisdiction", None, lenient)
        fields["actor"] = self.actor(origin.actor, fields["subject"], draft)
        together = leniency.well_formed(leniency.EVENT_ID, origin.correlation_id, "correlation id", None, lenient)
        fields["correlation_id"] = together or fields.get("correlation_id")

    def actor(self, actor: str, subject: str, draft: Draft) -> str:
        """Who acts as it is stored, by reference; the name behind it is added to the draft. Raises RefusedError."""
        if actor == "person" and not subject.startswith("operator:"):
            return f"person:{subject}"
        match = ACTOR.fullmatch(actor)
        if match is None:
            if draft.lenient:
                return "system:unknown"
            raise RefusedError(
                f"{shown(actor)} is no actor; write person, agent:ID, system:ID, import:ID or regulator:ID"
            )
        if match[1] is None:
            return actor
        return f"{match[1]}:{self._acting(draft, match[1], match[2])}"

    def _acting(self, draft: Draft, kind: str, id_: str) -> str:
        # A person who is named by number or address is that contact: one reference, so that one erasure reaches both.
        if kind == "person":
            with suppress(InputError):
                return self.name(draft, *parse_contact(id_))
        return self.name(draft, kind, id_)

    def name(self, draft: Draft, kind: str, id_: str, renews: bool = False) -> str:
        """The reference of an identifier, which itself goes to the identities beside the log."""
        ref = self.references.of(kind, id_)
        draft.identities.append(Identity(ref, kind, id_, renews))
        return ref

    def _put_evidence(self, fields: Fields, text: str | None, language: str | None, draft: Draft) -> None:
        if not text:
            return
        salt = os.urandom(SALT_BYTES)
        words = text.encode("utf-8", "replace")
        tag = leniency.well_formed(leniency.LANGUAGE, language, "language tag", None, draft.lenient)
        commitment = hashlib.sha256(salt + words).hexdigest()
        fields["evidence"] = {"commitment": commitment} | ({"language": tag} if tag else {})
        draft.words.append(Words(fields["subject"], fields["event_id"], salt, words.decode()))
