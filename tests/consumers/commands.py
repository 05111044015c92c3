"""Runs commands of `prefledger` in this process, as a user would type them, on a ledger in a folder of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from consumers.cli.main import run

OFFERS = ("--channel", "sms", "--purpose", "marketing.offers")


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        [line] = self.lines
        return line

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one a line."""
        return [orjson.loads(line) for line in self.out.splitlines()]


class Commands:
    """`commands("revoke", "+14165550101")`; `commands.json(...)` adds --json and insists on exit code 0."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._capsys = capsys
        self.environment = monkeypatch
        for name in ("LEDGER_URL", "DATABASE_URL", "SECRET_FILE", "BRAND"):
            monkeypatch.delenv(f"PREFLEDGER_{name}", raising=False)
        monkeypatch.setenv("PREFLEDGER_HOME", str(home))
        monkeypatch.chdir(home.parent)

    def __call__(self, *arguments: str) -> Answer:
        """Runs one command."""
        self._capsys.readouterr()
        code = run(arguments)
        said = self._capsys.readouterr()
        return Answer(code, said.out, said.err)

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs one command with --json; it must end with the exit code."""
        answer = self(*arguments, "--json")
        assert answer.code == code, answer
        return answer.document

    def lines(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """As `json`, for a command that prints many objects."""
        answer = self(*arguments, "--json")
        assert answer.code == code, answer
        return answer.lines

    def reason(self, contact: str, *more: str, purpose: str = "marketing.offers") -> str:
        """The reason of a decision about a text message."""
        answer = self("decide", contact, "--channel", "sms", "--purpose", purpose, *more, "--json")
        assert answer.code == (0 if answer.document["allowed"] else 1)
        return str(answer.document["reason"])

    def policy(self, changes: Mapping[str, Any]) -> None:
        """Publishes the policy in force with some fields changed, as a version of its own."""
        policy = self.json("policy", "show") | {"version": "2", "effective_from": "2000-01-01T00:00:00Z"} | changes
        file = self.home.parent / "policy.json"
        file.write_bytes(orjson.dumps(policy))
        assert self("policy", "publish", str(file)).code == 0
