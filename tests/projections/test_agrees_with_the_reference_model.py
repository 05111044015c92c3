"""The folds and the resolver against a naive model that was written from the rules alone, over nasty histories."""

from random import Random

import pytest

from projections.view import Histories
from tests.histories import history, questions, some_knowledge
from tests.projections.folding import asked, view_of
from tests.reference_model import answer

SEEDS = 400
BLOCKS = 8


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_decision_over_generated_histories_is_the_reference_models(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        rng = Random(seed)
        told = history(rng, events=rng.randint(3, 45), partitions=rng.choice((1, 3)))
        known = some_knowledge(rng, told) if rng.random() < 0.3 else None
        view = view_of(told.facts, known)
        histories = Histories(view)
        for message in questions(rng, told):
            expected = answer(told.facts, message, known)
            verdict = asked(view, message, histories)
            got = (verdict.allowed, verdict.reason, frozenset(verdict.evidence))
            assert got == (expected.allowed, expected.reason, expected.evidence), (seed, message)
