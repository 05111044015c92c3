"""Writes `schemas/json/`: the shapes as JSON Schema (2020-12), for readers in other languages.

`python -m schemas.generate` writes the files; with `--check` it writes nothing, and fails if one is not up to date.
With `--publish`, at a release, it copies them to `schemas/published/`. All three refuse what readers of the last
published ones could not read (`schemas/compatibility.py`).
They describe what is stored: what is absent is left out there, never null, and fields unknown to them may come.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from schemas import distributed, states
from schemas.compatibility import refusals
from schemas.events import EVENT, EVENT_TYPES
from schemas.policy import Policy

FOLDER = Path(__file__).parent / "json"
PUBLISHED = Path(__file__).parent / "published"
"""As of the last release: what readers out there were written against."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENTRIES = (
    states.StatementEntry, states.MoveEntry, states.CorrectionEntry, states.FollowUpEntry, states.FollowUpMoveEntry,
)  # fmt: skip
TRAVELLING = (
    distributed.Watermark, distributed.Receipt, distributed.LoggedDecision, distributed.RejectedEntry,
    distributed.Look,
)  # fmt: skip
Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """Every schema by the name of its file."""
    made = {name: model.model_json_schema() for name, model in EVENT_TYPES.items()}
    made["event"] = {"title": "Event", "description": "Any event of the ledger."} | EVENT.json_schema()
    made["state"] = _state()
    made["policy"] = Policy.model_json_schema()
    made |= {model.__name__: model.model_json_schema() for model in TRAVELLING}
    return {f"{name}.schema.json": _published(name, schema) for name, schema in made.items()}


def _published(name: str, schema: Schema) -> Schema:
    for shape in (schema, *schema.get("$defs", {}).values()):
        _as_stored(shape)
    return {"$schema": DIALECT, "$id": f"urn:preference-ledger:{name}"} | schema


def _as_stored(shape: Schema) -> None:
    """Says of a shape what its model does not: type and version always stand in what is stored, null never does."""
    said: Schema = shape.get("properties", {})
    for name, field in said.items():
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        plain = {key: value for key, value in field.items() if key != "title" and (key, value) != ("default", None)}
        if len(kinds) == 1:
            del plain["anyOf"]
            plain = kinds[0] | plain
        elif kinds:
            plain["anyOf"] = kinds
        if "const" in plain:
            plain.pop("default", None)
            shape["required"] = sorted({*shape.get("required", ()), name})
        said[name] = plain


def _state() -> Schema:
    """The state with the shapes of its entries, which the model names in words only."""
    schema = states.State.model_json_schema()
    shapes: Schema = schema.setdefault("$defs", {})
    for model in (*ENTRIES, states.Entry):
        entry = model.model_json_schema(ref_template="#/$defs/{model}")
        shapes |= entry.pop("$defs", {})
        shapes[model.__name__] = entry
    told = [name for model in ENTRIES for name in get_args(model.model_fields["type"].annotation)]
    shapes["Entry"]["properties"]["type"]["not"] = {"enum": told}
    names = [model.__name__ for model in (*ENTRIES, states.Entry)]
    schema["properties"]["entries"]["items"] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    return schema


def written(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def outdated(folder: Path = FOLDER) -> list[str]:
    """The files that are not as they would be written now, those included that should not be there."""
    now = {name: written(schema) for name, schema in schemas().items()}
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*")} if folder.is_dir() else {}
    return sorted(name for name in now.keys() | there.keys() if now.get(name) != there.get(name))


def incompatible(made: dict[str, Schema], published: Path = PUBLISHED) -> list[str]:
    """What readers of the published schemas could not read any more: file, place and reason of each."""
    before = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(published.glob("*.json"))}
    gone = [f"{name}: was removed" for name in before if name not in made]
    return gone + [f"{name}{why}" for name in before if name in made for why in refusals(before[name], made[name])]


def main(arguments: Sequence[str] = sys.argv[1:], folder: Path = FOLDER, published: Path = PUBLISHED) -> int:
    """Writes, or with `--check` only looks; the exit code."""
    made = schemas()
    refused = incompatible(made, published)
    for why in refused:
        print(f"{why}; published schemas only grow (docs/decisions/0022)", file=sys.stderr)
    if refused:
        return 1
    differ = outdated(folder)
    if "--check" in arguments:
        for name in differ:
            print(f"{folder / name} is not what schemas/ says; run python -m schemas.generate", file=sys.stderr)
        return 1 if differ else 0
    _write(made, folder)
    if "--publish" in arguments:
        _write(made, published)
    return 0


def _write(made: dict[str, Schema], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in outdated(folder):
        if name in made:
            (folder / name).write_text(written(made[name]), "utf-8")
        else:
            (folder / name).unlink()


if __name__ == "__main__":
    sys.exit(main())
