"""Canada, 2014: an account of which only the primary number was opted out, under a procedure already withdrawn."""

import pytest

from tests.consumers.commands import OFFERS, Commands

FAMILY = [f"+1416555010{number}" for number in range(1, 6)]
OTHERS = ["+16045550111", "+16045550112"]
SIXTH = "+14165550106"
BY_ADA = ("--actor", "agent:ada", "--procedure", "opt-out@1", "--reach", "contact", "--purpose", "marketing")


@pytest.fixture
def case(commands: Commands) -> Commands:
    """Everybody said yes; then staff opted out two primary numbers under a withdrawn procedure."""
    commands.json("procedure", "publish", "opt-out@1", "--occurred-at", "2012-01-01T00:00:00Z")
    commands.json("procedure", "publish", "opt-out@2", "--occurred-at", "2014-03-01T00:00:00Z")
    commands.json("procedure", "withdraw", "opt-out@1", "--occurred-at", "2014-03-01T00:00:00Z")
    commands.lines("link", "FAMILY", *FAMILY, "--occurred-at", "2013-01-01T00:00:00Z")
    commands.lines("link", "OTHER", *OTHERS, "--occurred-at", "2013-01-01T00:00:00Z")
    for number in (*FAMILY, *OTHERS, SIXTH):
        commands.json("grant", number, *OFFERS, "--basis", "express", "--occurred-at", "2013-01-02T00:00:00Z")
    for number in (FAMILY[0], OTHERS[0]):
        receipt = commands.json("revoke", number, *BY_ADA, "--occurred-at", "2014-05-12T00:00:00Z")
        assert receipt["flags"] == ["procedure_withdrawn"]
        assert receipt["also"] == []
    return commands


def account_revoked(case: Commands) -> dict[str, object]:
    return case.json("revoke", "account:FAMILY", "--purpose", "marketing", "--occurred-at", "2014-06-01T00:00:00Z")


def test_offers_still_pass_to_the_other_four_and_the_audit_says_so(case: Commands) -> None:
    assert case.reason(FAMILY[0]) == "revoked_by_number"
    assert {case.reason(number) for number in FAMILY[1:]} == {"granted"}
    partial = case.lines("gaps", "--strict", code=1)
    assert {(gap["gap"], gap["account"]) for gap in partial} == {
        ("partial", "account:FAMILY"),
        ("partial", "account:OTHER"),
    }
    [family] = [gap for gap in partial if gap["account"] == "account:FAMILY"]
    assert family["opted_out"] == ["+1416•••0101"]
    assert sorted(family["reachable"]) == [f"+1416•••010{number}" for number in range(2, 6)]
    assert case("gaps").code == 0, "partial gaps are to be looked at, uncovered ones are failures"


def test_the_procedure_audit_names_the_change_who_made_it_and_who_else_is_affected(case: Commands) -> None:
    found = case.lines("procedures", code=1)
    steps = [line for line in found if line["kind"] == "misstep"]
    assert {(step["subject"], step["actor"], step["procedure"], step["standing"]) for step in steps} == {
        ("+1416•••0101", "agent:ada", "opt-out@1", "withdrawn"),
        ("+1604•••0111", "agent:ada", "opt-out@1", "withdrawn"),
    }
    [current] = [line for line in found if line["kind"] == "version" and line["standing"] == "current"]
    assert current["not_acknowledged_by"] == ["agent:ada"]


def test_a_follow_up_asks_a_person_to_look_at_the_rest(case: Commands) -> None:
    waiting = case.lines("follow-ups", "list")
    assert [one["reason"] for one in waiting] == ["procedure_withdrawn", "procedure_withdrawn"]
    assert {one["subject"] for one in waiting} == {"+1416•••0101", "+1604•••0111"}


def test_one_event_on_the_account_denies_all_five(case: Commands) -> None:
    event = account_revoked(case)["event_id"]
    assert case.reason(FAMILY[0]) == "revoked_by_number"
    for number in FAMILY[1:]:
        answer = case("decide", number, *OFFERS, "--json").document
        assert (answer["reason"], answer["evidence"]) == ("revoked_by_account", [event])


def test_a_sixth_number_linked_a_year_later_is_denied(case: Commands) -> None:
    account_revoked(case)
    assert case.reason(SIXTH) == "granted"
    case.lines("link", "FAMILY", SIXTH, "--occurred-at", "2015-06-01T00:00:00Z")
    assert case.reason(SIXTH) == "revoked_by_account"


def test_one_that_leaves_the_account_stays_denied_until_it_says_yes_itself(case: Commands) -> None:
    account_revoked(case)
    case.lines("unlink", "FAMILY", FAMILY[1], "--occurred-at", "2015-09-01T00:00:00Z")
    assert case.reason(FAMILY[1]) == "revoked_by_account"
    case.json("grant", FAMILY[1], *OFFERS, "--basis", "express", "--actor", "person")
    assert case.reason(FAMILY[1]) == "granted"


def test_in_the_end_there_are_no_gaps_and_the_timeline_tells_it_in_order(case: Commands) -> None:
    account_revoked(case)
    case.json("revoke", OTHERS[0], "--actor", "agent:ben", "--procedure", "opt-out@2", "--purpose", "marketing")
    assert case.lines("gaps", "--strict") == []
    told = case.lines("timeline", FAMILY[1])
    assert [line["type"] for line in told] == ["ContactLinked", "PreferenceGranted", "PreferenceRevoked"]
    assert [line["via"] for line in told] == [None, None, "account:FAMILY"]
    assert [line["recorded_at"] for line in told] == sorted(line["recorded_at"] for line in told)
    assert case.json("replay")["differences"] == []


def test_staff_reach_the_whole_account_where_nobody_says_otherwise(case: Commands) -> None:
    receipt = case.json("revoke", FAMILY[2], "--actor", "agent:ben", "--procedure", "opt-out@2")
    assert len(receipt["also"]) == 1
    assert {case.reason(number) for number in (FAMILY[1], FAMILY[3])} == {"revoked_by_account"}
