"""An event is enforced when every gateway that could have sent without it has told that it has it, or sends no more."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.confirmation import MARGIN, Enforcement, Tally, Target, Told
from schemas.distributed import Receipt
from tests.controls import event_id

R = 1_000_000
LEASE = 30_000
PAST = 8
FIRST, SECOND = event_id(1), event_id(2)


def told(
    at: int, offset: int, process: str = FIRST, state: str = "current", lease: int = LEASE, version: int = 1
) -> Told:
    """A receipt about partition 3."""
    receipt = Receipt.model_validate(
        {
            "gateway": "sms-1", "process": process, "at": 5, "watermark": {3: offset}, "lease_ms": lease,
            "fresh_for_ms": 0, "policy": "default@1", "state": state, "ledger_version": version,
        }
    )  # fmt: skip
    return Told(receipt, at)


def after(
    *receipts: Told, now: int | None = None, may_expire: bool = True, past: Mapping[int, int] | None = None
) -> Enforcement:
    """How far an event at offset 7 of partition 3, recorded at R, is after these receipts."""
    tally = Tally(Target({1: past or {3: PAST}}, R, may_expire))
    for receipt in receipts:
        tally.take(receipt)
    return tally.settled(now if now is not None else max((receipt.at for receipt in receipts), default=R))


def states(found: Enforcement) -> list[str]:
    return [one.state for one in found.gateways]


def test_with_no_gateway_running_it_is_in_force_as_soon_as_it_is_recorded() -> None:
    assert after() == Enforcement(True, R, ())


def test_a_gateway_that_told_a_watermark_past_it_enforces_it_from_then_on() -> None:
    found = after(told(R - 500, 7), told(R + 20, 8))
    assert (found.enforced, found.at, states(found)) == (True, R + 20, ["enforced"])


def test_a_gateway_that_was_current_before_it_is_waited_for() -> None:
    found = after(told(R - 500, 7), now=R + 100)
    assert (found.enforced, found.at, states(found)) == (False, None, ["waiting"])


def test_a_watermark_at_the_event_is_not_past_it() -> None:
    assert not after(told(R - 500, 7), told(R + 500, 7)).enforced


def test_one_of_two_is_not_all() -> None:
    found = after(told(R - 500, 7), told(R - 400, 7, SECOND), told(R + 20, 8))
    assert (found.enforced, sorted(states(found))) == (False, ["enforced", "waiting"])


def test_the_last_gateway_says_when_it_is_enforced() -> None:
    found = after(told(R - 500, 7), told(R - 400, 7, SECOND), told(R + 20, 8), told(R + 90, 9, SECOND))
    assert (found.enforced, found.at) == (True, R + 90)


def test_a_gateway_that_is_down_ends_with_its_lease_and_the_margin_and_not_before() -> None:
    last = told(R - 500, 7)
    end = R - 500 + LEASE + MARGIN
    assert not after(last, now=end).enforced
    found = after(last, now=end + 1)
    assert (found.enforced, found.at, states(found)) == (True, end, ["expired"])


def test_a_gateway_that_hears_of_nothing_but_goes_on_telling_ends_a_lease_after_the_event() -> None:
    deaf = [told(R + 1_000 * second, 7, state="stale") for second in range(-3, 60)]
    by_then = [one for one in deaf if one.at <= R + LEASE + MARGIN]
    assert not after(*by_then, now=R + LEASE + MARGIN).enforced
    assert after(*deaf, now=R + LEASE + MARGIN + 1).at == R + LEASE + MARGIN


def test_a_gateway_whose_lease_had_run_out_before_does_not_matter() -> None:
    assert after(told(R - LEASE - MARGIN - 1, 7), now=R) == Enforcement(True, R, ())
    assert not after(told(R - LEASE - MARGIN, 7), now=R).enforced


def test_a_gateway_that_is_starting_is_waited_for_because_it_may_be_current_before_it_tells() -> None:
    found = after(told(R - 100, 2, state="starting"), now=R + 50)
    assert not found.enforced
    assert after(told(R - 100, 2, state="starting"), told(R + 700, 8)).at == R + 700


def test_a_gateway_that_ended_answers_nobody() -> None:
    found = after(told(R - 500, 7), told(R + 200, 7, state="ended"))
    assert (found.enforced, found.at, states(found)) == (True, R + 200, ["expired"])
    assert after(told(R - 500, 7), told(R - 200, 7, state="ended")) == Enforcement(True, R, ())


def test_what_is_said_after_the_end_changes_nothing() -> None:
    first = after(told(R - 500, 7), told(R + 20, 8))
    later = after(told(R - 500, 7), told(R + 20, 8), told(R + 900, 9), told(R + 950, 9, state="ended"))
    assert (later.at, states(later)) == (first.at, ["enforced"])


def test_a_new_gateway_that_tells_later_was_never_without_it() -> None:
    assert after(told(R + 1, 2, SECOND, state="starting"), now=R + 2) == Enforcement(True, R, ())
    assert after(told(R + 60_000, 9, SECOND), now=R + 60_000) == Enforcement(True, R, ())


def test_all_partitions_of_a_request_must_be_passed() -> None:
    assert not after(told(R - 500, 7), told(R + 20, 8), past={3: PAST, 4: 1}).enforced


def test_a_receipt_speaks_of_the_version_of_the_ledger_that_it_was_told_in() -> None:
    """An event that was moved stands elsewhere in the new version; a later one never was in the old."""
    moved, new = {1: {3: PAST}, 2: {3: 2}}, {2: {3: 2}}

    def enforced_at(past: Mapping[int, Mapping[int, int]], *receipts: Told) -> int | None:
        tally = Tally(Target(past, R, may_expire=True))
        for receipt in receipts:
            tally.take(receipt)
        return tally.settled(R + 900).at

    held = told(R - 500, 0)
    assert enforced_at(moved, held, told(R + 20, PAST - 1)) is None
    assert enforced_at(moved, held, told(R + 20, PAST)) == R + 20
    held = told(R - 500, 0, version=2)
    assert enforced_at(moved, held, told(R + 20, 1, version=2)) is None
    assert enforced_at(moved, held, told(R + 20, 2, version=2)) == R + 20
    assert enforced_at(new, told(R - 500, 10**6), told(R + 20, 10**6)) is None


def test_the_stop_switch_does_not_end_with_a_lease_since_codes_go_on_without_one() -> None:
    last = told(R - 500, 7)
    assert not after(last, now=R + 10 * LEASE, may_expire=False).enforced
    assert after(last, told(R + 20, 8), may_expire=False).enforced


def test_the_stop_switch_waits_for_every_process_that_was_registered_and_not_retired() -> None:
    tally = Tally(Target({1: {0: 1}}, R, may_expire=False))
    tally.registered("sms-1", FIRST, R - 10**8, LEASE)
    tally.registered("sms-2", SECOND, R - 10**8, LEASE)
    tally.retired(SECOND, R - 5)
    assert states(tally.settled(R + 10**8)) == ["waiting"]
    tally.retired(FIRST, R + 400)
    found = tally.settled(R + 10**8)
    assert (found.enforced, found.at) == (True, R + 400)


def test_of_a_gateway_registered_a_moment_before_the_first_receipt_may_be_on_its_way() -> None:
    tally = Tally(Target({1: {3: PAST}}, R, may_expire=True))
    tally.registered("sms-1", FIRST, R - 50, LEASE)
    assert not tally.settled(R + 1_000).enforced
    tally.take(told(R + 1_500, 8))
    assert tally.settled(R + 1_500).at == R + 1_500


def test_a_gateway_that_has_told_ends_with_the_lease_that_it_told_whatever_it_was_registered_under() -> None:
    tally = Tally(Target({1: {3: PAST}}, R, may_expire=True))
    tally.registered("sms-1", FIRST, R - 2_000, 10 * LEASE)
    tally.take(told(R - 500, 7))
    end = R - 500 + LEASE + MARGIN
    assert not tally.settled(end).enforced
    assert tally.settled(end + 1).at == end
    gone = Tally(Target({1: {3: PAST}}, R, may_expire=True))
    gone.registered("sms-1", FIRST, R - 2 * LEASE, 10 * LEASE)
    gone.take(told(R - LEASE - MARGIN - 1, 7))
    assert gone.settled(R).enforced


def test_a_process_registered_long_ago_that_tells_nothing_is_gone() -> None:
    tally = Tally(Target({1: {3: PAST}}, R, may_expire=True))
    tally.registered("sms-1", FIRST, R - LEASE - MARGIN - 1, LEASE)
    assert tally.settled(R).enforced


def test_a_gateway_retired_years_later_had_it_when_it_said_so() -> None:
    tally = Tally(Target({1: {3: PAST}}, R, may_expire=True))
    tally.registered("sms-1", FIRST, R - 50, LEASE)
    tally.retired(FIRST, R + 10**11)
    tally.take(told(R + 20, 8))
    assert tally.settled(R + 10**11).at == R + 20


@given(
    st.lists(st.tuples(st.integers(-40_000, 60_000), st.integers(0, 12), st.sampled_from([FIRST, SECOND])), max_size=30)
)
def test_once_enforced_always_enforced(script: list[tuple[int, int, str]]) -> None:
    """A watermark never falls; otherwise gateways may come, go, hear of it and tell of it whenever they like."""
    marks: dict[str, int] = {}
    receipts = []
    for at, offset, process in sorted(script):
        marks[process] = max(marks.get(process, 0), offset)
        receipts.append(told(R + at, marks[process], process))
    enforced_at = None
    for now in range(R, R + 100_000, 500):
        found = after(*(one for one in receipts if one.at <= now), now=now)
        assert enforced_at is None or (found.enforced and found.at == enforced_at)
        enforced_at = found.at
    assert enforced_at is not None


@pytest.mark.parametrize("skew", [-3_600_000, 0, 3_600_000])
def test_the_clock_of_a_gateway_does_not_matter(skew: int) -> None:
    receipt, at = told(R - 500, 7)
    assert after(Told(receipt.model_copy(update={"at": R + skew}), at), now=R + 100) == after(
        told(R - 500, 7), now=R + 100
    )
