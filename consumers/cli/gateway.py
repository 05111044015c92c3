"""`gateway run|list|retire`: processes that answer whether a message may go out, from a copy of their own."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.options import RUN, Json
from consumers.cli.output import either, emit, table
from consumers.settings import load

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the gateway; several processes may share it.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(help="Gateways: they answer from a copy of their own.", no_args_is_help=True)
    for command in (run, list_, retire):
        group.command(command.__name__.strip("_"))(command)
    app.add_typer(group, name="gateway", rich_help_panel=RUN)


def run(
    name: Name,
    port: Annotated[int, typer.Option(help="0 takes a free one, and says which.")] = 8090,
    snapshot: Annotated[Path | None, typer.Option(help="This process's own file; in the data folder.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Answer allowed, and say beside it what was found.")] = False,
    region: Annotated[str | None, typer.Option(metavar="CC", help="ISO 3166 region for national numbers.")] = None,
    log_decisions: Annotated[bool, typer.Option(help="Log every decision to the decisions topic.")] = True,
) -> None:
    """Answer POST /v1/decisions until SIGTERM. Exit code 2 for a wrong secret or missing topics."""
    from consumers.bootstrap.gateway import run_gateway

    run_gateway(load(), name, port, snapshot, shadow=shadow, region=region, log_decisions=log_decisions)


def list_(json: Json = False) -> None:
    """Which processes there are, how far behind the ledger, and how long each may go on without news."""
    from consumers.bootstrap.gateways import gateways

    seen = gateways(load())
    said = [one.as_json(seen.ends, seen.now) for one in seen.processes]
    if json:
        for each in said:
            emit(each)
        return
    columns = ("name", "process", "state", "lag", "lease_s", "told_at", "policy")
    table(columns, [[each[column] for column in columns] for each in said])


def retire(
    name: Name,
    process: Annotated[str | None, typer.Option(metavar="ID", help="Only this one of its processes.")] = None,
    json: Json = False,
) -> None:
    """Record that processes of a gateway are gone, so that nobody waits for them; one that runs ends by it."""
    from consumers.bootstrap.gateways import retire as retire_all

    for one in retire_all(load(), name, process):
        either(json, {"name": one.gateway, "process": one.process}, [f"Retired {one.gateway}, process {one.process}."])
