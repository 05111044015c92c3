"""`projector` and `db`: read models for data teams, kept current from the ledger."""

from typing import Annotated

import typer

from consumers.cli import sharing
from consumers.cli.options import RUN, Json
from consumers.cli.output import either, progress
from consumers.settings import load
from schemas.times import rfc3339

projector = typer.Typer(help="The projector keeps the read models current.", no_args_is_help=True)
database = typer.Typer(help="The database of the read models.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    sharing.add_to(database)
    app.add_typer(projector, name="projector", rich_help_panel=RUN)
    app.add_typer(database, name="db", rich_help_panel=RUN)


@projector.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Up to the end that the ledger has now, then end.")] = False,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Serve /healthz, /readyz and /metrics; 0: do not.")
    ] = 0,
    json: Json = False,
) -> None:
    """Follow the ledger until SIGTERM. A database that is away is waited for; nothing is lost and nothing doubled."""
    from consumers.bootstrap.read_models import project_once, run_projector

    settings = load()
    if not once:
        run_projector(settings, metrics_port)
        return
    with progress("projecting", None) as bar:
        events = project_once(settings, lambda some, _lag: bar.advance(bar.task_ids[0], some))
    either(json, {"events": events}, [f"{events:,} event(s) came into the read models; they are up to date."])


@projector.command()
def replay(json: Json = False) -> None:
    """Make all rows anew from the first event, beside the live ones, and put them in place in one step.

    Readers see the old rows or the new ones, never less. A projector may go on meanwhile.
    Killed, it goes on when run again.
    """
    from consumers.bootstrap.read_models import make_anew

    with progress("making the rows anew", None) as bar:
        events = make_anew(load(), lambda some, _lag: bar.advance(bar.task_ids[0], some))
    either(json, {"events": events}, [f"The read models were made anew from {events:,} event(s) and are in place."])


@database.command()
def upgrade(json: Json = False) -> None:
    """Bring the tables to this version, with what is in them; make them where there are none. May be repeated."""
    from consumers.bootstrap.read_models import upgrade_database

    done = upgrade_database(load())
    words = "is up to date" if done.before == done.after else f"was upgraded from {done.before or 'nothing'}"
    either(json, done._asdict(), [f"The database of the read models {words}: revision {done.after}."])


@database.command()
def status(json: Json = False) -> None:
    """How far the read models are behind the ledger. Exit code 1 if they are."""
    from consumers.bootstrap.read_models import look_at_lag

    found = look_at_lag(load())
    words = [f"{found.lag.in_words()}"]
    words += [
        f"  partition {partition}: {place.offset:,}, recorded {rfc3339(place.recorded_at)}, "
        f"in the rows since {rfc3339(place.caught_up_at)}"
        for partition, place in sorted(found.places.items())
    ]
    document = {
        "events_behind": found.lag.events,
        "ms_behind": found.lag.ms,
        "partitions": {
            str(partition): {"offset": place.offset, "recorded_at": rfc3339(place.recorded_at)}
            | {"caught_up_at": rfc3339(place.caught_up_at)}
            for partition, place in sorted(found.places.items())
        },
    }
    either(json, document, words)
    if found.lag.events:
        raise typer.Exit(1)
