"""What becomes of tests for which a real part is missing."""

import os
from typing import NoReturn

import pytest


def leave_out(why: str) -> NoReturn:
    """Passes the test over on a machine that has not the part; with CI set it fails, since there every part is real."""
    if os.environ.get("CI"):
        pytest.fail(f"with CI set this must be there: {why}")
    pytest.skip(why)
