"""A row becomes requests: one for each subject that it names. What is doubtful about an opt-out is left to the
recorder, which widens and flags; what is doubtful about anything else, or about whom it means, rejects the row.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import phonenumbers

from consumers.importing.mapping import Mapping
from consumers.importing.options import ACTIONS, BASES, REASONS, SUBJECTS, Options
from ledger.requests import Alike, Grant, Link, Origin, Reassign, Request, Revoke, Unlink
from schemas.errors import InputError, TimeError, shown
from schemas.number import parse_number
from schemas.scope import EVERYTHING
from schemas.subject import Subject, account, address
from schemas.times import parse_time

Said = dict[str, str]
ANYBODY: Final = Subject("number", "")  # of a statement that is yet to be said of somebody
STATEMENTS: Final = 4_096
ENDED: Final = 0  # a moment before any statement: an end that cannot be read is no end, and is flagged


class HalfUnderstood(InputError):
    """An opt-out names several subjects and not all can be understood: `requests` are for those that can."""

    def __init__(self, error: InputError, requests: list[Request | Alike]) -> None:
        super().__init__(f"{error} (for the others that the row names it was recorded)")
        self.requests = requests


class Rows:
    """Makes the requests of one file's rows; all share the import's origin."""

    def __init__(self, mapping: Mapping, options: Options, digest: str, origin: Origin, now: int) -> None:
        self._mapping = mapping
        self._region = options.region
        self._zone = options.zone
        self._grant_brand = options.grant_brand
        self._digest = digest
        self._now = now
        self._origin = origin
        self._origin_of = lru_cache(1024)(self._make_origin)
        self._statements: dict[object, Revoke | Grant] = {}

    def requests(self, cells: Sequence[str]) -> list[Request | Alike]:
        """What a row asks to be recorded. Raises InputError, naming column and value, for a row that is rejected."""
        rest = self._mapping.rest(cells)
        statement = self._statements.get(rest) or self._statement(cells)
        if statement is None:
            return [self._membership(self._mapping.fields(cells))]
        if len(self._statements) >= STATEMENTS:
            self._statements.clear()
        self._statements[rest] = statement
        about = self._mapping.about(cells)
        if isinstance(statement, Grant):
            return [Alike(self._only(about, "a grant"), statement)]
        return self._of_all(about, statement)

    def _statement(self, cells: Sequence[str]) -> Revoke | Grant | None:
        """What a row says, whomever it says it of: most rows of a list say the same."""
        said = self._mapping.fields(cells)
        action = said.get("action", "").lower()
        match action:
            case "revoke":
                return self._revoke(said)
            case "grant":
                return self._grant(said)
            case "link" | "unlink" | "reassign":
                return None
        if not action:
            raise InputError("no action is given, and none is guessed; write revoke, grant, link, unlink or reassign")
        raise InputError(f"{self._at('action')}: {shown(said['action'])} is none of {', '.join(ACTIONS)}")

    def moment(self, cells: Sequence[str]) -> int | None:
        """When the row says that it happened; None where it does not, or not so that it can be read."""
        try:
            return self._time(self._mapping.fields(cells), "occurred_at")
        except TimeError:
            return None

    def _of_all(self, about: Said, statement: Revoke) -> list[Request | Alike]:
        subjects, wrong = self._understood(about)
        if not subjects:
            raise wrong or InputError(NOBODY)
        requests: list[Request | Alike] = [Alike(subject, statement) for subject in subjects]
        if wrong:
            raise HalfUnderstood(wrong, requests)
        return requests

    def _revoke(self, said: Said) -> Revoke:
        occurred, unclear = self._lenient(said, "occurred_at")
        until, endless = self._lenient(said, "valid_until")
        brand, channel, purpose = scope = self._scope(said)
        return Revoke(
            subject=ANYBODY, origin=self._origin_for(said), occurred_at=occurred, time_unclear=unclear,
            idempotency_key=self._key("revoke", said, scope, occurred), evidence=said.get("evidence"),
            brand=brand, channel=channel, purpose=purpose, valid_until=ENDED if endless else until, reach="contact",
        )  # fmt: skip

    def _grant(self, said: Said) -> Grant:
        for name in ("channel", "purpose", "basis", "occurred_at"):
            if name not in said:
                raise InputError(f"a grant says its {name}, and this row does not")
        brand = said.get("brand") or self._grant_brand
        if brand is None:
            raise InputError("a grant says its brand, and this row does not")
        occurred = self._strict(said, "occurred_at")
        scope = (brand, said["channel"], said["purpose"])
        return Grant(
            subject=ANYBODY, origin=self._origin_for(said), occurred_at=occurred, evidence=said.get("evidence"),
            basis=self._word(said, "basis", BASES),  # type: ignore[arg-type]
            brand=brand, channel=said["channel"], purpose=said["purpose"],
            valid_until=self._strict(said, "valid_until"), idempotency_key=self._key("grant", said, scope, occurred),
        )  # fmt: skip

    def _membership(self, said: Said) -> Request:
        action = said["action"].lower()
        occurred = self._strict(said, "occurred_at")
        origin, evidence = self._origin_for(said), said.get("evidence")
        if action == "reassign":
            key = self._key(action, said, (), occurred)
            subject = self._only(said, "a reassignment")
            return Reassign(
                subject=subject, origin=origin, occurred_at=occurred, evidence=evidence, idempotency_key=key
            )
        if "account" not in said:
            raise InputError("a link is between an account and a number or address; this row names no account")
        belongs = self._parsed("account", said)
        contact = self._only({name: text for name, text in said.items() if name != "account"}, f"a row with {action}")
        reason = self._word(said, "reason", REASONS) if "reason" in said else None
        make: type[Link | Unlink] = Link if action == "link" else Unlink
        return make(
            subject=contact, account=belongs, origin=origin, occurred_at=occurred, evidence=evidence,
            idempotency_key=self._key(action, said, (belongs.id,), occurred), **({"reason": reason} if reason else {}),  # type: ignore[arg-type]
        )  # fmt: skip

    # -- whom it is about

    def _understood(self, said: Said) -> tuple[list[Subject], InputError | None]:
        """The subjects of an opt-out, the account first, and what is wrong with one that cannot be understood."""
        subjects: list[Subject] = []
        wrong = None
        for kind in ("account", "number", "email"):
            if kind in said:
                try:
                    subjects.append(self._parsed(kind, said))
                except InputError as error:
                    wrong = wrong or error
        return subjects, wrong

    def _only(self, said: Said, what: str) -> Subject:
        kinds = [kind for kind in SUBJECTS if kind in said]
        if not kinds:
            raise InputError(NOBODY)
        if len(kinds) > 1:
            raise InputError(f"{what} names one subject, and this row a {' and a '.join(kinds)}; split it into rows")
        return self._parsed(kinds[0], said)

    def _parsed(self, kind: str, said: Said) -> Subject:
        text = said[kind]
        try:
            match kind:
                case "number":
                    return Subject("number", parse_number(text, self._region_for(said)))
                case "account":
                    return Subject("account", account(text))
            return Subject("email", address(text))
        except InputError as error:
            raise InputError(f"{self._at(kind)}: {error}") from None

    def _region_for(self, said: Said) -> str | None:
        """A region that is none must not keep an international number from being read."""
        region = said.get("region")
        return region if region and region.upper() in phonenumbers.SUPPORTED_REGIONS else self._region

    # -- its other fields

    def _scope(self, said: Said) -> tuple[str, str, str]:
        return said.get("brand", EVERYTHING), said.get("channel", EVERYTHING), said.get("purpose", EVERYTHING)

    def _time(self, said: Said, name: str) -> int | None:
        return parse_time(said[name], self._zone) if name in said else None

    def _lenient(self, said: Said, name: str) -> tuple[int | None, bool]:
        try:
            return self._time(said, name), False
        except TimeError:
            return None, True

    def _strict(self, said: Said, name: str) -> int | None:
        try:
            return self._time(said, name)
        except TimeError as error:
            raise InputError(f"{self._at(name)}: {error}") from None

    def _word(self, said: Said, name: str, words: Sequence[str]) -> str:
        if said[name].lower() not in words:
            raise InputError(f"{self._at(name)}: {shown(said[name])} is none of {', '.join(words)}")
        return said[name].lower()

    def _key(self, action: str, said: Said, what: tuple[str, ...], occurred: int | None) -> str:
        """The key where the file gives none; the ledger adds the subject to it.

        What carries no date is news with every edition of a list, so its key holds the file's digest: a number that
        opted in since is opted out again by its new listing. A date to come is no date. What carries one is the same
        statement in whatever file it stands.
        """
        if given := said.get("idempotency_key"):
            return given
        if occurred is None or occurred > self._now:
            return f"import/{self._digest}/{action}/{what}"
        return f"dated/{action}/{what}/{occurred}/{said.get('source', self._origin.source)}"

    def _origin_for(self, said: Said) -> Origin:
        get = said.get
        return self._origin_of(get("actor"), get("source"), get("procedure"), get("language"), get("region"))

    def _make_origin(
        self, actor: str | None, source: str | None, procedure: str | None, language: str | None, region: str | None
    ) -> Origin:
        return replace(
            self._origin,
            actor=actor or self._origin.actor,
            source=source or self._origin.source,
            procedure=procedure,
            language=language,
            jurisdiction=region,
        )

    def _at(self, name: str) -> str:
        return self._mapping.column_of(name)


NOBODY: Final = "the row names nobody: no number, no account, no address"
