"""The official validators, asked through Node."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from stack.node import NoNodeError, modules

HERE = Path(__file__).parent
Judge = Callable[..., Any]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Asks AsyncAPI's parser about `documents`, and ajv about `cases`: pairs of a schema and values."""
    try:
        folder = modules(HERE)
    except NoNodeError as error:
        if os.environ.get("CI"):
            pytest.fail(f"with CI set the validators must be there: {error}")
        pytest.skip(str(error))

    def ask(documents: tuple[str, ...] = (), cases: tuple[tuple[Any, list[Any]], ...] = ()) -> Any:  # noqa: ANN401
        asked = {"documents": documents, "cases": [{"schema": schema, "values": values} for schema, values in cases]}
        command = ["node", str(HERE / "judge.mjs"), str(folder)]
        told = subprocess.run(command, input=orjson.dumps(asked), capture_output=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr.decode()
        return orjson.loads(told.stdout)

    return ask
