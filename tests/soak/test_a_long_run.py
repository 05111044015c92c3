"""Thirty minutes in which everything is killed again and again: `make soak`; SOAK_SECONDS and SOAK_SEED change it."""

import os
from pathlib import Path

import pytest

from tests.kafka.judged import Judge, judged
from tests.kafka.longrun import EVERYTHING, LongRun
from tests.kafka.remains import decisions_are_on_record, poison_is_set_aside_once, tables_are_a_fold_of_the_ledger
from tests.kafka.strained import Strained

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(7200)]


def test_whatever_is_killed_nothing_is_lost_or_doubled_and_no_answer_is_wrong(tmp_path: Path) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "1800"))
    seed = int(os.environ.get("SOAK_SEED", "1"))
    with Strained(tmp_path) as stage:
        story = LongRun(stage, seed, list(EVERYTHING)).run(seconds)
        judge = Judge.of(stage, story)
        judged(judge, story)
        tables_are_a_fold_of_the_ledger(stage, story)
        decisions_are_on_record(stage, judge)
        poison_is_set_aside_once(stage.settings.broker(), story)
        topics = stage.settings.broker().topics
        assert {topics.table("by-number"), topics.identities} <= stage.compacted()
        assert set(story.faults) == set(EVERYTHING)
