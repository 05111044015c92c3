"""A message between the recording of a no and its enforcement is told from one that went out after both."""

from consumers.violations.finding import affected, as_json, totals_in_words, with_enforcement
from consumers.violations.judging import Cause, Violation
from consumers.violations.sends import Message, Send
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Position
from tests.consumers.test_late_opt_outs_are_found import PROCESSES, START, Stored, told

FAST, SLOW, _ = PROCESSES
RECORDED = START + 1_000
NO = Cause(RECORDED, Position(0, 4))
MESSAGE = Message("number", "sms", "marketing.offers", "acme", None, "sms-2")
SUBJECT = bytes(range(16))
RECEIPTS = [
    told(START, 4, FAST), told(START, 4, SLOW), told(START + 1_100, 5, FAST), told(START + 2_000, 4, SLOW),
    told(START + 9_000, 5, SLOW),
]  # fmt: skip


def sent(at: int, cause: Cause = NO) -> Violation:
    return Violation(Send(SUBJECT, at, MESSAGE, f"log.csv:{at}"), "revoked_by_number", ("e",), cause)


def found(*violations: Violation, now: int = START + 60_000) -> list[dict[str, object]]:
    log = MemoryLog(1, clock=lambda: START)
    all_found = with_enforcement(log, Stored(RECEIPTS, now), violations)
    return [as_json(one, {SUBJECT.hex(): "+1416•••0101"}) for one in all_found]


def test_until_the_slowest_gateway_told_that_it_has_the_no_it_was_only_recorded() -> None:
    lines = found(sent(RECORDED + 1), sent(START + 9_000), sent(START + 9_001))
    assert [line["after"] for line in lines] == ["recorded", "recorded", "enforced"]
    assert {line["enforced_at"] for line in lines} == {"1970-01-12T13:46:49.000Z"}
    assert [line["lag_s"] for line in lines] == [0.001, 8.0, 8.001]


def test_a_no_that_is_not_in_force_everywhere_yet_says_so() -> None:
    waiting = Cause(START + 9_500, Position(0, 90))
    [line] = found(sent(START + 11_000, waiting), now=START + 12_000)
    assert (line["after"], line["enforced_at"]) == ("recorded", None)


def test_a_yes_that_ran_out_did_so_at_every_gateway_at_once() -> None:
    [line] = found(sent(START + 5_000, Cause(START + 4_000, None)))
    assert (line["after"], line["enforced_at"], line["lag_s"]) == ("enforced", line["recorded_at"], 1.0)


def test_both_kinds_are_counted_apart() -> None:
    log = MemoryLog(1, clock=lambda: START)
    violations = [sent(RECORDED + 1), sent(START + 9_001), sent(START + 9_002)]
    all_found = list(with_enforcement(log, Stored(RECEIPTS, START + 60_000), violations))
    [one] = affected(all_found).values()
    assert (one.sends, one.after_enforced, one.first_at, one.last_at) == (3, 2, RECORDED + 1, START + 9_002)
    first, *_ = totals_in_words(10, all_found)
    assert "2 after it was in force everywhere, 1 after it was recorded" in first
