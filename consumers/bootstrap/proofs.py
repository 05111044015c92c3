"""The checkpoints of a ledger that is open: where they lie, and the key that signs them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from consumers.bootstrap.embedded import open_log_alone
from consumers.bootstrap.ledger_log import open_ledger_log
from consumers.bootstrap.opening import make_folder, write_once
from consumers.opened import Ledger
from consumers.proofs.checkpoints import VERIFIER_KEY, Checkpoints
from consumers.proofs.hashers import Hashers
from consumers.settings import Settings
from ledger.adapters.file_tiles import FileTiles
from ledger.errors import NotALedgerError, WrongSecretError
from ledger.log import Log
from ledger.notes import Signer, Verifier
from schemas.encoding import UnreadableEvent, decode
from schemas.events import OPERATOR_LEDGER, LedgerOpened
from schemas.topics import partition_of


def open_checkpoints(ledger: Ledger) -> Checkpoints:
    """The checkpoints of a ledger that is open. Makes the signing key on first use.

    Raises NotALedgerError, WrongSecretError, InputError.
    """
    return _checkpoints(ledger.settings, ledger.log, *_beginning(ledger.log), None)


@contextmanager
def open_to_verify(settings: Settings, vkey: str | None) -> Iterator[Checkpoints]:
    """The log and its checkpoints, without secret or people: whoever checks a ledger needs neither.

    Raises NotALedgerError, UnavailableError, InputError.
    """
    with open_ledger_log(settings) as log:
        try:
            ledger_id, era = _beginning(log)
        except (NotALedgerError, UnreadableEvent):  # it is damaged right there, which is what is to be found
            ledger_id, era = _only_one(settings, vkey), 0
        yield _checkpoints(settings, log, ledger_id, era, vkey)


def open_hashers(settings: Settings) -> Hashers:
    """The processes that help with a log in a file: one a core."""
    if settings.distributed:
        return Hashers(None, 0)
    return Hashers(partial(open_log_alone, settings.ledger_path), os.cpu_count() or 1)


def _only_one(settings: Settings, vkey: str | None) -> str:
    if vkey:
        return vkey.partition("+")[0].rpartition("/")[2]
    found = [folder.name for folder in settings.proofs_path("").glob("*/") if folder.is_dir()]
    if len(found) != 1:
        raise NotALedgerError("the log does not begin as a preference ledger does, and no checkpoints say which it was")
    return found[0]


def _beginning(log: Log) -> tuple[str, int]:
    """The id of a ledger, and how often it was moved to another log: its first event says where it stood in each.

    Raises NotALedgerError, UnreadableEvent.
    """
    first = next(log.scan(partition_of(OPERATOR_LEDGER, log.partitions), 1), None)
    event = None if first is None else decode(first[3])
    if first is None or not isinstance(event, LedgerOpened):
        raise NotALedgerError("the log does not begin with LedgerOpened; it is not a preference ledger")
    return event.ledger_id, len(first[4] or ())


def _checkpoints(settings: Settings, log: Log, ledger_id: str, era: int, vkey: str | None) -> Checkpoints:
    shelf = FileTiles(settings.proofs_path(ledger_id))
    given = Verifier.of(vkey) if vkey else None
    origin = given.name if given else f"{settings.log_name}/{ledger_id}"

    def signer() -> Signer:
        return Signer(origin, signing_key(settings.signing_key_file, is_new=shelf.read(VERIFIER_KEY) is None))

    verifier = given or _verifier(settings.signing_key_file, shelf, signer)
    return Checkpoints(log, shelf, origin, era, verifier, signer)


def _verifier(key: Path, shelf: FileTiles, signer: Callable[[], Signer]) -> Verifier:
    """Our own key before the one that lies beside the checkpoints, which whoever changes those can change as well."""
    published = None if key.exists() else shelf.read(VERIFIER_KEY)
    return Verifier.of(published.decode("utf-8", "replace")) if published else signer().verifier


def signing_key(path: Path, is_new: bool) -> Ed25519PrivateKey:
    """The key in a file (PKCS #8, PEM, 0600); made where there are no checkpoints yet.

    Raises WrongSecretError, UnavailableError.
    """
    if not path.exists():
        if not is_new:
            raise WrongSecretError(
                f"the signing key {path} is missing, and checkpoints were signed with it; restore it from a backup, or "
                "set PREFLEDGER_SIGNING_KEY_FILE"
            )
        make_folder(path.parent)
        write_once(path, _new_key(), "signing key")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise WrongSecretError(f"the signing key {path} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise WrongSecretError(f"the signing key {path} is no Ed25519 key")
    return key


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
