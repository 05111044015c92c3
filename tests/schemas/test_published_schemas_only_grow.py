"""Who reads by the last published schemas reads what is written under the new ones, or the change is refused."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import generate
from schemas.compatibility import refusals

PUBLISHED = {path.name: orjson.loads(path.read_bytes()) for path in sorted(generate.PUBLISHED.glob("*.json"))}
Schema = dict[str, Any]
Change = Callable[[Schema], object]


def published(name: str) -> Schema:
    """A copy of a published schema, to be changed."""
    return deepcopy(PUBLISHED[f"{name}.schema.json"])


def changed(name: str, change: Change) -> Schema:
    """A published schema after a change."""
    schema = published(name)
    change(schema)
    return schema


def refuse(schema: Schema) -> list[str]:
    """What is said of a changed schema, by the id that it kept."""
    return refusals(published(schema["$id"].rpartition(":")[2]), schema)


def properties(schema: Schema) -> Schema:
    """Its fields."""
    return dict.__getitem__(schema, "properties")


def test_nothing_published_was_removed_or_narrowed() -> None:
    assert len(PUBLISHED) == 30
    assert generate.incompatible(generate.schemas()) == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_may_stay_as_it_is(name: str) -> None:
    assert refusals(PUBLISHED[name], PUBLISHED[name]) == []


GROWN: dict[str, tuple[str, Change]] = {
    "an optional field": ("Watermark", lambda s: properties(s).update(folded_by={"type": "string"})),
    "a value of an enum": ("Receipt", lambda s: properties(s)["state"]["enum"].append("paused")),
    "a second value of a constant": (
        "PreferenceRevoked",
        lambda s: properties(s).update(schema_version={"enum": [1, 2], "type": "integer"}),
    ),
    "a value of an enum deep inside": ("event", lambda s: _flags(s)["enum"].append("late")),
    "an event": ("event", lambda s: (s["$defs"].update(New={"type": "object"}), s["oneOf"].append(_ref("New")))),
    "other words": ("Receipt", lambda s: s.update(description="Something said better.", title="Receipt!")),
    "an order of fields": ("Receipt", lambda s: s["required"].reverse()),
    "a shape in a place of its own": ("PreferenceRevoked", lambda s: _inlined(s, "Scope")),
}


def _flags(schema: Schema) -> Schema:
    items: Schema = properties(schema["$defs"]["PreferenceRevoked"])["flags"]["items"]
    return items


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _inlined(schema: Schema, name: str) -> None:
    properties(schema)["scope"] = schema["$defs"].pop(name)


@pytest.mark.parametrize("case", GROWN)
def test_it_may_get(case: str) -> None:
    name, change = GROWN[case]
    assert changed(name, change) != published(name)
    assert refuse(changed(name, change)) == []


NARROWED: dict[str, tuple[str, Change, str]] = {
    "a field is removed": ("Watermark", lambda s: properties(s).pop("unchanged"), "/unchanged: was removed"),
    "a field must be there": ("Receipt", lambda s: s["required"].append("fresh_for_ms"), "must now be there"),
    "a new field must be there": (
        "Receipt",
        lambda s: (properties(s).update(new={"type": "string"}), s["required"].append("new")),
        "/new: must now be there",
    ),
    "a field need not be there": ("Receipt", lambda s: s["required"].remove("at"), "/at: need no longer be there"),
    "a value is removed": ("Receipt", lambda s: properties(s)["state"]["enum"].pop(), "'ended' was removed"),
    "a constant is another": ("SubjectErased", lambda s: properties(s)["type"].update(const="Gone"), "was removed"),
    "a type is another": ("Receipt", lambda s: properties(s)["at"].update(type="string"), "'integer' became 'string'"),
    "a number has another bound": ("Receipt", lambda s: properties(s)["at"].update(minimum=1), "0 became 1"),
    "a number has a bound more": ("Receipt", lambda s: properties(s)["lease_ms"].update(maximum=9), "was added"),
    "a text has another pattern": ("Receipt", lambda s: properties(s)["gateway"].update(pattern="^a$"), "became '^a$'"),
    "a text may be anything": ("Receipt", lambda s: properties(s)["gateway"].pop("pattern"), "/pattern: was removed"),
    "a text has a list of values": ("Receipt", lambda s: properties(s)["policy"].update(enum=["a"]), "was added"),
    "values are not listed any more": ("Receipt", lambda s: properties(s)["state"].pop("enum"), "values was removed"),
    "absence means something else": ("Watermark", lambda s: properties(s)["unchanged"].update(default=None), "became"),
    "unknown fields are refused": ("Watermark", lambda s: s.update(additionalProperties=False), "was added"),
    "an event is removed": ("event", lambda s: s["oneOf"].pop(), "was removed"),
    "a kind of entry is removed": (
        "state",
        lambda s: properties(s)["entries"]["items"]["oneOf"].pop(0),
        "/entries/items/StatementEntry: was removed",
    ),
    "a shape deep inside says less": (
        "event",
        lambda s: s["$defs"]["Scope"]["properties"].pop("purpose"),
        "/PreferenceGranted/scope/purpose: was removed",
    ),
    "a map has other keys": (
        "Watermark",
        lambda s: properties(s)["unchanged"]["propertyNames"]["enum"].pop(0),
        "/unchanged/propertyNames: the value 'by-number' was removed",
    ),
    "a value of a list is of another type": (
        "LoggedDecision",
        lambda s: properties(s)["evidence"]["items"].update(type="integer"),
        "/evidence/items/type",
    ),
    "one of two types is another": (
        "policy",
        lambda s: s["$defs"]["Purpose"]["properties"]["regime"]["anyOf"].pop(),
        "/regime/anyOf",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NARROWED)
def test_it_is_refused_that(case: str) -> None:
    name, change, why = NARROWED[case]
    said = refuse(changed(name, change))
    assert any(why in one for one in said), said


def _removals(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:  # noqa: ANN401  # any JSON
    """Where a field stands in a schema, as the way to it."""
    if not isinstance(node, dict):
        return []
    found = [(*path, "properties", name) for name in node.get("properties", {})]
    return found + [way for key, inner in node.items() for way in _removals(inner, (*path, key))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_whichever_field_of_whichever_shape_is_removed_it_is_refused(name: str) -> None:
    ways = _removals(PUBLISHED[name])
    assert ways
    for way in ways:
        schema = deepcopy(PUBLISHED[name])
        inner = schema
        for key in way[:-1]:
            inner = inner[key]
        del inner[way[-1]]
        assert refusals(PUBLISHED[name], schema), way


def test_the_check_and_the_publishing_refuse_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tmp_path / "json", tmp_path / "published"
    assert generate.main(["--publish"], *folders) == 0
    assert {path.name for path in folders[1].iterdir()} == set(generate.schemas())
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    less = generate.schemas()
    del less["Watermark.schema.json"]
    del less["Receipt.schema.json"]["properties"]["policy"]
    monkeypatch.setattr(generate, "schemas", lambda: less)
    for arguments in ([], ["--check"], ["--publish"]):
        capsys.readouterr()
        assert generate.main(arguments, *folders) == 1
        told = capsys.readouterr().err
        assert "Receipt.schema.json/policy: was removed" in told
        assert "Watermark.schema.json: was removed" in told
    assert {path: path.read_bytes() for folder in folders for path in folder.iterdir()} == before
