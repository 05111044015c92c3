"""`policy`, `procedure`, `halt`, `resume`, `follow-ups`: what decisions depend on, and the human queue."""

import time
import tomllib
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from consumers import follow_ups as queue
from consumers.cli.options import (
    OPERATE,
    Actor,
    Evidence,
    Json,
    Key,
    Occurred,
    Procedure,
    Source,
    Zone,
    opened,
    origin,
    when,
)
from consumers.cli.output import either, emit, say, table
from consumers.opened import Ledger
from consumers.procedures import reference_of
from consumers.receipts import as_json, in_words
from consumers.wording import masked
from ledger.errors import RefusedError
from ledger.record import Receipt
from ledger.requests import Amend, Operate
from schemas.errors import InputError
from schemas.events import OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_TRAFFIC
from schemas.policy import Policy
from schemas.scope import EVERYTHING, pattern

Label = Annotated[str, typer.Argument(metavar="NAME@VERSION")]
Everywhere = Annotated[str, typer.Option(help="What is stopped; * is everything and is said explicitly.")]
FollowUpId = Annotated[str, typer.Argument(metavar="FOLLOW_UP", help="Its id, as listed.")]

policy_app = typer.Typer(
    help="The policy: what silence means, what never needs consent, and more.", no_args_is_help=True
)
procedure_app = typer.Typer(help="The procedures that staff follow.", no_args_is_help=True)
follow_ups_app = typer.Typer(help="What a person has to look at.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.add_typer(policy_app, name="policy", rich_help_panel=OPERATE)
    app.add_typer(procedure_app, name="procedure", rich_help_panel=OPERATE)
    app.add_typer(follow_ups_app, name="follow-ups", rich_help_panel=OPERATE)
    app.command(rich_help_panel=OPERATE)(halt)
    app.command(rich_help_panel=OPERATE)(resume)


@policy_app.command("show")
def policy_show(at: Occurred = None, timezone: Zone = None, json: Json = False) -> None:
    """The policy in force, as `policy publish` takes it."""
    moment = when(at, timezone)
    with opened() as ledger:
        policy = reference_of(ledger.view()).policy(_now() if moment is None else moment)
    document = policy.model_dump(mode="json", exclude_none=True)
    either(json, document, [orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()])


@policy_app.command("publish")
def policy_publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON or TOML.")],
    actor: Actor = "system:cli",
    evidence: Evidence = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Put a version of the policy in force from the time that it names."""
    policy = _policy_in(file)
    details = {"policy": policy.model_dump(mode="json", exclude_none=True)}
    with opened() as ledger:
        known = {other.label: other for other in reference_of(ledger.view()).policies}
        if policy.label in known and known[policy.label] != policy:
            raise RefusedError(f"{policy.label} is published already and says otherwise; give it a new version")
        ledger.must_bear(policy)
        request = Operate(
            type="PolicyPublished", subject=OPERATOR_POLICY, details=details, evidence=evidence,
            origin=origin(actor, "cli", None), idempotency_key=idempotency_key or f"policy {policy.label}",
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
    either(json, as_json(receipt), in_words(receipt, f"Policy published: {policy.label}"))


def _policy_in(file: Path) -> Policy:
    try:
        text = file.read_text("utf-8-sig")
        said = tomllib.loads(text) if file.suffix == ".toml" else orjson.loads(text)
        return Policy.model_validate(said)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        where = ".".join(str(step) for step in first["loc"]) or "the policy"
        raise InputError(f"{file}: {where}: {first['msg']}; see docs/policy.md") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a policy (JSON, or TOML in a .toml file): {error}") from None


def _procedure(
    type_: str,
    done: str,
    label: str,
    occurred_at: str | None,
    zone: str | None,
    actor: str,
    key: str | None,
    json: bool,
) -> None:
    details = {"procedure": label}
    if type_ == "ProcedureAcknowledged":
        if not actor.startswith("agent:"):
            raise RefusedError("a procedure is acknowledged by an agent; say who with --actor agent:ID")
        details["agent"] = actor.partition(":")[2]
    occurred = when(occurred_at, zone)
    with opened() as ledger:
        _must_fit(ledger, type_, label)
        request = Operate(
            type=type_, subject=OPERATOR_PROCEDURES, details=details, origin=origin(actor, "cli", None),
            occurred_at=occurred, idempotency_key=key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
    either(json, as_json(receipt), in_words(receipt, f"{done}: {label}"))


def _must_fit(ledger: Ledger, type_: str, label: str) -> None:
    if type_ != "ProcedurePublished" and reference_of(ledger.view()).procedure(label, _now()) == "unknown":
        raise RefusedError(f"no procedure {label[:100]!r} is published; nothing was recorded")


@procedure_app.command("publish")
def procedure_publish(
    label: Label, occurred_at: Occurred = None, timezone: Zone = None, actor: Actor = "system:cli",
    idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """Staff may follow this version from now on."""
    _procedure("ProcedurePublished", "Published", label, occurred_at, timezone, actor, idempotency_key, json)


@procedure_app.command("withdraw")
def procedure_withdraw(
    label: Label, occurred_at: Occurred = None, timezone: Zone = None, actor: Actor = "system:cli",
    idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """Staff may not follow this version any more."""
    _procedure("ProcedureWithdrawn", "Withdrawn", label, occurred_at, timezone, actor, idempotency_key, json)


@procedure_app.command("acknowledge")
def procedure_acknowledge(
    label: Label, actor: Annotated[str, typer.Option(help="agent:ID, who has read it.")],
    occurred_at: Occurred = None, timezone: Zone = None, idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """An agent has read this version."""
    _procedure("ProcedureAcknowledged", "Acknowledged", label, occurred_at, timezone, actor, idempotency_key, json)


def halt(
    channel: Everywhere, purpose: Everywhere, brand: Everywhere,
    actor: Actor = "system:cli", evidence: Evidence = None, idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """The stop switch: nothing of this scope goes out until it is resumed."""
    _switch("TrafficHalted", "Halted", (brand, channel, purpose), actor, evidence, idempotency_key, json)


def resume(
    channel: Everywhere, purpose: Everywhere, brand: Everywhere,
    actor: Actor = "system:cli", evidence: Evidence = None, idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """End the halts of exactly this scope."""
    _switch("TrafficResumed", "Resumed", (brand, channel, purpose), actor, evidence, idempotency_key, json)


def _switch(
    type_: str, done: str, scope: tuple[str, str, str], actor: str, evidence: str | None, key: str | None, json: bool
) -> None:
    brand, channel, purpose = map(pattern, scope)
    said = {"brand": brand, "channel": channel, "purpose": purpose}
    with opened() as ledger:
        policy = reference_of(ledger.view()).policy(_now())
        for part in policy.unknown(brand, channel, purpose):
            raise RefusedError(f"the {part} {said[part]!r} is not in the policy {policy.label}; nothing was recorded")
        if type_ == "TrafficResumed" and not _halted(ledger, (brand, channel, purpose)):
            raise RefusedError("no halt of exactly this scope is in force; nothing was recorded")
        request = Operate(
            type=type_, subject=OPERATOR_TRAFFIC, details={"scope": said}, origin=origin(actor, "cli", None),
            evidence=evidence, idempotency_key=key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
    what = "everything" if set(scope) == {EVERYTHING} else ", ".join(f"{part} {value}" for part, value in said.items())
    either(json, as_json(receipt), in_words(receipt, f"{done}: {what}"))


def _halted(ledger: Ledger, scope: tuple[str, str, str]) -> bool:
    return any(switch.scope == scope for switch in reference_of(ledger.view()).halts(_now()))


@follow_ups_app.command("list")
def follow_ups_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that are resolved as well.")] = False,
    json: Json = False,
) -> None:
    """What a person has to look at, oldest first."""
    with opened() as ledger:
        listed = [one for one in queue.follow_ups(ledger.log) if everything or not one.resolution]
        names = masked(ledger.people, queue.refs_in(listed))
    lines = [queue.as_json(one, names) for one in listed]
    if json:
        for line in lines:
            emit(line)
        return
    columns = ("follow_up", "opened_at", "subject", "reason", "holds", "state", "assignee", "about")
    table(columns, [[line[column] for column in columns] for line in lines])
    say(f"{len(lines)} follow-up(s)")


@follow_ups_app.command("assign")
def follow_ups_assign(
    follow_up: FollowUpId, to: Annotated[str, typer.Option(help="The agent's id.")],
    actor: Actor = "system:cli", idempotency_key: Key = None, json: Json = False,
) -> None:  # fmt: skip
    """Say who works on a follow-up."""
    details = {"assignee": to.removeprefix("agent:")}
    receipt = _amend("FollowUpAssigned", follow_up, details, actor, None, None, idempotency_key)
    either(json, as_json(receipt), in_words(receipt, f"Assigned to {to}"))


@follow_ups_app.command("resolve")
def follow_ups_resolve(
    follow_up: FollowUpId,
    resolution: Annotated[str, typer.Option(help="A code, such as done or called_back.")] = "done",
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    evidence: Evidence = None,
    source: Source = "cli",
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Say that a follow-up is done; what it held may go out again."""
    details = {"resolution": resolution}
    receipt = _amend("FollowUpResolved", follow_up, details, actor, procedure, evidence, idempotency_key, source)
    either(json, as_json(receipt), in_words(receipt, f"Resolved: {follow_up}"))


def _amend(
    type_: str, event_id: str, details: dict[str, str], actor: str, procedure: str | None,
    evidence: str | None, key: str | None, source: str = "cli",
) -> Receipt:  # fmt: skip
    request = Amend(
        type=type_, event_id=event_id, details=details, origin=origin(actor, source, procedure),
        evidence=evidence, idempotency_key=key,
    )  # fmt: skip
    with opened() as ledger:
        return ledger.recorder.record(request)


def _now() -> int:
    return time.time_ns() // 1_000_000
