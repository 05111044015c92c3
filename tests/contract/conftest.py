"""The official validators, asked through Node."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from stack.node import NoNodeError, modules
from tests.left_out import leave_out

HERE = Path(__file__).parent
Judge = Callable[..., Any]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Asks AsyncAPI's parser about `documents`, and ajv about `cases`: pairs of a schema and values."""
    try:
        folder = modules(HERE)
    except NoNodeError as error:
        leave_out(str(error))

    def ask(documents: tuple[str, ...] = (), cases: tuple[tuple[Any, list[Any]], ...] = ()) -> Any:  # noqa: ANN401
        asked = {"documents": documents, "cases": [{"schema": schema, "values": values} for schema, values in cases]}
        command = ["node", str(HERE / "judge.mjs"), str(folder)]
        told = subprocess.run(command, input=orjson.dumps(asked), capture_output=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr.decode()
        return orjson.loads(told.stdout)

    return ask
