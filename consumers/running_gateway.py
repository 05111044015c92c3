"""A gateway that runs, asked over HTTP as whatever sends asks it: `POST /v1/decisions`.

Numbers go in bodies, past no proxy, and in clear to no other machine.
"""

import ipaddress
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final

import orjson

from consumers.gaps import REVOKED, Ask, Asked, Denied, Got, Uncovered
from consumers.wording import subject_of
from ledger.errors import UnavailableError
from ledger.log import Log
from ledger.people import People
from ledger.record import system_clock
from projections.log_view import LogView
from projections.resolve import resolve
from projections.view import Histories
from schemas.errors import InputError, shown
from schemas.subject import Subject

TIMEOUT_S: Final = 30.0
LARGEST: Final = 64 << 20
PATIENCE_S = 10.0
LOOK_EVERY_S: Final = 0.5


def ask_gateway(url: str, people: People, others: Mapping[str, Subject]) -> Ask:
    """Puts questions to the gateway at a URL such as `http://127.0.0.1:8090`; it decides as of when it is asked.

    It is asked by number, so that somebody whose identity was erased cannot be asked about. `others`: who is behind
    references of which the ledger need not know. Raises InputError for a URL to which no number may be sent.
    """
    address = _checked(url)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(questions: Sequence[Denied]) -> list[Got | None]:
        identities = people.identities({one.contact for one in questions})
        subjects = {**others, **{ref: subject_of(identity) for ref, identity in identities.items()}}
        asked = [one for one in questions if subjects.get(one.contact)]
        body = orjson.dumps({"decisions": [_question(one, str(subjects[one.contact])) for one in asked]})
        answers = iter(_answers(opener, address, body, len(asked)) if asked else ())
        return [next(answers) if subjects.get(one.contact) else None for one in questions]

    return ask


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/") + "/v1/decisions"
    if parts.scheme != "http" or not parts.hostname:
        raise InputError(f"{shown(url)} is no gateway; write it like http://127.0.0.1:8090")
    if not _is_loopback(parts.hostname):
        raise InputError(f"{shown(url)} is another machine's, and numbers go there by https only")
    return url.rstrip("/") + "/v1/decisions"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _question(one: Denied, contact: str) -> dict[str, object]:
    """Nothing is sent on what an audit is told: on record it would be a message that went out."""
    brand, channel, purpose = one.message
    return {"contact": contact, "brand": brand, "channel": channel, "purpose": purpose, "log": False}


def _answers(opener: urllib.request.OpenerDirector, address: str, body: bytes, count: int) -> list[Got | None]:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  # checked above
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            found = orjson.loads(response.read(LARGEST))
        answers = [_got(answer) for answer in found["decisions"]]
        if len(answers) != count:
            raise ValueError(f"{len(answers)} answers to {count} questions")
        return answers
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(f"the gateway {address} does not answer as one: {error}") from error


def _got(answer: dict[str, Any]) -> Got | None:
    """In shadow mode it lets everything out, and says what it would have said; the gap is real either way."""
    if "problem" in answer:
        return None
    return Got(bool(answer["allowed"]), "shadow" if "shadow" in answer else str(answer["reason"]))


def lasting(found: list[Uncovered], ask: Ask, log: Log) -> list[Uncovered]:
    """Those of the gaps that are none of a moment: the gateway had time to read on, and the log still denies them.

    A gateway may be a second behind the log, and somebody may say yes while it is asked. Raises UnavailableError.
    """
    end = time.monotonic() + PATIENCE_S
    while found and time.monotonic() < end:
        time.sleep(min(LOOK_EVERY_S, PATIENCE_S))
        found = list(Asked(ask).uncovered([gap.denied for gap in found]))
    histories = Histories(LogView(log))
    return [gap for gap in found if gap.denied.account is not None or _is_denied(histories, gap.denied)]


def _is_denied(histories: Histories, denied: Denied) -> bool:
    contact = histories.contact(denied.contact)
    question = denied.question.again(system_clock(), None)
    return resolve(contact, histories.accounts_of(contact), histories.reference, question).reason in REVOKED
