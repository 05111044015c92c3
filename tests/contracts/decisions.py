"""What all decision logs keep to. An adapter's test makes a subclass with a `decisions` fixture."""

import os
import time
from collections.abc import Iterator

import pytest
import uuid_utils

from ledger.decisions import Decisions, UnreadableDecisionError
from schemas.distributed import LoggedDecision

PROCESS = str(uuid_utils.uuid7())


def ref() -> str:
    """A reference that nobody has used."""
    return os.urandom(16).hex()


def decision(of: str | None = None, **said: object) -> LoggedDecision:
    """A decision about somebody."""
    fields: dict[str, object] = {
        "decision_id": str(uuid_utils.uuid7()), "gateway": "sms-1", "process": PROCESS, "kind": "number",
        "subject": of or ref(), "channel": "sms", "purpose": "marketing.offers", "brand": "acme", "sender": None,
        "jurisdiction": "CA", "at": 1_790_000_000_000, "allowed": False, "reason": "revoked_by_number",
        "rule": "most-restrictive@1", "policy": "default@1", "evidence": [str(uuid_utils.uuid7())],
        "watermark": {0: 4711, 11: 0}, "staleness_ms": 200,
    }  # fmt: skip
    return LoggedDecision.model_validate(fields | said)


def at_a_later_moment() -> int:
    """A time (ms) at which everything before was logged already, and nothing of what comes will be."""
    time.sleep(0.02)
    at = time.time_ns() // 1_000_000
    time.sleep(0.02)
    return at


class DecisionsContract:
    """The suite."""

    @pytest.fixture
    def decisions(self) -> Decisions | Iterator[Decisions]:
        raise NotImplementedError("an adapter's test gives its log")

    # What was sent is there

    def test_a_decision_that_was_sent_is_found_with_every_field(self, decisions: Decisions) -> None:
        many = [
            decision(), decision(sender="12345"), decision(jurisdiction=None), decision(shadow=True),
            decision(evidence=[], watermark={}, staleness_ms=None, reason="stale", kind="email"),
        ]  # fmt: skip
        decisions.send(many)
        for one in many:
            stored = decisions.find(one.decision_id)
            assert stored is not None
            assert stored.read() == one
            assert stored.subject == bytes.fromhex(one.subject)
            assert abs(stored.logged_at - time.time_ns() // 1_000_000) < 60_000

    def test_a_decision_that_was_never_sent_is_not_found(self, decisions: Decisions) -> None:
        decisions.send([decision()])
        assert decisions.find(str(uuid_utils.uuid7())) is None

    @pytest.mark.parametrize("days", [-400, -1, 1, 400])
    def test_a_decision_is_found_although_its_clock_was_far_off(self, decisions: Decisions, days: int) -> None:
        made_at = time.time_ns() // 1_000_000 + days * 86_400_000
        digits = f"{made_at:012x}"
        one = decision(decision_id=f"{digits[:8]}-{digits[8:]}-7{os.urandom(2).hex()[1:]}-8000-{os.urandom(6).hex()}")
        decisions.send([decision(), one, decision()])
        stored = decisions.find(one.decision_id)
        assert stored is not None
        assert stored.read() == one

    def test_an_id_that_only_stands_in_another_decision_is_not_found(self, decisions: Decisions) -> None:
        event = str(uuid_utils.uuid7())
        decisions.send([decision(evidence=[event])])
        assert decisions.find(event) is None

    # Of one contact

    def test_all_decisions_about_one_contact_come_in_their_order_and_no_others(self, decisions: Decisions) -> None:
        of, other = ref(), ref()
        many = [decision(of if number % 3 else other) for number in range(30)]
        for start in range(0, 30, 10):
            decisions.send(many[start : start + 10])
        assert [one.read() for one in decisions.of_subject(of)] == [one for one in many if one.subject == of]
        assert list(decisions.of_subject(ref())) == []

    # By time

    def test_a_scan_brings_what_was_logged_in_a_time_and_nothing_else(self, decisions: Decisions) -> None:
        before, within, after = [[decision() for _ in range(40)] for _ in range(3)]
        decisions.send(before)
        start = at_a_later_moment()
        decisions.send(within)
        end = at_a_later_moment()
        decisions.send(after)

        def found(since: int = 0, until: int | None = None) -> set[str]:
            return {one.read().decision_id for one in decisions.scan(since, until)}

        names = [{one.decision_id for one in some} for some in (before, within, after)]
        assert found(start, end) == names[1]
        everything = found()
        assert everything >= names[0] | names[1] | names[2]
        assert found(start) == names[1] | names[2]
        assert found(0, start) == everything - names[1] - names[2]
        assert found(end, start) == set()
        assert found(time.time_ns() // 1_000_000 + 3_600_000) == set()

    def test_decisions_of_one_contact_are_scanned_in_their_order(self, decisions: Decisions) -> None:
        of = ref()
        many = [decision(of) for _ in range(50)]
        decisions.send(many)
        scanned = [one.read() for one in decisions.scan() if one.subject == bytes.fromhex(of)]
        assert scanned == many

    def test_a_scan_ends_where_the_log_was_when_it_began(self, decisions: Decisions) -> None:
        decisions.send([decision()])
        scan = decisions.scan()
        next(scan)
        late = decision()
        decisions.send([late])
        assert late.decision_id not in {one.read().decision_id for one in scan}

    # However it is asked

    def test_nothing_comes_of_sending_nothing(self, decisions: Decisions) -> None:
        decisions.send([])
        assert list(decisions.of_subject(ref())) == []

    def test_a_question_that_was_given_up_does_not_disturb_the_next(self, decisions: Decisions) -> None:
        one = decision()
        decisions.send([one, *(decision() for _ in range(20))])
        next(decisions.scan())
        next(decisions.of_subject(one.subject))
        stored = decisions.find(one.decision_id)
        assert stored is not None
        assert stored.read() == one

    def test_it_can_be_closed_twice(self, decisions: Decisions) -> None:
        decisions.send([decision()])
        decisions.close()
        decisions.close()


def must_be_unreadable(decisions: Decisions) -> None:
    """The last of a log says so itself, and nothing else is disturbed."""
    *_, last = decisions.scan()
    with pytest.raises(UnreadableDecisionError, match="no decision"):
        last.read()
