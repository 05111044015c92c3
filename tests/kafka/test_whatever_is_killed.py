"""A minute of the long run (`make soak`): workers, gateways and the broker are killed, ended, frozen all the time."""

from pathlib import Path

import pytest

from tests.kafka.judged import Judge, judged
from tests.kafka.longrun import EVERYTHING, LongRun
from tests.kafka.remains import decisions_are_on_record, poison_is_set_aside_once, tables_are_a_fold_of_the_ledger
from tests.kafka.stage import Stage

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

OF_A_MINUTE = [name for name in EVERYTHING if name != "cut_off_gateway"]
"""A gateway that is cut off has its lease for half of a minute: `test_gateway_faults.py` has that."""


def test_nothing_is_lost_nothing_is_applied_twice_and_no_answer_is_wrong(tmp_path: Path) -> None:
    with Stage(tmp_path, workers=2, gateways=2) as stage:
        story = LongRun(stage, seed=8, faults=OF_A_MINUTE).run(60)
        judge = Judge.of(stage, story)
        judged(judge, story)
        tables_are_a_fold_of_the_ledger(stage, story)
        decisions_are_on_record(stage, judge)
        poison_is_set_aside_once(stage.settings.broker(), story)
        assert len(set(story.faults)) >= 3, "of nineteen kinds a minute has time for some"
