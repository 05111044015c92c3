"""The published schemas are those of the code, and what the ledger stores keeps to them."""

import tomllib
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from ledger.requests import Amend, OpenFollowUp, Unlink
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from projections.reading import read
from schemas import generate
from schemas.encoding import content_digest, decode, encode
from schemas.envelope import OperatorEvent
from schemas.events import EVENT_TYPES, OPERATOR_LEDGER, OPERATOR_POLICY, OPERATOR_SENDERS, Event
from schemas.policy import Policy
from tests import controls
from tests.histories import history
from tests.ledger.door import ACCOUNT, NUMBER, POLICY, Door, correct, grant, link, operate, revoke
from tests.projections.folding import view_of

NAMES = [*EVENT_TYPES, "event", "state", "policy", "Watermark", "Receipt", "LoggedDecision", "RejectedEntry", "Look"]


def schema(name: str) -> Draft202012Validator:
    """A committed schema, ready to judge."""
    return Draft202012Validator(orjson.loads((generate.FOLDER / f"{name}.schema.json").read_bytes()))


def as_json(event: Event) -> dict[str, Any]:
    """What stands in the stored bytes of an event."""
    fields: dict[str, Any] = orjson.loads(encode(event))
    return fields


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_schema_is_what_the_code_says(name: str) -> None:
    committed = (generate.FOLDER / f"{name}.schema.json").read_text("utf-8")
    assert committed == generate.written(generate.schemas()[f"{name}.schema.json"])
    Draft202012Validator.check_schema(orjson.loads(committed))


def test_there_is_a_schema_for_every_event_and_none_for_anything_else() -> None:
    expected = {f"{name}.schema.json" for name in NAMES}
    assert {path.name for path in generate.FOLDER.iterdir()} == expected


def test_the_check_finds_what_is_missing_changed_or_left_over_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"], tmp_path / "json") == 1
    assert not (tmp_path / "json").exists()
    assert generate.main([], tmp_path / "json") == 0
    assert generate.main(["--check"], tmp_path / "json") == 0
    (tmp_path / "json" / "event.schema.json").write_text("{}")
    (tmp_path / "json" / "Forgotten.schema.json").write_text("{}")
    (tmp_path / "json" / "policy.schema.json").unlink()
    capsys.readouterr()
    assert generate.main(["--check"], tmp_path / "json") == 1
    told = capsys.readouterr().err.splitlines()
    assert [Path(line.split()[0]).name.partition(".")[0] for line in told] == ["Forgotten", "event", "policy"]
    generate.main([], tmp_path / "json")
    assert generate.outdated(tmp_path / "json") == []


@pytest.mark.parametrize("events", [controls.EVENTS, controls.BARE], ids=["full", "bare"])
@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_an_example_of_every_event_keeps_to_its_schema_and_to_no_other(type_: str, events: dict[str, Event]) -> None:
    stored = as_json(events[type_])
    assert [name for name in EVENT_TYPES if schema(name).is_valid(stored)] == [type_]
    assert schema("event").is_valid(stored)


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_schema_refuses_what_is_missing_malformed_or_null(type_: str) -> None:
    stored, judge = as_json(controls.BARE[type_]), schema(type_)
    for name in stored:
        assert not judge.is_valid(stored | {name: None}), name
    needed = {name for name, field in EVENT_TYPES[type_].model_fields.items() if field.is_required()}
    for name in needed | {"type", "schema_version"}:
        assert not judge.is_valid({key: value for key, value in stored.items() if key != name}), name
    assert not judge.is_valid(stored | {"subject": "+14165551201"})
    assert not judge.is_valid(stored | {"kind": "number" if stored["kind"] == "operator" else "operator"}) or (
        type_.startswith("FollowUp")
    )
    assert judge.is_valid(stored | {"a_field_of_the_future": 1})


@pytest.mark.parametrize("events", [controls.EVENTS, controls.BARE], ids=["full", "bare"])
@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_reading_and_writing_an_event_keeps_its_bytes(type_: str, events: dict[str, Event]) -> None:
    stored = encode(events[type_])
    assert encode(decode(stored)) == stored
    assert decode(stored) == events[type_]
    fields = read(stored)
    assert {name: fields[name] for name in ("type", "subject", "event_id", "content")} == {
        name: getattr(events[type_], name) for name in ("type", "subject", "event_id", "content")
    }
    assert fields.items() <= as_json(events[type_]).items()


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_the_content_of_an_event_is_the_digest_of_its_stored_form(type_: str) -> None:
    for event in (controls.EVENTS[type_], controls.BARE[type_]):
        assert content_digest(as_json(event)) == event.content


def test_the_content_of_what_is_recorded_is_the_digest_of_its_stored_form_whatever_was_left_out() -> None:
    door = Door()
    door.record(operate("LedgerOpened", OPERATOR_LEDGER, ledger_id=controls.event_id(1), secret_fingerprint="0" * 32))
    effective = {"effective_from": "2026-11-22T10:00:00+01:00"}
    door.record(operate("PolicyPublished", OPERATOR_POLICY, policy=POLICY | effective | {"version": "2"}))
    door.record(operate("SenderSuspended", OPERATOR_SENDERS, sender="12345"))
    yes = door.record(grant(evidence="oui"))
    opened = door.record(OpenFollowUp(subject=NUMBER, reason="unclear", holds=True))
    door.record(Amend(type="FollowUpResolved", event_id=opened.event_id))
    door.record(link())
    door.record(Unlink(subject=NUMBER, account=ACCOUNT))
    door.record(correct(yes.event_id))
    door.record(revoke(channel="pigeon", time_unclear=True))
    recorder_wrote = [orjson.loads(recorded.value) for recorded in door.stored()]
    assert len(recorder_wrote) > 12
    for stored in recorder_wrote:
        assert content_digest(stored) == stored["content"], stored["type"]
        schema("event").validate(stored)


def test_all_events_of_generated_histories_keep_to_the_schema_of_events() -> None:
    judge = schema("event")
    for seed in range(20):
        for fact in history(Random(seed), events=30).facts:
            judge.validate(as_json(fact.event))


def test_a_policy_keeps_to_its_schema_as_it_is_written_and_as_it_is_stored() -> None:
    judge = schema("policy")
    judge.validate(controls.POLICY.model_dump(mode="json", exclude_none=True))
    text = resources.files("consumers").joinpath("default_policy.toml").read_text("utf-8")
    judge.validate(tomllib.loads(text))
    spoilings: tuple[dict[str, Any], ...] = (
        {"brnads": []},
        {"effective_from": None},
        {"purposes": {"marketing": {"regime": "maybe"}}},
    )
    for spoilt in spoilings:
        assert not judge.is_valid(tomllib.loads(text) | spoilt)
    assert Policy.model_validate(tomllib.loads(text)).label == "default@1"


def test_every_state_that_events_fold_to_keeps_to_its_schema() -> None:
    judge = schema("state")
    folded = [controls.state(event) for events in (controls.EVENTS, controls.BARE) for event in events.values()]
    for seed in range(10):
        view: MemoryView = view_of(history(Random(seed), events=150).facts)
        folded.append([orjson.loads(stored) for _, stored in view.all_parts()])
    for parts in folded:
        for part in parts:
            judge.validate(part)


def test_the_schema_of_states_refuses_an_entry_that_says_less_than_it_must() -> None:
    judge, [part] = schema("state"), controls.state(controls.EVENTS["PreferenceRevoked"])
    [entry] = part["entries"]
    judge.validate(part)
    for name in ("scope", "event_id", "occurred_at", "type", "content"):
        spoilt = part | {"entries": [{key: value for key, value in entry.items() if key != name}]}
        assert not judge.is_valid(spoilt), name


def test_the_fold_keeps_of_an_operators_event_what_its_readers_ask() -> None:
    store = MemoryView()
    door = Door()
    catch_up(door.log, store)
    [policy] = store.parts(OPERATOR_POLICY)
    assert policy["entries"][0]["policy"]["name"] == POLICY["name"]


def test_every_event_of_the_operator_is_about_the_operator_alone() -> None:
    about = {name: as_json(event)["kind"] for name, event in controls.EVENTS.items()}
    assert all((about[name] == "operator") == issubclass(EVENT_TYPES[name], OperatorEvent) for name in EVENT_TYPES)
