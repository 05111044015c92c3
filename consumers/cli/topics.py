"""`topics create`, `topics describe`, `move`: the ledger on Kafka."""

from typing import Annotated

import typer

from consumers.cli.options import RUN, Json
from consumers.cli.output import either, emit, progress, table
from consumers.settings import load
from schemas.topics import DEFAULT_PARTITIONS

Partitions = Annotated[int, typer.Option(min=1, help="Of the ledger and its tables; cannot be changed later.")]
Replicas = Annotated[int, typer.Option("--replication-factor", min=1, help="Brokers that hold each entry.")]
Staleness = Annotated[
    int, typer.Option(metavar="SECONDS", min=1, help="The largest max_staleness_s that a policy will ever set.")
]
ErasureDays = Annotated[int, typer.Option(min=1, help="After so many days what was erased is off the disks.")]
Empty = Annotated[bool, typer.Option("--empty", help="Without secret and first events: to be filled by move.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(help="The topics of a ledger on Kafka.", no_args_is_help=True)
    group.command()(create)
    group.command()(describe)
    app.add_typer(group, name="topics", rich_help_panel=RUN)
    app.command(rich_help_panel=RUN)(move)


def create(
    partitions: Partitions = DEFAULT_PARTITIONS,
    replication_factor: Replicas = 3,
    max_staleness: Staleness = 300,
    erasure_days: ErasureDays = 7,
    empty: Empty = False,
    json: Json = False,
) -> None:
    """Make what is missing of the topics, the secret and the first events; may be repeated."""
    from consumers.bootstrap.distributed import Layout, make_topics

    layout = Layout(partitions, replication_factor, max_staleness, erasure_days)
    settings = load()
    made = make_topics(settings, layout, empty)
    words = [f"made {name}" for name in made] or ["all topics were there already"]
    if not empty:
        words.append(
            f"The secret is {settings.secret_file}: keep a copy elsewhere, without it nobody can be looked up."
        )
    either(json, {"made": made}, words)


def describe(json: Json = False) -> None:
    """The topics as they are, and what a ledger cannot work with. Exit code 1 for the latter."""
    from consumers.bootstrap.distributed import described

    found, wrong = described(load().broker())
    if json:
        emit({"topics": [topic._asdict() for topic in found], "wrong": wrong})
    else:
        rows = [(topic.name, topic.partitions, topic.replication_factor, _in_words(topic.settings)) for topic in found]
        table(("topic", "partitions", "replicas", "settings"), rows)
        for said in wrong:
            typer.echo(f"problem  {said}")
    if wrong:
        raise typer.Exit(1)


def _in_words(settings: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(settings.items()))


def move(
    url: Annotated[str, typer.Argument(metavar="URL", help="kafka://HOST:PORT[,HOST:PORT], with topics made --empty.")],
    to_version: Annotated[int, typer.Option(min=1, help="Version of the topics to fill.")] = 1,
    json: Json = False,
) -> None:
    """Move the ledger in force to topics of Kafka: order, times and hashes stay; may be killed and run again."""
    from consumers.bootstrap.moving import move as move_to

    settings = load()
    to = settings.model_copy(update={"ledger_url": url, "topics_version": to_version})
    with progress("moving", None) as bar:
        moved = move_to(settings, to, lambda entries: bar.advance(bar.task_ids[0], entries))
    words = [
        f"Moved {moved.entries:,} entries, {moved.identities:,} identities, {moved.evidence:,} pieces of evidence, "
        f"{moved.erased:,} erasures and {moved.looks:,} looks; every entry was read back and is the same.",
        f"Now set PREFLEDGER_LEDGER_URL={url}"
        + (f" and PREFLEDGER_TOPICS_VERSION={to_version}" if to_version > 1 else "")
        + f" wherever the ledger is used; the secret stays {settings.secret_file}.",
    ]
    either(json, moved._asdict(), words)
