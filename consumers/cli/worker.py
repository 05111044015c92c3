"""`worker run` and `worker rebuild`: a ledger on Kafka is folded into its tables, as it comes and from its start."""

from typing import Annotated

import typer

from consumers.cli.options import RUN, Json
from consumers.cli.output import either, progress
from consumers.settings import load

worker = typer.Typer(help="Workers fold a ledger on Kafka into its tables.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.add_typer(worker, name="worker", rich_help_panel=RUN)


@worker.command()
def run(
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Serve /healthz, /readyz and /metrics; 0: do not.")
    ] = 0,
    standby: Annotated[int, typer.Option(min=0, max=1, help="How many other workers keep a copy of each state.")] = 1,
    session: Annotated[
        float, typer.Option(min=1, max=300, help="Seconds of silence after which a worker is taken for dead.")
    ] = 10.0,
) -> None:
    """Fold until SIGTERM. Any number may run: they share the partitions, and take over from one that dies."""
    from consumers.bootstrap.worker import Options, run_worker

    settings = load()
    run_worker(settings.broker(), Options(standby, session), metrics_port, listen=settings.listen)


@worker.command()
def rebuild(
    to_version: Annotated[int, typer.Option(min=1, help="Of the topics whose tables are filled; they must be empty.")],
    json: Json = False,
) -> None:
    """Fill new tables from the first entry on, beside the live ones, which are never written to."""
    from consumers.bootstrap.worker import rebuild_tables

    with progress("rebuilding", None) as bar:
        rebuilt = rebuild_tables(load().broker(), to_version, lambda entries: bar.advance(bar.task_ids[0], entries))
    entries, watermark = sum(rebuilt.ends.values()), {str(partition): end for partition, end in rebuilt.ends.items()}
    document = {"ledger": rebuilt.ledger, "to_version": to_version, "entries": entries, "watermark": watermark}
    words = f"Rebuilt version {to_version} of the tables from the {entries:,} entries of {rebuilt.ledger}."
    either(json, document, [words])
