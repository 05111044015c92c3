"""How fast an auditor's questions are answered: the timeline of one contact of many events, in a warm process.

`SCALE=0.1 python -m bench audit` at a tenth of its size.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import orjson

from consumers.bootstrap import open_ledger
from consumers.opened import Ledger
from consumers.settings import Settings
from consumers.timeline import names_of, whole
from consumers.timeline_lines import as_json, in_words
from ledger.requests import Grant, Link, Origin, Request, Revoke
from projections.collecting import rarely
from schemas.subject import Subject

EVENTS = 10_000
OTHERS = 20_000
ACCOUNTS = 5
ROUNDS = 7
CONTACT = Subject("number", "+14165550123")
ORIGIN = Origin(actor="import:crm", source="crm")


def run(scale: float) -> dict[str, object]:
    """Figures by name; times are the best of several rounds, in milliseconds."""
    events, others = int(EVENTS * scale), int(OTHERS * scale)
    with tempfile.TemporaryDirectory() as name, open_ledger(Settings(home=Path(name))) as ledger:
        _fill(ledger, events, others)
        ref = ledger.ref(CONTACT)
        found = whole(ledger, ref, ())
        figures: dict[str, object] = {"events of the contact and its accounts": len(found)}
        works: dict[str, Callable[[], object]] = {
            "timeline": lambda: whole(ledger, ref, ()),
            "timeline as JSON lines": lambda: _json(ledger, ref),
            "timeline in words": lambda: _words(ledger, ref),
        }
        for what, work in works.items():
            figures[f"{what}, ms"] = _best(work, time.perf_counter)
            figures[f"{what}, ms of processor time"] = _best(work, time.process_time)
    return figures


def _json(ledger: Ledger, ref: str) -> list[bytes]:
    with rarely():
        told = whole(ledger, ref, ())
        names = names_of(ledger, told)
        return [orjson.dumps(as_json(one, names)) for one in told]


def _words(ledger: Ledger, ref: str) -> list[str]:
    with rarely():
        told = whole(ledger, ref, ())
        return list(in_words(told, names_of(ledger, told)))


def _best(work: Callable[[], object], clock: Callable[[], float]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = clock()
        work()
        times.append(clock() - started)
    return min(times) * 1000


def _fill(ledger: Ledger, events: int, others: int) -> None:
    """Half of the events are the contact's own, half those of its accounts; others' lie between them in the log."""
    rng = Random(1)
    accounts = [Subject("account", f"ACC-{number}") for number in range(ACCOUNTS)]
    requests: list[Request] = [Link(account=account, subject=CONTACT, origin=ORIGIN) for account in accounts]
    for number in range(events - ACCOUNTS):
        requests.append(_said(rng, CONTACT if number % 2 else rng.choice(accounts)))
    for number in range(others):
        requests.append(_said(rng, Subject("number", f"+1416{2_000_000 + number:07}")))
    links, rest = requests[:ACCOUNTS], requests[ACCOUNTS:]
    rng.shuffle(rest)
    requests = links + rest
    for start in range(0, len(requests), 2_000):
        ledger.recorder.record_all(requests[start : start + 2_000])


def _said(rng: Random, subject: Subject) -> Request:
    purpose = rng.choice(("marketing", "service"))
    if rng.random() < 0.5:
        return Revoke(subject=subject, channel="sms", purpose=purpose, origin=ORIGIN, reach="contact")
    return Grant(subject=subject, brand="acme", channel="sms", purpose=purpose, basis="express", origin=ORIGIN)
