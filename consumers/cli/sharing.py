"""`db roles`, `db grant`, `db share`: who may see what of the read models."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.cli.options import Json, opened
from consumers.cli.output import either
from consumers.settings import load
from ledger.errors import NotALedgerError
from projections.sharing import Limits, Role

if TYPE_CHECKING:
    from consumers.opened import Ledger
    from projections.sharing import Sharing

Apply = Annotated[bool, typer.Option("--apply", help="Run it, as the login of PREFLEDGER_DATABASE_URL.")]
DEFAULTS = Limits()


def add_to(group: typer.Typer) -> None:
    """Adds the commands of this file to the group `db`."""
    for command in (roles, grant, share):
        group.command()(command)


def roles(apply: Apply = False, json: Json = False) -> None:
    """SQL that makes the roles of PostgreSQL and what each may read or write; as often as wanted."""
    from consumers.bootstrap.sharing import open_roles

    with closing(open_roles(load())) as found:
        statements = found.roles()
        if apply:
            found.apply(statements)
    _show(statements, apply, json, "The roles are there, each with its rights.")


def grant(
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="analyst, auditor or projector.")],
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Made where it is missing, without a password.")],
    masked_numbers: Annotated[bool, typer.Option("--masked-numbers", help="It may see masked numbers too.")] = False,
    statement_s: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="Longest query.")] = DEFAULTS.statement_s,
    connections: Annotated[int, typer.Option(min=1, help="At once.")] = DEFAULTS.connections,
    apply: Apply = False,
    json: Json = False,
) -> None:
    """SQL that makes a login of PostgreSQL a member of a role, with limits; again to change them."""
    from consumers.bootstrap.sharing import open_roles

    limits = DEFAULTS._replace(statement_s=statement_s, connections=connections)
    with closing(open_roles(load())) as found:
        statements = found.grant(role, login, limits, masked_numbers)
        if apply:
            found.apply(statements)
    _show(statements, apply, json, f"{login} is a member of {role}.")


def _show(statements: list[str], applied: bool, json: bool, done: str) -> None:
    words = [done] if applied else [f"{statement};" for statement in statements]
    either(json, {"statements": statements, "applied": applied}, words)


def share(
    masked_numbers: Annotated[bool, typer.Option("--masked-numbers", help="Also mask numbers and keep them.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="The key is a new one: everybody gets a new pseudonym.")] = False,
    json: Json = False,
) -> None:
    """Make the views for analysts, and give everybody in them who has none a pseudonym; as often as wanted."""
    with opened() as ledger:
        sharing = ledger.open_sharing()
        if sharing is None:
            raise NotALedgerError("there are no read models yet; run prefledger db upgrade")
        with closing(sharing):
            named, masked = _shared(ledger, sharing, masked_numbers, anew)
    words = [
        f"The views are made; {named:,} more have a pseudonym.",
        *([f"{masked:,} more numbers are masked."] * masked_numbers),
    ]
    either(json, {"named": named, "masked": masked}, words)


def _shared(ledger: "Ledger", sharing: "Sharing", masked_numbers: bool, anew: bool) -> tuple[int, int]:
    from consumers.bootstrap.sharing import pseudonyms
    from consumers.sharing import mask_numbers

    if not sharing.is_there():
        raise NotALedgerError("the database holds no read models yet; run prefledger db upgrade")
    sharing.prepare()
    named = sharing.name(pseudonyms(ledger.settings).of, anew)
    return named, mask_numbers(ledger.people, sharing) if masked_numbers else 0
