"""What a published schema may become: the same, with more optional fields, more values of an enum, more kinds of event.

Everything else is refused, a promise that is loosened too: readers lean on what is required and on what a text looks
like, and what is stored for ever keeps to the schema that it was written under. Words for people may change.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
WORDS = {"title", "description", "examples"}
APART = {"properties", "required", "enum", "const", "oneOf", "$defs", "$ref", "discriminator"}
"""What is compared by rules of its own, or (shapes and references to them) where it is used."""


def refusals(published: Schema, new: Schema) -> list[str]:
    """Places and reasons for which readers of the published schema could not read what the new one describes."""
    return list(_Pair(published, new).differences(published, new, ""))


class _Pair:
    def __init__(self, published: Schema, new: Schema) -> None:
        self._published, self._new = published, new

    def differences(self, old: Any, new: Any, place: str) -> Iterator[str]:  # noqa: ANN401  # any JSON
        """Of two shapes at one place."""
        if not isinstance(old, dict) or not isinstance(new, dict):
            if old != new:
                yield f"{place or '/'}: {old!r} became {new!r}"
            return
        old, new = _resolved(old, self._published), _resolved(new, self._new)
        for key in sorted((old.keys() | new.keys()) - APART - WORDS):
            yield from self._keyword(key, old, new, place)
        yield from _values(old, new, place)
        yield from self._fields(old, new, place)
        yield from self._kinds(old.get("oneOf", []), new.get("oneOf", []), place)

    def _keyword(self, key: str, old: Schema, new: Schema, place: str) -> Iterator[str]:
        there = f"{place}/{key}"
        if key not in new:
            yield f"{there}: was removed"
        elif key not in old:
            yield f"{there}: was added, and may refuse or change what is stored"
        elif key == "anyOf" and len(old[key]) == len(new[key]):
            for number, (before, after) in enumerate(zip(old[key], new[key], strict=True)):
                yield from self.differences(before, after, f"{there}/{number}")
        elif key in ("default", "anyOf") or not isinstance(old[key], dict):
            if old[key] != new[key]:
                yield f"{there}: {old[key]!r} became {new[key]!r}"
        else:
            yield from self.differences(old[key], new[key], there)

    def _fields(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(must_now - must):
            yield f"{place}/{name}: must now be there, and what is stored may not have it"
        for name in sorted(must - must_now):
            yield f"{place}/{name}: need no longer be there, and readers lean on it"
        for name in before:
            if name not in after:
                yield f"{place}/{name}: was removed"
            else:
                yield from self.differences(before[name], after[name], f"{place}/{name}")

    def _kinds(self, old: list[Schema], new: list[Schema], place: str) -> Iterator[str]:
        if new and not old:
            yield f"{place}/oneOf: was added"
        after = {_kind(shape): shape for shape in new}
        for shape in old:
            if _kind(shape) not in after:
                yield f"{place}/{_kind(shape)}: was removed"
            else:
                yield from self.differences(shape, after[_kind(shape)], f"{place}/{_kind(shape)}")


def _kind(shape: Schema) -> str:
    return str(shape.get("$ref", shape.get("title", shape))).rpartition("/")[2]


def _resolved(shape: Schema, root: Schema) -> Schema:
    if "$ref" not in shape:
        return shape
    name = shape["$ref"].rpartition("/")[2]
    return _resolved(root["$defs"][name], root) | {key: value for key, value in shape.items() if key != "$ref"}


def _values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    before, after = _closed(old), _closed(new)
    if (before is None) != (after is None):
        yield f"{place or '/'}: its list of values was {'removed' if after is None else 'added'}"
    for value in before or ():
        if after is not None and value not in after:
            yield f"{place or '/'}: the value {value!r} was removed"


def _closed(shape: Schema) -> list[Any] | None:
    values: list[Any] | None = [shape["const"]] if "const" in shape else shape.get("enum")
    return values
