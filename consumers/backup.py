"""Backup and restore: the log, the erasable stores and the secret in one file, while the ledger is in use.

Checkpoints and decisions are copied before the log, so that the copy has all that they are about, and the log before
identities and evidence, which are always written first: the copy never holds an event without its identity. A backup
holds the secret and what has not been erased yet, so it is readable by its owner only.
"""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from consumers.erasure import erased_refs
from consumers.opened import Keeps, Ledger
from consumers.settings import Settings
from ledger.errors import NoRoomError, NotALedgerError, RefusedError, UnavailableError
from ledger.log import Log
from schemas.times import rfc3339

FORMAT = "prefledger-backup@1"
MEMBERS = ("manifest.json", "ledger.db", "people.db", "secret")
PROOFS = "proofs.tar"
DECISIONS = "decisions.db"
"""The signing key, the key of pseudonyms and the folder of checkpoints, in backups of ledgers that have them."""
MARK = "last-backup.json"
FOLDER_MARK = "last-backup-folder"
"""Where a backup was begun last: a command that was killed leaves a folder there, with identities and the secret."""
DRAFTS = (".backup-*", ".restore-*", "*.db.part", "*.db.new")


class Restored(NamedTuple):
    """What a restore brought back."""

    events: int
    made_at: str
    erased_again: int


def backup(ledger: Ledger, decisions: object, out: Path, now: int) -> dict[str, object]:
    """Writes a backup, whole or not at all, and notes in the data folder that there is one; returns its manifest.

    `decisions`: those on record, copied before the log, so that every event that they name is in the copy.
    """
    if out.exists():
        raise RefusedError(f"{out} exists already; name a new file")
    log, people, decided = _keeps(ledger.log), _keeps(ledger.people), _keeps(decisions)
    (ledger.settings.home / FOLDER_MARK).write_text(str(out.parent.resolve()), "utf-8")
    with _explained(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=".backup-") as name:
        folder = Path(name)
        _add_proofs(ledger.settings, folder / PROOFS)
        decided.backup_to(folder / DECISIONS)
        log.backup_to(folder / "ledger.db")
        people.backup_to(folder / "people.db")
        (folder / "secret").write_bytes(ledger.settings.secret_file.read_bytes())
        manifest: dict[str, object] = {
            "format": FORMAT,
            "made_at": rfc3339(now),
            "fingerprint": ledger.references.fingerprint,
        }
        (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
        _pack(folder, out)
    (ledger.settings.home / MARK).write_bytes(orjson.dumps(manifest | {"file": out.name}))
    return manifest


def left_behind(settings: Settings, before: float) -> list[Path]:
    """What commands that were killed have left of backups and restores, older than a time (seconds since 1970).

    An erasure does not reach it.
    """
    folders = {settings.home.resolve()}
    if not settings.distributed:
        folders.add(settings.ledger_path.parent.resolve())
    with suppress(FileNotFoundError):
        folders.add(Path((settings.home / FOLDER_MARK).read_text("utf-8")))
    found = {path for folder in folders for draft in DRAFTS for path in folder.glob(draft)}
    return sorted(path for path in found if path.stat().st_mtime < before)


def _keeps(store: object) -> Keeps:
    if not isinstance(store, Keeps):
        raise RefusedError("this ledger is not a file; back it up with the tools of the service that keeps it")
    return store


def _add_proofs(settings: Settings, archive: Path) -> None:
    """What auditors' checkpoints are checked with and nothing else can bring back.

    Before the log, and the checkpoints before their tiles: the copy of the log has all that a checkpoint in it covers,
    and what comes meanwhile belongs to a checkpoint that is not in it.
    """
    folder = settings.proofs_path("")
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name != "checkpoint")
    with tarfile.open(archive, mode="w") as tar:
        for path, name in (
            (settings.signing_key_file, "signing-key"),
            (settings.pseudonym_key_file, "pseudonym-key"),
            *((path, f"tlog/{path.relative_to(folder)}") for path in files),
        ):
            with suppress(FileNotFoundError):  # a partial tile that a full one took the place of
                tar.add(path, arcname=name)


def _pack(folder: Path, out: Path) -> None:
    draft = folder / "backup.tar"
    with open(os.open(draft, os.O_RDWR | os.O_CREAT, 0o600), "w+b") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for member in (*MEMBERS, PROOFS, DECISIONS):
                archive.add(folder / member, arcname=member)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(out)


def restore(source: Path, settings: Settings, newer: Log | None, reopen: Callable[[Settings], Ledger]) -> Restored:
    """Brings a backup back where there is no ledger yet, and applies again the erasures that its copy had missed.

    That happens in a folder beside, before anything takes its name: killed at any time, a restore leaves no ledger in
    which somebody is back who was erased. `newer`: a later copy of the same log, whose erasures count as well. Raises
    RefusedError where a ledger is.
    """
    for path in (settings.ledger_path, settings.people_path, settings.secret_file):
        if path.exists():
            raise RefusedError(f"{path} exists; a backup is restored only where there is no ledger: move it away first")
    settings.ledger_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.ledger_path.parent, prefix=".restore-") as name:
        folder = Path(name)
        manifest = _extract(source, folder)
        with reopen(_beside(settings, folder)) as ledger:
            refs = erased_refs(ledger.log) | (erased_refs(newer) if newer else set())
            again = sum(ledger.people.erase(ref) for ref in sorted(refs))
            events = sum(ledger.log.ends().values())
        _take_their_names(folder, settings)
    return Restored(events, str(manifest["made_at"]), again)


def _beside(settings: Settings, folder: Path) -> Settings:
    """The settings of a ledger in a folder of its own."""
    return settings.model_copy(
        update={
            "home": folder,
            "ledger_url": f"sqlite:///{folder / 'ledger.db'}",
            "database_url": f"sqlite:///{folder / 'read_models.db'}",
            "secret_file": folder / "secret",
            "signing_key_file": folder / "signing-key",
        }
    )


def _take_their_names(folder: Path, settings: Settings) -> None:
    """Puts everything in its place; the secret last, without which nothing opens."""
    if (folder / DECISIONS).exists() and not settings.decisions_path.exists():  # an older backup has none
        (folder / DECISIONS).replace(settings.decisions_path)
    _bring_back_proofs(folder / PROOFS, settings)
    for member, target in (
        ("people.db", settings.people_path),
        ("ledger.db", settings.ledger_path),
        ("secret", settings.secret_file),
    ):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / member).chmod(0o600)
        (folder / member).replace(target)


def _bring_back_proofs(archive: Path, settings: Settings) -> None:
    """An older backup has none. A key that is here already, or checkpoints, stay as they are."""
    if not archive.exists():
        return
    beside = archive.with_name("proofs")
    with tarfile.open(archive, mode="r:") as tar:
        tar.extractall(beside, filter="data")
    for name, target in (
        ("signing-key", settings.signing_key_file),
        ("pseudonym-key", settings.pseudonym_key_file),
        ("tlog", settings.proofs_path("")),
    ):
        if (beside / name).exists() and not target.exists():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(beside / name, target)


def _extract(source: Path, folder: Path) -> dict[str, object]:
    try:
        with tarfile.open(source, mode="r:") as archive:
            if set(archive.getnames()) - {PROOFS, DECISIONS} != set(MEMBERS):
                raise NotALedgerError(f"{source} is not a backup of prefledger")
            archive.extractall(folder, filter="data")
        manifest: dict[str, object] = orjson.loads((folder / "manifest.json").read_bytes())
    except (OSError, EOFError, tarfile.TarError, orjson.JSONDecodeError) as error:
        raise NotALedgerError(f"{source} cannot be read as a backup of prefledger: {error}") from error
    if manifest.get("format") != FORMAT:
        raise NotALedgerError(f"{source} is a backup of another format: {manifest.get('format')!r}, not {FORMAT}")
    return manifest


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        kind = NoRoomError if "space" in reason or "too large" in reason else UnavailableError
        raise kind(f"the backup {out} cannot be written: {reason}; nothing was left there") from error
