"""`export current_preferences --as-of`: what the gate would have said then, by what is known now."""

import orjson

from tests.consumers.commands import OFFERS, Commands

GRANTS = (*OFFERS, "--brand", "acme", "--basis", "express")
A, B = "+14165550101", "+14165550102"


def states(commands: Commands, *more: str) -> list[tuple[str, str, str]]:
    assert commands("export", "current_preferences", "out.jsonl", *more).code == 0
    rows = map(orjson.loads, (commands.home.parent / "out.jsonl").read_bytes().splitlines())
    return sorted((row["scope"].rpartition("/")[2], row["state"], row["level"]) for row in rows)


def test_a_preference_is_as_it_was_at_each_time(commands: Commands, empty_url: str) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", empty_url)
    for arguments in (
        ("grant", A, *GRANTS, "--occurred-at", "2026-01-01T00:00:00Z"),
        ("link", "FAMILY", A, B, "--occurred-at", "2026-02-01T00:00:00Z"),
        ("revoke", "account:FAMILY", "--purpose", "marketing", "--occurred-at", "2026-03-01T00:00:00Z"),
        ("db", "upgrade"),
        ("projector", "run", "--once"),
    ):
        assert commands(*arguments).code == 0, arguments
    no = [("marketing", "revoked", "account")] * 2
    assert states(commands, "--as-of", "2025-12-31T00:00:00Z") == []
    assert states(commands, "--as-of", "2026-02-02T00:00:00Z") == [("marketing.offers", "granted", "own")]
    assert states(commands, "--as-of", "2026-03-01T00:00:00Z") == [*no, ("marketing.offers", "revoked", "account")]
    assert states(commands) == states(commands, "--as-of", "2026-03-01T00:00:00Z")
