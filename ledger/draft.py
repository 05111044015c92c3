"""Turns a request into events, identities and evidence. Nothing is stored here; `ledger/record.py` does that."""

from dataclasses import replace

from ledger import leniency
from ledger.errors import RefusedError, UnavailableError
from ledger.past import Past, Standing
from ledger.reference import References
from ledger.requests import (
    Amend,
    Erase,
    Grant,
    Link,
    OpenFollowUp,
    Operate,
    Origin,
    Reassign,
    Request,
    Revoke,
    Unlink,
)
from ledger.stamp import Draft, Fields, Stamp, new_id
from schemas.envelope import Flag
from schemas.events import (
    OPERATOR_INBOX,
    ContactLinked,
    ContactUnlinked,
    Event,
    FollowUpOpened,
    NumberReassigned,
    PreferenceGranted,
    PreferenceRevoked,
    StatementCorrected,
)

CORRECTABLE = (
    PreferenceGranted, PreferenceRevoked, StatementCorrected, ContactLinked, ContactUnlinked, NumberReassigned,
)  # fmt: skip


class Drafter:
    """Drafts requests under one secret; asks the past through its port."""

    def __init__(self, references: References, past: Past) -> None:
        self._references = references
        self._stamp = Stamp(references)
        self._past = past

    def draft(self, request: Request | Operate, now: int) -> Draft:
        """Events for a request, checked, widened and flagged. Raises InputError where it is refused."""
        match request:
            case Operate():
                return self._operate(request, now)
            case Revoke():
                return self._revoke(request, now)
        occurred, _ = leniency.moment(request.occurred_at, request.time_unclear, now, lenient=False)
        draft = Draft(request.idempotency_key or new_id())
        details = self._details(request, occurred, draft)
        self._say(draft, request, {"occurred_at": occurred, "received_at": now, **details})
        return draft

    def _say(self, draft: Draft, request: Request, fields: Fields) -> Event:
        """The event about the request's own subject, whose identity is kept beside the log."""
        kind, id_ = request.subject
        if isinstance(request, Erase):
            ref = self._references.of(kind, id_)
        else:
            # After an erasure only the person's own yes lets us keep who it is; a list that says so does not.
            renews = isinstance(request, Grant) and not request.origin.actor.startswith("import:")
            ref = self._stamp.name(draft, kind, id_, renews)
        return self._stamp.put(draft, {"kind": kind, "subject": ref, **fields}, request.origin, request.evidence)

    # -- a revocation: never refused, and it may reach more than one subject

    def _revoke(self, request: Revoke, now: int) -> Draft:
        draft = Draft(request.idempotency_key or new_id(), lenient=True)
        occurred, clamped = leniency.moment(request.occurred_at, request.time_unclear, now, lenient=True)
        until, ended = leniency.end(request.valid_until, occurred, lenient=True)
        scope, doubts = self._checked(request, occurred, lenient=True)
        accounts, unknown = self._reached(request, occurred, now)
        flags = list(dict.fromkeys((*clamped, *ended, *doubts, *unknown)))
        fields = {
            "type": "PreferenceRevoked", "occurred_at": occurred, "received_at": now, "flags": flags,
            "scope": scope, "valid_until": until, "correlation_id": new_id() if accounts else None,
        }  # fmt: skip
        event = self._say(draft, request, fields)
        if accounts:
            self._also_revoke(draft, accounts, event, request.origin)
        for flag in flags if request.origin.follow_up_each else ():
            self._follow_up(draft, event, flag)
        return draft

    def _reached(self, request: Revoke, occurred: int, now: int) -> tuple[list[str], list[Flag]]:
        """Who asks staff to stop speaks for the customer; who texts STOP speaks for a handset (policy may differ)."""
        if not request.subject.is_contact:
            return [], []
        try:
            if (request.reach or self._default_reach(request.origin, occurred)) == "contact":
                return [], []
            ref = self._references.of_subject(request.subject)
            # The accounts of then and of now: a late-entered opt-out must not miss a link made meanwhile.
            return sorted({*self._past.accounts_of(ref, occurred), *self._past.accounts_of(ref, now)}), []
        except UnavailableError:
            return [], ["past_unknown"]

    def _default_reach(self, origin: Origin, at: int) -> str:
        reach = self._past.policy(at).reach
        return {"agent": reach.agent, "person": reach.person}.get(origin.actor.partition(":")[0], "contact")

    def _also_revoke(self, draft: Draft, accounts: list[str], event: Event, origin: Origin) -> None:
        """One event for each account, before the contact's own, so that a crash between them leaves the wider one."""
        said = event.model_dump(include={"type", "scope", "valid_until", "flags", "occurred_at", "received_at"})
        for account in accounts:
            fields = {"kind": "account", "subject": account, "causation_id": event.event_id, **said}
            as_said = replace(origin, correlation_id=event.correlation_id)
            self._stamp.put(draft, fields, as_said, None, f"{draft.given_key}/{account}")
        draft.events.append(draft.events.pop(0))
        draft.keys.append(draft.keys.pop(0))
        draft.main = len(accounts)

    def _follow_up(self, draft: Draft, event: Event, reason: str) -> None:
        fields: Fields = {
            "type": "FollowUpOpened", "kind": event.kind, "subject": event.subject, "reason": reason, "holds": False,
            "occurred_at": event.received_at, "received_at": event.received_at,
            "correlation_id": event.correlation_id, "causation_id": event.event_id,
        }  # fmt: skip
        ledger = Origin(actor="system:ledger", source="ledger")
        self._stamp.put(draft, fields, ledger, None, f"{draft.given_key}#{reason}")

    def conflicted(self, draft: Draft, place: int) -> Draft:
        """An event of a revocation's draft under a key of its own, flagged: it must not vanish behind another's key.

        The key is made of the content, so that a retry finds it again.
        """
        event = draft.events[place]
        again = Draft(f"{draft.keys[place]}#{event.content}", lenient=True)
        key = self._references.of("key", f"{event.subject}/{again.given_key}")
        flags = (*event.flags, "key_conflict")
        again.events.append(event.model_copy(update={"idempotency_key": key, "flags": flags}))
        again.keys.append(again.given_key)
        self._follow_up(again, event, "key_conflict")
        return again

    # -- everything else about a contact or an account

    def _details(self, request: Request, occurred: int, draft: Draft) -> Fields:
        match request:
            case Grant(basis=basis):
                scope, _ = self._checked(request, occurred, lenient=False)
                until, _ = leniency.end(request.valid_until, occurred, lenient=False)
                return {"type": "PreferenceGranted", "scope": scope, "valid_until": until, "basis": basis}
            case Link():
                return {"type": "ContactLinked", "account": self._account(request, draft), "reason": request.reason}
            case Unlink():
                return {"type": "ContactUnlinked", "account": self._account(request, draft), "reason": request.reason}
            case Reassign() if request.subject.is_contact:
                return {"type": "NumberReassigned"}
            case Erase():
                return {"type": "SubjectErased"}
            case OpenFollowUp(reason=reason, holds=holds, due_at=due_at):
                return {"type": "FollowUpOpened", "reason": reason, "holds": holds, "due_at": due_at}
        raise RefusedError(f"{request.subject.masked} cannot be reassigned: only a contact can; nothing was recorded")

    def _account(self, request: Link | Unlink, draft: Draft) -> str:
        if not request.subject.is_contact or request.account.kind != "account":
            raise RefusedError("a link is between an account and a contact (a number or an address)")
        return self._stamp.name(draft, *request.account)

    def _checked(self, request: Revoke | Grant, at: int, lenient: bool) -> tuple[dict[str, str], list[Flag]]:
        """Scope and procedure against the past. An opt-out whose past is not to be had is taken as it was given."""
        said = {"brand": request.brand, "channel": request.channel, "purpose": request.purpose}
        try:
            scope, widened = leniency.scope(said, self._past.policy(at), lenient)
            return scope, widened + self._procedure_flags(request.origin, at, lenient)
        except UnavailableError:
            if not lenient:
                raise
            scope, widened = leniency.scope(said, None, lenient)
            return scope, [*widened, "past_unknown"]

    def _procedure_flags(self, origin: Origin, at: int, lenient: bool) -> list[Flag]:
        label = origin.procedure
        standing: Standing = self._past.procedure(label, at) if label else "unknown"
        return leniency.procedure(label, origin.actor.startswith("agent:"), standing, lenient)

    # -- the operator's own, and what is about another event

    def _operate(self, request: Operate, now: int) -> Draft:
        draft = Draft(request.idempotency_key or new_id(), lenient=request.type == "FollowUpOpened")
        occurred, _ = leniency.moment(request.occurred_at, False, now, lenient=draft.lenient)
        fields = {"type": request.type, "kind": "operator", "subject": request.subject, **request.details}
        if agent := fields.get("agent"):
            fields["agent"] = self._stamp.name(draft, "agent", agent)
        fields |= {"occurred_at": occurred, "received_at": now}
        self._stamp.put(draft, fields, request.origin, request.evidence)
        return draft

    def amend(self, request: Amend, named: Event, taken_out: Event | None, now: int) -> Draft:
        """An event about another event of the same subject: a correction, an assignment, a resolution.

        `taken_out` is what a correction of `named` takes out in the end: itself, or what another correction reinstated.
        """
        self._allow(request, named, taken_out)
        draft = Draft(request.idempotency_key or new_id())
        occurred, _ = leniency.moment(request.occurred_at, False, now, lenient=False)
        fields = {"type": request.type, "kind": named.kind, "subject": named.subject, **request.details}
        if assignee := fields.get("assignee"):
            fields["assignee"] = self._stamp.name(draft, "agent", assignee)
        naming = "corrects" if request.type == "StatementCorrected" else "follow_up"
        fields |= {"occurred_at": occurred, "received_at": now, naming: named.event_id}
        self._stamp.put(draft, fields, request.origin, request.evidence)
        return draft

    def _allow(self, request: Amend, named: Event, taken_out: Event | None) -> None:
        what = f"event {named.event_id} ({named.type})"
        if request.type != "StatementCorrected":
            if not isinstance(named, FollowUpOpened):
                raise RefusedError(f"{what} is no follow-up; nothing was recorded")
            return
        if not isinstance(named, CORRECTABLE):
            raise RefusedError(f"{what} cannot be corrected, only statements and links can; nothing was recorded")
        if isinstance(taken_out, PreferenceRevoked) and request.role != "corrector":
            raise RefusedError(
                f"correcting {what} takes out an opt-out, which needs the role corrector; nothing was recorded"
            )


def not_understood(said: str, why: str, origin: Origin, key: str | None) -> Operate:
    """An opt-out whose subject cannot be understood: a person looks at it, in the operator's inbox."""
    details = {"reason": "subject_not_understood", "holds": False}
    return Operate(
        type="FollowUpOpened", subject=OPERATOR_INBOX, details=details, origin=origin,
        idempotency_key=key and f"{key}#inbox", evidence=f"{said}\n{why}",
    )  # fmt: skip
