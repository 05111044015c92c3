"""`checkpoint`, `prove`, `verify`, `bundle`, `verify-bundle`: what an outsider can check."""

import os
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from consumers.cli.options import AUDIT, Actor, Json, Region, Subject, opened
from consumers.cli.output import either, emit, say
from consumers.proofs import verify_bundle as verification
from consumers.proofs.checkpoints import Checkpoints, Proof, place
from consumers.proofs.verify import Report, Verification
from consumers.proofs.walk import Finding
from consumers.settings import Settings, load
from ledger.checkpoint import Head, proof_text
from ledger.errors import NotALedgerError
from ledger.leaves import leaf
from ledger.tiles import Tiles
from schemas.errors import InputError
from schemas.subject import parse_subject

Vkey = Annotated[
    str | None, typer.Option("--key", metavar="VKEY", help="The public key to trust; by default this machine's own.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (checkpoint, prove, verify, bundle):
        app.command(rich_help_panel=AUDIT)(command)
    app.command("verify-bundle", rich_help_panel=AUDIT)(verify_bundle)


def checkpoint(
    out: Annotated[Path | None, typer.Option(help="A file to write it to, for whoever is to keep it.")] = None,
    json: Json = False,
) -> None:
    """Sign what the log holds now, and print it: the one thing that an auditor has to keep."""
    from consumers.bootstrap.proofs import open_checkpoints

    with opened() as ledger:
        checkpoints = open_checkpoints(ledger)
        signed = checkpoints.make()
        partitions = {
            str(partition): told.head.size
            for (era, partition), told in sorted(checkpoints.heads.newest.items())
            if era == checkpoints.era
        }
    if out:
        _write(out, signed.note)
    document = head_json(signed.head) | {
        "entries": sum(partitions.values()), "partitions": partitions, "added": signed.added,
        "key": str(checkpoints.verifier), "checkpoint": signed.note.decode(),
    }  # fmt: skip
    covers = f"It covers {document['entries']:,} entries, {signed.added:,} of them new."
    either(json, document, [signed.note.decode(), covers, f"Public key: {checkpoints.verifier}"])


def head_json(head: Head) -> dict[str, Any]:
    """A head as JSON."""
    return {"origin": head.origin, "size": head.size, "root": b64encode(head.root).decode()}


def _write(out: Path, data: bytes) -> None:
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from None


def prove(event_id: Annotated[str, typer.Argument(metavar="EVENT_ID")], json: Json = False) -> None:
    """Prove that an event is in the log: its path to its partition's head, and that head's to the checkpoint."""
    from consumers.bootstrap.proofs import open_checkpoints

    with opened() as ledger:
        checkpoints = open_checkpoints(ledger)
        proof = checkpoints.prove(event_id)
        document = proof_json(checkpoints, event_id, proof)
    words = [
        f"{event_id} is leaf {proof.recorded.position.offset} of partition {proof.recorded.position.partition}.",
        "Its leaf, in base64:", document["leaf"], "",
        "Proof that it is in its partition:", document["proof"],
        "Proof that the partition's head is in the checkpoint:", document["head_proof"],
        f"Public key: {checkpoints.verifier}",
    ]  # fmt: skip
    either(json, document, words)


def proof_json(checkpoints: Checkpoints, event_id: str, proof: Proof) -> dict[str, Any]:
    """A proof as JSON: the two steps as C2SP's tlog-proof has them."""
    position = proof.recorded.position
    return {
        "event_id": event_id, "position": list(position), "leaf": b64encode(leaf(proof.recorded)).decode(),
        "head": proof.told.head.text, "key": str(checkpoints.verifier),
        "proof": proof_text(position.offset, proof.path, _own(checkpoints.shelf, proof)),
        "head_proof": proof_text(proof.told.at, proof.head_path, proof.checkpoint),
    }  # fmt: skip


def _own(tiles: Tiles, proof: Proof) -> bytes:
    """The partition's own checkpoint."""
    return tiles.read(place(proof.told)) or b""


def verify(
    kept: Annotated[
        list[Path] | None, typer.Argument(metavar="[CHECKPOINT]...", help="Checkpoints that somebody kept.")
    ] = None,
    key: Vkey = None,
    export: Annotated[
        Path | None, typer.Option(help="A new file for the log itself, by reference only, for verify-bundle --log.")
    ] = None,
    json: Json = False,
) -> None:
    """Hash the whole log again and hold it against every checkpoint. Exit code 1 if something does not hold."""
    report = _verified(load(), {str(path): _read(path) for path in kept or []}, key)
    if export:
        _export(export, key)
    document = {
        "entries": report.entries, "covered": report.covered, "key": report.key,
        "checkpoint": report.checkpoint and head_json(report.checkpoint),
        "findings": [finding._asdict() for finding in report.findings],
    }  # fmt: skip
    if json:
        emit(document)
    else:
        for finding in report.findings:
            say(f"{finding.code:<12} {finding.where}: {finding.says}")
        covered = f"{report.covered:,} of them covered by the newest checkpoint"
        say(f"{report.entries:,} entries read, {covered}; {len(report.findings)} finding(s)")
    if report.findings:
        raise typer.Exit(1)


def _verified(settings: Settings, notes: Mapping[str, bytes], key: str | None) -> Report:
    """The report; also where the log cannot even be opened, which is a finding and no reason to look no further."""
    from consumers.bootstrap.proofs import open_hashers, open_to_verify

    if not settings.distributed and not settings.ledger_path.exists():
        raise InputError(f"there is no ledger at {settings.ledger_path}; set PREFLEDGER_HOME or PREFLEDGER_LEDGER_URL")
    try:
        with open_to_verify(settings, key) as checkpoints:
            return Verification(checkpoints, open_hashers(settings)).run(notes)
    except NotALedgerError as error:
        return Report(0, 0, key or "", None, [Finding("unreadable", settings.ledger_url, str(error))])


def _export(out: Path, key: str | None) -> None:
    from consumers.bootstrap.proofs import open_to_verify
    from consumers.proofs.bundle import export

    try:
        with open_to_verify(load(), key) as checkpoints:
            export(checkpoints, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}; name a new file") from None


def bundle(
    subject: Subject,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file; it holds name and words.")],
    actor: Actor = "system:cli",
    region: Region = None,
    json: Json = False,
) -> None:
    """All that is on record of a subject, with proofs, in one file that anybody can check. The look is recorded."""
    from consumers.bootstrap.proofs import open_checkpoints
    from consumers.proofs.bundle import bundle as bundled

    whom = parse_subject(subject, region)
    if out.exists():
        raise InputError(f"{out} exists already; name a new file")
    with opened() as ledger:
        made = bundled(ledger, open_checkpoints(ledger), whom, actor, time.time_ns() // 1_000_000)
    try:
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from None
    document = {
        "file": str(out),
        "entries": len(made["entries"]),
        "evidence": len(made["evidence"]),
        "key": made["key"],
    }
    words = [
        f"{whom.masked}: {len(made['entries'])} entries, {len(made['evidence'])} of them with words, in {out}.",
        "It names a person: hand it over as you would a letter.",
        f"To check it: prefledger verify-bundle {out} --key {made['key']}",
    ]
    either(json, document, words)


def verify_bundle(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A bundle.")] = None,
    key: Annotated[str | None, typer.Option(metavar="VKEY", help="The operator's; else the bundle's own.")] = None,
    log: Annotated[Path | None, typer.Option(help="An export of the log: was something left out?")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="One that you kept, to be found in the log.")] = None,
    script: Annotated[
        bool, typer.Option("--script", help="Print the script that does it, which needs no ledger.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a bundle with nothing but the file and a public key. Exit code 1 if something does not hold.

    Exit code 4 if nothing does not, but a checkpoint that you gave could not be held against the log.
    """
    if script:
        return say(Path(verification.__file__).read_text("utf-8").rstrip("\n"))
    if file is None:
        raise InputError("name a bundle, or --script")
    checked = _checked(file, key, log, checkpoint or [])
    wrong = checked if isinstance(checked, list) else checked.wrong
    unchecked = [] if isinstance(checked, list) else checked.unchecked
    unheld = [] if isinstance(checked, list) else checked.unheld
    told = [] if isinstance(checked, list) else list(checked.told())
    own = [] if key else ["The key is the bundle's own; compare it with what the operator published."]
    part = [] if log else ["Whether something was left out is not checked: that takes the log (--log)."]
    said = [f"NOT CHECKED  {line}" for line in unchecked] + [f"FALSE  {line}" for line in wrong]
    holds = "What could be checked holds." if unchecked else "All of it holds."
    document = {
        "holds": not wrong, "wrong": wrong, "unchecked": unchecked, "key_given": key is not None,
        "complete": bool(log) and not wrong,
    }  # fmt: skip
    either(json, document, [*told, *said, *own, *part, "FALSE" if wrong else holds])
    if wrong or unheld:
        raise typer.Exit(1 if wrong else 4)


def _checked(file: Path, key: str | None, log: Path | None, kept: list[Path]) -> "verification.Bundle | list[str]":
    """The bundle, or what is false of all of it. Raises InputError."""
    try:
        return verification.checked(file, key, log, kept)
    except verification.FalseError as error:
        return [str(error)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise InputError(f"{file} cannot be read as a bundle: {error!r}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
