"""What was stored once is read for ever: retired versions become the newest; what is no event is said to be none."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.log import Position, Recorded
from projections.log_view import folded
from projections.reading import read
from projections.view import Histories
from schemas.encoding import UnreadableEvent, decode, encode
from schemas.events import EVENT_TYPES, FollowUpOpened
from tests import controls
from tests.histories import make_event
from tests.projections.folding import asked, view_of
from tests.reference_model import Fact, Message
from tests.test_reference_model import policy_of

STORED = Path(__file__).parent / "stored_events.jsonl"
"""Every event as the first release stored it. Lines are added when a type or a version is; none is ever changed."""


def stored(type_: str, **said: object) -> dict[str, Any]:
    """The stored form of an example, with some fields said otherwise."""
    fields: dict[str, Any] = orjson.loads(encode(controls.BARE[type_]))
    return fields | said


def retired() -> bytes:
    """A follow-up as version 1 stored it: it did not say whether it holds."""
    fields = stored("FollowUpOpened", schema_version=1)
    del fields["holds"]
    return orjson.dumps(fields)


def test_a_follow_up_of_version_1_is_read_as_one_that_holds() -> None:
    event = decode(retired())
    assert isinstance(event, FollowUpOpened)
    assert (event.schema_version, event.holds) == (2, True)
    assert event == controls.BARE["FollowUpOpened"]


def test_a_follow_up_of_version_1_folds_as_one_of_version_2_does() -> None:
    new = encode(controls.BARE["FollowUpOpened"])
    assert read(retired()) == read(new)
    event = controls.BARE["FollowUpOpened"]
    parts = [folded([Recorded(Position(0, 0), controls.NOW, event.subject, value)]) for value in (retired(), new)]
    assert parts[0] == parts[1]


def test_a_follow_up_of_version_1_denies() -> None:
    number = make_event("FollowUpOpened", **_about_the_number(1), reason="unclear", holds=True)
    old = orjson.loads(encode(number)) | {"schema_version": 1}
    del old["holds"]
    policy = make_event("PolicyPublished", **_about_the_number(0, "operator", "operator:policy"), policy=policy_of(0))
    facts = [Fact(Position(0, place), 10, event) for place, event in enumerate((policy, decode(orjson.dumps(old))))]
    message = Message(controls.NUMBER_REF, "sms", "service", "acme", "CA", None, 20)
    view = view_of(facts)
    assert asked(view, message, Histories(view)).reason == "held_for_review"


def _about_the_number(place: int, kind: str = "number", subject: str = controls.NUMBER_REF) -> dict[str, Any]:
    said = {"kind": kind, "subject": subject, "occurred_at": 5, "idempotency_key": f"{place:032x}"}
    return said | {"event_id": controls.event_id(place)}


@pytest.mark.parametrize("line", STORED.read_bytes().splitlines(), ids=range(len(STORED.read_bytes().splitlines())))
def test_what_the_first_release_stored_is_read_as_it_was(line: bytes) -> None:
    fields, event = orjson.loads(line), decode(line)
    assert event.type == fields["type"]
    again = orjson.loads(encode(event))
    assert {name: again[name] for name in fields if name != "schema_version"} == {
        name: value for name, value in fields.items() if name != "schema_version"
    }
    assert read(line)["event_id"] == event.event_id


def test_every_type_and_version_is_among_what_was_stored() -> None:
    there = {
        (fields["type"], fields["schema_version"]) for fields in map(orjson.loads, STORED.read_bytes().splitlines())
    }
    newest = {(name, model.model_fields["schema_version"].default) for name, model in EVENT_TYPES.items()}
    assert there == newest | {("FollowUpOpened", 1)}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_fields_that_a_newer_writer_added_are_ignored(type_: str) -> None:
    more = stored(type_, invented_later={"deep": [1, 2]})
    more["capture"] = more["capture"] | {"also_invented_later": True}
    assert decode(orjson.dumps(more)) == controls.BARE[type_]
    assert read(orjson.dumps(more)) == read(encode(controls.BARE[type_]))


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_the_order_of_the_fields_does_not_matter(type_: str) -> None:
    backwards = dict(reversed(stored(type_).items()))
    assert decode(orjson.dumps(backwards)) == controls.BARE[type_]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"FollowUpOpened"',
        b'["FollowUpOpened"]',
        b'{"type": ["FollowUpOpened"]}',
        b'{"type": "FollowUpOpened"}',
        b'{"type": "FollowUpOpened", "schema_version": [1]}',
        b'{"type": "FollowUpOpened", "schema_version": 1',
        b'{"type": "\\ud800FollowUpOpened"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        encode(controls.BARE["PreferenceRevoked"])[:-1],
        encode(controls.BARE["PreferenceRevoked"]) + b"}",
        orjson.dumps(stored("PreferenceRevoked", type="PreferenceForgotten")),
        orjson.dumps(stored("PreferenceRevoked", type=None)),
        orjson.dumps(stored("PreferenceRevoked", schema_version=2)),
        orjson.dumps(stored("FollowUpOpened", schema_version=3)),
        orjson.dumps(stored("FollowUpOpened", schema_version=0)),
        orjson.dumps(stored("PreferenceRevoked", subject="+14165551201")),
        orjson.dumps(stored("PreferenceRevoked", event_id="1")),
        orjson.dumps(stored("PreferenceRevoked", occurred_at=-1)),
        orjson.dumps(stored("PreferenceRevoked", occurred_at=10**17)),
        orjson.dumps(stored("PreferenceRevoked", scope={"purpose": "No Path"})),
        orjson.dumps(stored("PolicyPublished", policy={"name": "empty"})),
    ],
    ids=range(26),
)
def test_what_is_no_event_of_the_closed_set_is_said_to_be_none(value: bytes) -> None:
    for reader in (decode, read):
        with pytest.raises(UnreadableEvent, match=r"^no event: ."):
            reader(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.data())
def test_an_event_with_anything_in_a_field_is_read_or_said_to_be_none(type_: str, data: st.DataObject) -> None:
    fields = stored(type_)
    name = data.draw(st.sampled_from(sorted(fields)))
    try:
        spoilt = orjson.dumps(fields | {name: data.draw(JSON)})
    except TypeError:  # JSON has numbers that orjson does not write
        return
    try:
        event = decode(spoilt)
    except UnreadableEvent:
        return
    assert read(spoilt)["event_id"] == event.event_id


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.integers(0, 2_000), st.binary(max_size=4))
def test_damaged_bytes_are_read_or_said_to_be_no_event(type_: str, place: int, noise: bytes) -> None:
    whole = encode(controls.EVENTS[type_])
    damaged = whole[: place % len(whole)] + noise + whole[place % len(whole) + len(noise) :]
    for reader in (decode, read):
        with suppress(UnreadableEvent):
            reader(damaged)
