"""Read models of a small story on either database, to be looked at as somebody to whom they were handed out."""

import shutil
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_models import READ_MODELS
from projections.sharing import HIDDEN
from tests.consumers.commands import OFFERS, Commands
from tests.databases import new_database

NUMBER, SISTER, FREE = "+14165550123", "+14165550124", "+33612345678"
ADDRESS = "jean.tremblay@example.org"
WORDS = "leave me alone, this is Jean Tremblay"
TOLD = "told"
MASKED = {"+1416•••0123", "+1416•••0124", "+3361•••5678"}


class HandedOut:
    """The read models at `url`, with their views: in a database on a server, or in the file of the data folder."""

    def __init__(self, commands: Commands, server: str | None, url: str | None = None) -> None:
        self.commands, self.server = commands, server
        file = f"sqlite:///{commands.home / 'read_models.db'}"
        self.url = url or (new_database(server) if server else file)
        self.use(self.url)

    def url_of(self, login: str) -> str:
        """The address for another login, which the server lets in without a password."""
        return sa.make_url(self.url).set(username=login).render_as_string(hide_password=False)

    def use(self, url: str) -> None:
        """What commands take for the database from now on."""
        self.commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)

    def tell(self) -> None:
        """A family of two numbers and an address, a number of no account, an opt-out in somebody's own words."""
        said = self.commands
        said.lines("link", "FAMILY", NUMBER, SISTER, f"email:{ADDRESS}")
        said.json("grant", SISTER, *OFFERS, "--basis", "express", "--actor", "person")
        said.json("revoke", NUMBER, "--evidence", WORDS, "--actor", f"person:{NUMBER}")
        said.json("revoke", "account:FAMILY", "--channel", "voice", "--actor", "agent:ada", "--procedure", "gone@1")
        said.json("revoke", FREE, "--actor", "system:web", "--occurred-at", "2026-03-01T09:59:59.999Z")

    def project(self, *sharing: str) -> dict[str, Any]:
        """Brings tables and views up to date."""
        self.commands.json("db", "upgrade")
        self.commands.json("projector", "run", "--once")
        return self.commands.json("db", "share", *sharing)

    def rows(self, query: str) -> list[Any]:
        """What a query of the owner's finds; `{base}`, `{beside}` and `{view}` begin the names of tables and views."""
        begins = ("read_models.", "sharing.", "analysis.") if self.server else ("", "", "analysis_")
        engine = engine_of(self.url)
        filled = query.format(base=begins[0], beside=begins[1], view=begins[2])
        try:
            with engine.connect() as connection:
                return list(connection.execute(sa.text(filled)))
        finally:
            engine.dispose()

    def as_login(self, login: str, *statements: str) -> list[tuple[Any, ...]]:
        """What a login of the server finds; raises what the server refuses it with."""
        with psycopg.connect(self.url_of(login), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def refused(self, login: str, *statements: str) -> str:
        """The SQLSTATE with which the server refuses a login the last of some statements."""
        try:
            self.as_login(login, *statements)
        except psycopg.Error as error:
            return str(error.sqlstate)
        raise AssertionError(f"{login} was let do {statements[-1]}")


def handed_out(commands: Commands, request: pytest.FixtureRequest, kind: str, changed: bool = True) -> HandedOut:
    """The story on either kind of database, handed out with masked numbers. It is told once and then copied.

    `changed`: the test changes the database; of a server those that do not share one.
    """
    kept = request.getfixturevalue("tmp_path_factory").getbasetemp() / f"told-{kind}"
    server = request.getfixturevalue("server") if kind == "postgresql" else None
    if not kept.exists():
        told = HandedOut(commands, server)
        told.tell()
        assert told.project("--masked-numbers")["masked"] == 3
        shutil.move(commands.home, kept)
        (kept / TOLD).write_text(told.url)
    shutil.copytree(kept, commands.home)
    if server is None:
        return HandedOut(commands, None)
    url = (kept / TOLD).read_text()
    return HandedOut(commands, server, new_database(server, str(sa.make_url(url).database)) if changed else url)


TABLES = [name for name in READ_MODELS.tables if name not in HIDDEN]
"""Of which there is a view."""
