"""Who may see views only exports views: the same names, pseudonyms for references, times that are times."""

import orjson

from tests.consumers.commands import Commands
from tests.consumers.projector.handed_out import HandedOut


def test_an_analyst_gets_the_views_and_no_more(commands: Commands, server: str) -> None:
    shared = HandedOut(commands, server)
    shared.tell()
    shared.project()
    for arguments in (("roles",), ("grant", "analyst", "exporting_ann", "--statement-s", "1")):
        assert commands("db", *arguments, "--apply").code == 0
    refs = {row.subject for row in shared.rows("SELECT subject FROM {base}account_numbers")}
    shared.use(shared.url_of("exporting_ann"))

    def exported(*arguments: str) -> list[dict[str, object]]:
        answer = commands("export", *arguments)
        assert answer.code == 0, answer.err
        file = next(argument for argument in arguments if argument.endswith(".jsonl"))
        return [orjson.loads(line) for line in (commands.home.parent / file).read_bytes().splitlines()]

    rows = exported("account_numbers", "all.jsonl")
    assert len(rows) == len(refs) == 3
    assert not refs & {row["subject"] for row in rows}
    assert all(str(row["joined_at"]).endswith("Z") for row in rows)
    assert exported("account_numbers", "then.jsonl", "--as-of", "2020-01-01T00:00:00Z") == []
    assert len(exported("events", "by_then.jsonl", "--as-of", "2026-03-01T10:00:00Z")) < len(
        exported("events", "e.jsonl")
    )
    [answer] = exported("asked.jsonl", "--query", "SELECT min(occurred_at) AS first_at, count(*) AS n FROM events")
    assert str(answer["first_at"]).endswith("Z")
    for wrong, why in [
        ("SELECT * FROM read_models.events", "permission denied"),
        ("SELECT count(*) FROM generate_series(1, 1000000000)", "statement timeout"),
    ]:
        refused = commands("export", "no.csv", "--query", wrong)
        assert (refused.code, why in refused.err) == (2, True), refused.err
    assert commands("export", "current_preferences", "no.csv", "--as-of", "2026-01-01T00:00:00Z").code == 2
    assert not (commands.home.parent / "no.csv").exists()
