"""Bundles: all that is on record of one subject in one file, with the proofs that an outsider needs to believe it.

The same ledger and the same subject give the same bytes. Whoever is shown one sees a name and words, so a look at
them is recorded first.
"""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import orjson

from consumers.looking import look
from consumers.opened import Ledger
from consumers.proofs.checkpoints import Checkpoints, Proof, Signed
from ledger.errors import TamperedError
from ledger.leaves import HEAD, leaf
from ledger.log import Recorded, Scanned
from schemas.encoding import UnreadableEvent, decode
from schemas.events import (
    OPERATOR_LEDGER,
    OPERATOR_POLICY,
    OPERATOR_PROCEDURES,
    ContactLinked,
    Event,
    ProcedureAcknowledged,
)
from schemas.subject import Subject

FORMAT, LOG_FORMAT = "prefledger-bundle@1", "prefledger-log@1"


def bundle(ledger: Ledger, checkpoints: Checkpoints, subject: Subject, actor: str, now: int) -> dict[str, Any]:
    """The bundle of a contact or an account, as JSON; of a contact with the events of every account it was ever in.

    Makes a checkpoint first, so that everything on record now is in it. Raises TamperedError.
    """
    signed = checkpoints.make()
    own = list(_entries(ledger, checkpoints, ledger.ref(subject)))
    accounts = sorted({event.account for _, event in own if isinstance(event, ContactLinked)})
    refs = [ledger.ref(subject), *accounts]
    shown = own + [one for account in accounts for one in _entries(ledger, checkpoints, account)]
    agents = {event.actor for _, event in shown if event}
    operator = [one for one in _of_operator(ledger, checkpoints) if _matters(one[1], agents)]
    proofs = [checkpoints.prove_under(signed, recorded) for recorded, _event in (*shown, *operator)]
    for ref in refs:
        look(ledger, ref, actor, "bundle", now)
    return {
        "format": FORMAT,
        "key": str(checkpoints.verifier),
        "checkpoint": signed.note.decode(),
        "subjects": [_subject(ledger, ref) for ref in refs],
        "heads": [_head(proof) for _, proof in sorted({proof.told.at: proof for proof in proofs}.items())],
        "entries": [_entry(proof) for proof in proofs],
        "evidence": [words for _, event in shown if event and (words := _words(ledger, event))],
    }


def _entries(ledger: Ledger, checkpoints: Checkpoints, ref: str) -> Iterator[tuple[Recorded, Event | None]]:
    """What the checkpoint covers of a subject; what is no event is shown all the same."""
    for recorded in ledger.log.read_subject(ref):
        if checkpoints.covers(recorded):
            try:
                yield recorded, decode(recorded.value)
            except UnreadableEvent:
                yield recorded, None


def _of_operator(ledger: Ledger, checkpoints: Checkpoints) -> Iterator[tuple[Recorded, Event | None]]:
    for key in (OPERATOR_LEDGER, OPERATOR_POLICY, OPERATOR_PROCEDURES):
        yield from _entries(ledger, checkpoints, key)


def _matters(event: Event | None, agents: set[str]) -> bool:
    """Who acknowledged a procedure matters here only of those who acted."""
    return not isinstance(event, ProcedureAcknowledged) or f"agent:{event.agent}" in agents


def _subject(ledger: Ledger, ref: str) -> dict[str, Any]:
    identity = ledger.people.identity(ref)
    if identity is None:
        return {"ref": ref}
    proof = ledger.references.proof(identity.kind, identity.id).hex()
    return {"ref": ref, "kind": identity.kind, "id": identity.id, "k": proof}


def _head(proof: Proof) -> dict[str, Any]:
    return {"index": proof.told.at, "text": proof.told.head.text, "proof": _encoded(proof.head_path)}


def _entry(proof: Proof) -> dict[str, Any]:
    encoded = b64encode(leaf(proof.recorded)).decode()
    index = proof.recorded.position.offset
    return {"head": proof.told.at, "index": index, "leaf": encoded, "proof": _encoded(proof.path)}


def _encoded(path: list[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in path]


def _words(ledger: Ledger, event: Event) -> dict[str, Any] | None:
    words = ledger.people.evidence(event.subject, event.event_id) if event.evidence else None
    if words is None:
        return None
    media = {"media": words.media} if words.media else {}
    return {"event_id": event.event_id, "salt": words.salt.hex(), "text": words.text} | media


class Export:
    """An export of the log as far as the newest checkpoint covers it: heads, then every leaf; by reference only."""

    def __init__(self, checkpoints: Checkpoints, signed: Signed, out: TextIO) -> None:
        self._checkpoints = checkpoints
        self._out = out
        self._line({"format": LOG_FORMAT, "checkpoint": signed.note.decode()})
        for told in checkpoints.heads.all:
            self._line({"head": told.at, "text": told.head.text})

    def entry(self, partition: int, entry: Scanned) -> None:
        """Adds the next entry of a partition."""
        offset, recorded_at, key, value, _was = entry
        told = self._checkpoints.heads.newest.get((self._checkpoints.era, partition))
        if told and offset < told.head.size:
            raw = key.encode("utf-8", "surrogatepass")
            encoded = b64encode(HEAD.pack(recorded_at, len(raw)) + raw + value).decode()
            self._out.write(f'{{"origin":"{told.head.origin}","leaf":"{encoded}"}}\n')

    def _line(self, document: dict[str, Any]) -> None:
        self._out.write(orjson.dumps(document).decode() + "\n")


def export(checkpoints: Checkpoints, path: Path) -> int:
    """Writes the log to a file of JSON lines; returns how many entries it read. Raises TamperedError, OSError."""
    signed = checkpoints.newest()
    if signed is None:
        raise TamperedError("no checkpoint was ever made, so there is nothing that an export could be held against")
    count = 0
    with path.open("x", encoding="utf-8") as out:
        exporting = Export(checkpoints, signed, out)
        for partition, end in checkpoints.log.ends().items():
            for entry in checkpoints.log.scan(partition, end):
                exporting.entry(partition, entry)
                count += 1
    return count
