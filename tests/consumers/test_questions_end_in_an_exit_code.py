"""A question about all of history ends in exit code 0 where it finds nothing, and in 1 where it finds what it asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumers.commands import OFFERS, Commands

NUMBER, SISTER = "+14165550101", "+14165550102"
QUESTIONS = {
    "gaps": ("gaps", "--strict"),
    "violations": ("violations",),
    "late": ("late", "--within", "1h", "--since", "said"),
    "procedures": ("procedures",),
}
BY_ADA = ("--actor", "agent:ada", "--purpose", "marketing", "--procedure")


@pytest.fixture
def clean(commands: Commands) -> Commands:
    """Two numbers of an account, one of which an agent opted out as the procedure in force says: and so the account."""
    commands.json("procedure", "publish", "opt-out@2", "--occurred-at", "2012-01-01T00:00:00Z")
    commands.json("procedure", "acknowledge", "opt-out@2", "--actor", "agent:ada")
    commands.lines("link", "HOME", NUMBER, SISTER)
    for number in (NUMBER, SISTER):
        commands.json("grant", number, *OFFERS, "--basis", "express")
    commands.json("decide", SISTER, *OFFERS, "--log", "--gateway", "sms-1")
    commands.json("revoke", NUMBER, *BY_ADA, "opt-out@2")
    return commands


def one_of_two_is_still_reachable(ledger: Commands) -> None:
    ledger.lines("link", "OTHER", "+14165550103", "+14165550104")
    ledger.json("grant", "+14165550104", *OFFERS, "--basis", "express")
    ledger.json("revoke", "+14165550103", "--actor", "person", "--reach", "contact")


def one_was_sent_to_after_its_no(ledger: Commands) -> None:
    ledger.json("grant", "+14165550103", *OFFERS, "--basis", "express")
    ledger.json("decide", "+14165550103", *OFFERS, "--at", "2030-01-01T00:00:00Z", "--log", "--gateway", "sms-1")
    ledger.json("revoke", "+14165550103")


def one_waited_for_years(ledger: Commands) -> None:
    ledger.json("revoke", "+14165550103", "--occurred-at", "2014-05-12T00:00:00Z")


def one_change_was_made_under_a_procedure_that_nobody_published(ledger: Commands) -> None:
    ledger.json("revoke", "+14165550103", *BY_ADA, "opt-out@1")


def codes(ledger: Commands) -> dict[str, int]:
    return {name: ledger(*question).code for name, question in QUESTIONS.items()}


def test_each_is_zero_where_all_was_done_as_it_should_be_and_tells_what_it_looked_at(clean: Commands) -> None:
    assert codes(clean) == dict.fromkeys(QUESTIONS, 0)
    assert "1 messages sent; 0 of them" in clean("violations").out
    assert "0 change(s) under a procedure not in force, 0 others affected" in clean("procedures").out
    [version] = clean.lines("procedures")
    assert (version["kind"], version["standing"], version["not_acknowledged_by"]) == ("version", "current", [])


@pytest.mark.parametrize(
    ("name", "happens"),
    [
        ("gaps", one_of_two_is_still_reachable),
        ("violations", one_was_sent_to_after_its_no),
        ("late", one_waited_for_years),
        ("procedures", one_change_was_made_under_a_procedure_that_nobody_published),
    ],
)
def test_each_is_one_for_what_it_asks_for_and_for_nothing_else(
    clean: Commands, name: str, happens: Callable[[Commands], None]
) -> None:
    happens(clean)
    assert codes(clean) == dict.fromkeys(QUESTIONS, 0) | {name: 1}


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_writes_its_list_where_one_is_asked_for_also_if_there_is_nothing_on_it(
    clean: Commands, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "found.csv"
    assert clean(*QUESTIONS[name], "--out", str(out)).code == 0
    header, *rows = out.read_text("utf-8").splitlines()
    assert "subject" in header or "account" in header
    assert len(rows) == (name == "procedures"), "versions are listed for whoever has to acknowledge them"
