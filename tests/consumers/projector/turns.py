"""Turns so small that a short history takes many."""

from functools import partial

import pytest

from consumers.projector import following
from consumers.projector.following import next_batch


def turns_of(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a turn takes so many events at most.

    To patch the constant would do nothing: it was taken as a default when the module was read.
    """
    monkeypatch.setattr(following, "next_batch", partial(next_batch, many=many))
