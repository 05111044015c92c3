"""Fresh as of when the ledger's ends were asked for, not as of when they were reached."""

from consumers.gateway.freshness import MANY, Freshness, Lease
from schemas.policy import Purpose
from tests.consumers.asking import POLICY


def test_a_copy_that_comes_to_the_ends_late_is_fresh_as_of_when_they_were_asked_for() -> None:
    fresh = Freshness()
    fresh.asked(100.0, {0: 7, 1: 3})
    assert fresh.fresh_as_of({0: 7, 1: 2}) is None
    assert fresh.fresh_as_of({0: 9, 1: 3}) == 100.0
    assert fresh.fresh_as_of({0: 9, 1: 3}) is None  # nothing was asked since


def test_a_worker_that_lags_is_seen_and_every_answer_that_was_reached_counts() -> None:
    fresh = Freshness()
    for second in range(60):
        fresh.asked(float(second), {0: second * 10})
    assert fresh.fresh_as_of({0: 395}) == 39.0
    assert fresh.fresh_as_of({0: 399}) is None


def test_a_partition_without_traffic_for_an_hour_is_as_fresh_as_the_others() -> None:
    fresh = Freshness()
    watermark = {0: 5, 1: 0}
    for second in range(3_600):
        fresh.asked(float(second), {0: 5, 1: 0})
        assert fresh.fresh_as_of(watermark) == float(second)


def test_a_partition_of_which_nothing_is_known_is_not_fresh_unless_it_is_empty() -> None:
    fresh = Freshness()
    fresh.asked(1.0, {0: 0, 1: 0})
    assert fresh.fresh_as_of({}) == 1.0
    fresh.asked(2.0, {0: 0, 1: 1})
    assert fresh.fresh_as_of({0: 4}) is None


def test_a_worker_that_is_away_for_long_costs_a_bounded_memory_and_no_truth() -> None:
    fresh = Freshness()
    for asked in range(MANY + 10):
        fresh.asked(float(asked), {0: asked})
    assert len(fresh._asked) == MANY
    assert fresh.fresh_as_of({0: MANY + 9}) == MANY + 9


def test_a_lease_runs_from_when_its_receipt_was_sent() -> None:
    lease = Lease()
    assert lease.until == float("-inf")  # nothing was told: nobody may rely on this process
    lease.told(10.0, 30.0)
    assert lease.until == 40.0


def test_a_lease_is_the_most_that_any_purpose_that_needs_consent_allows() -> None:
    assert POLICY.lease_s == 30.0
    purposes = {
        "offers": Purpose(max_staleness_s=5),
        "surveys": Purpose(max_staleness_s=120),
        "codes": Purpose(never_needs_consent=True, max_staleness_s=3_600),
    }
    assert POLICY.model_copy(update={"purposes": purposes}).lease_s == 120.0
