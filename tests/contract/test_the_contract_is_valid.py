"""`docs/asyncapi.yaml` and `schemas/json/` as the official validators judge them, examples included."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.generate import schemas
from schemas.topics import Topics
from stack import asyncapi
from tests.contract.conftest import Judge


def committed() -> dict[str, Any]:
    """The document as it is published."""
    read: dict[str, Any] = yaml.load(asyncapi.FILE.read_text("utf-8"), yaml.CSafeLoader)  # safe, and written in C
    return read


def payloads() -> dict[str, tuple[str, list[Any]]]:
    """Of each message that has examples: the name of its shape, and their payloads."""
    return {
        name: (said["payload"]["$ref"].rpartition("/")[2], [one["payload"] for one in said["examples"]])
        for name, said in committed()["components"]["messages"].items()
        if "examples" in said
    }


def test_asyncapis_own_parser_finds_nothing_wrong(judge: Judge) -> None:
    assert judge(documents=(asyncapi.FILE.read_text("utf-8"),))["documents"] == [[]]


def test_asyncapis_own_parser_refuses_what_is_spoilt(judge: Judge) -> None:
    def spoilt(*path: str, value: object) -> str:
        document = deepcopy(committed())
        inner = document
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        return orjson.dumps(document).decode()  # JSON is YAML, and soon written

    told = judge(
        documents=(
            spoilt(
                "channels", "ledger", "messages", "PreferenceRevoked", "$ref", value="#/components/messages/Nothing"
            ),
            spoilt("operations", "write-ledger", "action", value="shout"),
            spoilt("components", "schemas", "Watermark", "type", value="watermark"),
        )
    )
    assert all(told["documents"]), told["documents"]


def test_every_example_keeps_to_the_published_schema_of_its_message_under_ajv(judge: Judge) -> None:
    made = {schema["title"]: schema for schema in schemas().values()}
    cases = tuple((made[shape], values) for shape, values in payloads().values())
    told = judge(cases=cases)["cases"]
    assert [answer for answers in told for answer in answers if answer] == []
    assert sum(map(len, told)) > 60
    spoilt = tuple((schema, [{}, None, [], "x"]) for schema, _ in cases)
    assert all(answer for answers in judge(cases=spoilt)["cases"] for answer in answers)


def test_every_published_schema_compiles_under_ajv_and_agrees_with_jsonschema(judge: Judge) -> None:
    values = [value for _, said in payloads().values() for value in said]
    told = judge(cases=tuple((schema, values) for schema in schemas().values()))["cases"]
    for schema, answers in zip(schemas().values(), told, strict=True):
        ours = Draft202012Validator(schema)
        assert [answer == "" for answer in answers] == [ours.is_valid(value) for value in values], schema["title"]


def test_every_topic_is_in_the_document_and_every_message_with_a_schema_has_an_example() -> None:
    document, names = committed(), Topics()
    told = {channel["address"] for channel in document["channels"].values()}
    others = (
        names.ledger,
        names.rejected,
        names.identities,
        names.evidence,
        names.receipts,
        names.decisions,
        names.replies,
    )
    assert told == {*others, *names.tables.values()}
    without = {name for name, said in document["components"]["messages"].items() if "examples" not in said}
    assert without == {"identities.Identity", "identities.Erased", "identities.Check", "evidence.Words"}


def test_the_check_of_the_document_finds_one_that_is_missing_or_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "asyncapi.yaml"
    assert asyncapi.main(["--check"], file) == 1
    assert asyncapi.main([], file) == 0
    assert asyncapi.main(["--check"], file) == 0
    file.write_text(file.read_text("utf-8").replace("preferences.ledger.v1", "preferences.ledger.v2"), "utf-8")
    assert asyncapi.main(["--check"], file) == 1
    assert "run python -m stack.asyncapi" in capsys.readouterr().err


def test_two_shapes_of_one_name_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = {"a": {"title": "Scope", "type": "object"}, "b": {"title": "Scope", "type": "string"}}
    monkeypatch.setattr(asyncapi, "schemas", lambda: twice)
    with pytest.raises(ValueError, match="two shapes are called Scope"):
        asyncapi.document()
