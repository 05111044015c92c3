"""States of any shape as bytes: what stands of a subject; its parts where it has several, since a change brings one."""

from collections.abc import Mapping
from typing import Any

import orjson

from projections import history
from projections.history import Account, Contact, Hold, Said
from projections.membership import Moment, Spell
from projections.statement import Fields
from schemas.json_bytes import kept

Parts = dict[int, Fields]


def of_history(history: Contact | Account) -> bytes:
    """What stands of a subject that has one part: the next change brings the whole of it again."""
    return kept(history, default=tuple)


def of_parts(parts: Mapping[int, Fields]) -> bytes:
    """All parts of a subject, by number."""
    return kept({str(number): parts[number] for number in sorted(parts)})


def parts_of(payload: bytes) -> Parts | None:
    """The parts behind a payload; None where it holds what stands of a single part."""
    loaded = orjson.loads(payload)
    return {int(number): part for number, part in loaded.items()} if isinstance(loaded, dict) else None


def contact(payload: bytes) -> Contact:
    """What stands of a contact."""
    loaded = orjson.loads(payload)
    if isinstance(loaded, dict):
        return history.contact(list(loaded.values()))
    said, holds, accounts, reassigned = loaded
    return Contact(
        tuple(map(_said, said)),
        tuple(Hold(*hold) for hold in holds),
        tuple((name, tuple(map(_spell, spells))) for name, spells in accounts),
        tuple(reassigned),
    )


def account(payload: bytes) -> Account:
    """What stands of an account."""
    loaded = orjson.loads(payload)
    if isinstance(loaded, dict):
        return history.account(list(loaded.values()))
    said, holds = loaded
    return Account(tuple(map(_said, said)), tuple(Hold(*hold) for hold in holds))


def _said(fields: list[Any]) -> Said:
    revokes, scope, at, until, basis, event_id = fields
    return Said(revokes, tuple(scope), Moment(*at), until, basis, event_id)


def _spell(fields: list[Any]) -> Spell:
    joined, left = fields
    return Spell(joined, None if left is None else Moment(*left))
