"""`gaps`: who could still be sent to although they must not."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from consumers import gap_lines as lines
from consumers.cli.found import Out, tell
from consumers.cli.options import AUDIT, Json, Region, opened
from consumers.cli.output import complain, say
from consumers.customers import Compared, Customers, compare, denied_if_told
from consumers.gaps import Ask, Asked, Uncovered, denied
from consumers.importing.options import pairs
from consumers.opened import Ledger
from consumers.partial import partial
from consumers.running_gateway import ask_gateway, lasting
from consumers.wording import masked
from projections.rebuilt import Rebuilt
from schemas.subject import Subject

Snapshots = Annotated[
    list[Path] | None, typer.Option("--snapshot", metavar="FILE", help="Ask a gateway's own copy, as it lies there.")
]
Gateways = Annotated[
    list[str] | None, typer.Option("--gateway", metavar="URL", help="Ask a gateway that runs, over HTTP.")
]
Accounts = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The customer database: account and number, e-mail, or both.")
]
Maps = Annotated[
    list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which of its columns is account, number, …")
]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(gaps)


class Copy(NamedTuple):
    """A gate's copy: how it is called, how it is asked, and the log as far as it knows it."""

    name: str
    ask: Ask
    rebuilt: Rebuilt
    runs: bool = False


def gaps(
    accounts: Accounts = None,
    maps: Maps = None,
    region: Region = None,
    snapshot: Snapshots = None,
    gateway: Gateways = None,
    strict: Annotated[bool, typer.Option(help="Exit code 1 for anything that was found.")] = False,
    out: Out = None,
    json: Json = False,
) -> None:
    """Contacts that could still be sent to although they must not: the gates' copies against the log itself.

    Exit code 1 for uncovered ones and for rows of the customer database that cannot be read.
    """
    customers = None if accounts is None else Customers(accounts, pairs("--map", maps or (), "field=column"), region)
    now, counts = time.time_ns() // 1_000_000, Counter[str]()
    with opened() as ledger:
        listed: dict[str, Subject] = {}
        copies = list(_copies(ledger, snapshot or (), gateway or (), listed))
        found = _found(ledger, customers, copies, listed, now)
        tell(_counted(found, counts), lines.COLUMNS, out, json, lines.in_words)
    if not json:
        say(", ".join(f"{counts[kind]:,} {kind}" for kind in dict.fromkeys(("uncovered", "partial", *counts))))
    if counts["uncovered"] or counts["unreadable"] or (strict and counts.total()):
        raise typer.Exit(1)


def _counted(found: Iterable[dict[str, Any]], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for line in found:
        counts[line["gap"]] += 1
        yield line


def _copies(
    ledger: Ledger, snapshots: Iterable[Path], gateways: Iterable[str], listed: Mapping[str, Subject]
) -> Iterator[Copy]:
    from consumers.copies import ask_replica, current_replica, snapshot  # numpy, which few commands need

    paths, urls = list(snapshots), list(gateways)
    for path in paths:
        replica = snapshot(path, ledger)
        yield Copy(str(path), ask_replica(replica), Rebuilt(ledger.log, replica.watermark()))
    if urls or not paths:
        whole = Rebuilt(ledger.log)
        for url in urls:
            yield Copy(url, ask_gateway(url, ledger.people, listed), whole, runs=True)
        if not urls:
            if ledger.settings.distributed:
                complain(
                    "this asks a copy made on this machine; name the gateways' own: --snapshot FILE, --gateway URL"
                )
            yield Copy("the gate", ask_replica(current_replica(ledger)), whole)


def _found(
    ledger: Ledger, customers: Customers | None, copies: list[Copy], listed: dict[str, Subject], now: int
) -> Iterator[dict[str, Any]]:
    """`listed` is filled with those whom the customer database alone knows, before anybody is asked about them."""
    for copy in copies:
        compared = None if customers is None else compare(customers.rows(ledger.references), copy.rebuilt, now)
        listed.update(compared.people() if compared else {})
        for gap in _uncovered(ledger, copy, compared, now):
            yield lines.uncovered(gap, copy.name, _names(ledger, gap, listed))
    whole = copies[-1].rebuilt
    for one in partial(whole, now):
        yield lines.partial(one, masked(ledger.people, [one.account, *one.opted_out, *one.reachable]))
    if compared is not None:
        yield from map(lines.never_linked, compared.never_told)
        for account, contact in compared.not_listed:
            yield lines.not_listed(account, contact, masked(ledger.people, [account, contact]))
        yield from map(lines.unreadable, compared.unreadable)


def _uncovered(ledger: Ledger, copy: Copy, compared: Compared | None, now: int) -> Iterator[Uncovered]:
    asked = Asked(copy.ask)
    found = asked.uncovered(denied(copy.rebuilt, now))
    if copy.runs:
        found = iter(lasting(list(found), copy.ask, ledger.log))
    yield from found
    if compared is not None:
        yield from asked.uncovered(denied_if_told(compared.never_told, copy.rebuilt, now))
    if asked.unasked:
        complain(
            f"{len(asked.unasked):,} contact(s) are known by reference only, and {copy.name} was not asked about them; "
            "its snapshot can be: --snapshot FILE"
        )


def _names(ledger: Ledger, gap: Uncovered, listed: Mapping[str, Subject]) -> dict[str, str]:
    """How to show whom a gap is about; what the ledger never heard of as the customer database has it."""
    refs = [ref for ref in (gap.denied.contact, gap.denied.account) if ref]
    names = masked(ledger.people, refs)
    return {ref: listed[ref].masked if ref in listed else names[ref] for ref in refs}
