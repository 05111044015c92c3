"""Injection attempts in every text that goes into a statement of the projector's: it names itself, and nobody else."""

from collections.abc import Iterator
from itertools import combinations

import orjson
import pytest

from consumers.projector import decisions
from ledger.decisions import Stored
from projections.adapters.sql_read_models import SqlReadModels, SqlTurn
from projections.rows.coverage import Alike
from tests.contracts.decisions import decision
from tests.databases import stored_rows
from tests.histories import START

SEPARATED = ["a\x1fb", "\x1f"]
"""What several values are joined by on their way to PostgreSQL: these must not be taken for two."""
NASTY = [
    "'; DROP TABLE accounts; --", "x' OR '1'='1", '"; DELETE FROM states; --', "') UNION SELECT name FROM marks; --",
    "%", "_", "%s %(x)s :name $1", "a,b", "{a,b}", "NULL", "\\", "\\.", "a\tb\nc", '["a"]', "a;b", "é🎉", *SEPARATED,
]  # fmt: skip
BYSTANDERS = ["a", "b", "x", "name"]
EVERYWHERE = ("*", "*", "*")


def own(name: str) -> str:
    """The account of a contact's own, as nasty as its name."""
    return f"account of {name}"


@pytest.fixture
def turn(models: SqlReadModels) -> Iterator[SqlTurn]:
    """A turn in which every name has one row of each kind; what it leaves is committed."""
    with models.turn() as turn:
        for name in (*NASTY, *BYSTANDERS):
            account, event = own(name), f"event of {name}"
            turn.add("accounts", [(account, 7, 1)])
            turn.add("account_numbers", [(name, account, 5, None, "number")])
            said = (account, "*/*/*", 6, None, "account", *EVERYWHERE, "revoked", "own", event, 6)
            turn.add("preference_history", [said])
            held = (name, "*/*/*", "number", *EVERYWHERE, "revoked", "account", account, event, 6, None)
            turn.add("current_preferences", [held])
        yield turn


def asked_for() -> Iterator[list[str]]:
    """Each alone, some pairs of them, and all at once."""
    yield from ([name] for name in NASTY)
    yield from map(list, combinations([*SEPARATED, "a", "%"], 2))
    yield NASTY


def test_what_is_asked_for_is_found_and_nothing_else(turn: SqlTurn) -> None:
    for names in asked_for():
        accounts = list(map(own, names))
        assert turn.memberships(names) == {name: [own(name)] for name in names}
        assert turn.members_of(accounts) == set(names)
        assert turn.accounts_of(names) == set(accounts)
        assert turn.heard_of(accounts) == dict.fromkeys(accounts, 7)
        assert turn.opted_out(accounts, 6) == {account: {"*/*/*": 6} for account in accounts}
        assert turn.opted_out(accounts, 5) == {}
        alike = [Alike((("*/*/*", "revoked"),), 1)]
        assert dict(turn.members_alike(accounts)) == dict.fromkeys(accounts, alike)
        assert set(turn.rows("accounts", "subject", accounts)) == {(account, 7, 1) for account in accounts}
        assert turn.memberships(accounts) == {} == turn.heard_of(names)


def test_what_is_left_or_removed_is_its_own_and_nobody_elses(turn: SqlTurn) -> None:
    everybody = {(own(name), 7, 1) for name in (*NASTY, *BYSTANDERS)}
    for name in NASTY:
        account = own(name)
        assert set(turn.leave("accounts", "subject", [account], [(account, 7, 2)]).before) == {(account, 7, 1)}
        found = turn.rows("accounts", "subject", [own(one) for one in (*NASTY, *BYSTANDERS)])
        assert set(found) == everybody - {(account, 7, 1)} | {(account, 7, 2)}
        turn.leave("accounts", "subject", [account], [(account, 7, 1)])
    for names in ([name] for name in NASTY):
        turn.remove("account_numbers", "subject", names)
        assert turn.memberships(names) == {}
    assert set(turn.memberships(BYSTANDERS)) == set(BYSTANDERS)
    assert set(turn.leave("accounts", "subject", list(map(own, NASTY)), []).before) == everybody - {
        (own(name), 7, 1) for name in BYSTANDERS
    }
    assert turn.all_accounts() == set(map(own, BYSTANDERS))


class Log:
    """A log of decisions in which anybody may have written anything."""

    def __init__(self, values: list[bytes]) -> None:
        self._values = values

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Stored]:
        assert until is None
        yield from (Stored(START, bytes(16), value) for value in self._values if since <= START)


def test_a_decision_of_a_nasty_gateway_or_reason_is_none_and_a_nasty_channel_is_a_channel(
    models: SqlReadModels, url: str
) -> None:
    texts = [*NASTY, "nul\0here"]
    values = [decision(channel=text, purpose=text).model_dump_json().encode() for text in texts]
    for field in ("gateway", "reason"):
        for text in texts:
            said = decision().model_dump(mode="json") | {field: text}
            values.append(orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS))
    values.append(decision().model_dump_json().encode())
    decisions.look(Log(values), models, clock=lambda: START)
    rows = stored_rows(url, "decisions")
    assert {row.gateway for row in rows} == {"sms-1", "NULL"}, "which is a name as good as any"
    assert {row.reason for row in rows} == {"revoked_by_number"}
    offers = ("sms", "marketing.offers")
    wanted = {(text.replace("\0", "\ufffd"),) * 2 for text in texts} | {offers}
    assert {(row.channel, row.purpose) for row in rows} == wanted
    assert [row.count for row in rows] == [1] * (len(wanted) + 1)
