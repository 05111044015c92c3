"""How every ledger opens, wherever its log lies: its folder, its secret, its first events."""

import os
import tomllib
from contextlib import suppress
from importlib import resources
from pathlib import Path

from ledger.errors import KeyConflictError, NotALedgerError, UnavailableError, WrongSecretError
from ledger.log import Log
from ledger.record import Recorder
from ledger.reference import SECRET_BYTES, References, new_secret
from ledger.requests import Operate, Origin
from ledger.stamp import new_id
from projections.statement import Fields
from schemas.events import OPERATOR_LEDGER, OPERATOR_POLICY
from schemas.policy import Policy


def make_folder(folder: Path) -> None:
    """Makes a data folder. Raises UnavailableError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"the data folder {folder} cannot be made: {reason}; set PREFLEDGER_HOME") from error


def secret_of(path: Path, is_new: bool) -> bytes:
    """The secret; made on first use of a new ledger, never for one that exists: it could not be read with it.

    Raises WrongSecretError, UnavailableError.
    """
    if not path.exists():
        if not is_new:
            raise WrongSecretError(
                f"the secret {path} is missing, and without it nobody in this ledger can be looked up; "
                "restore it from a backup, or set PREFLEDGER_SECRET_FILE"
            )
        write_once(path, f"{new_secret().hex()}\n".encode("ascii"), "secret")
    try:
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise WrongSecretError(f"the secret {path} cannot be read: {error}") from error
    if len(secret) != SECRET_BYTES:
        raise WrongSecretError(f"the secret {path} has {len(secret)} bytes instead of {SECRET_BYTES}")
    return secret


def write_once(path: Path, content: bytes, what: str) -> None:
    """Writes what nobody else may read; `what` it is, in one word or two. Raises UnavailableError.

    Whole or not at all, and only one: of two processes that come at once the second takes the first's.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"the {what} {path} cannot be written: {reason}") from error
    finally:
        draft.unlink(missing_ok=True)


def check_opening(opened: Fields, references: References) -> None:
    """`opened`: the first event of the ledger's own subject. Raises NotALedgerError, WrongSecretError."""
    if opened.get("type") != "LedgerOpened":
        raise NotALedgerError("the log does not begin with LedgerOpened; it is not a preference ledger")
    if opened["secret_fingerprint"] != references.fingerprint:
        raise WrongSecretError("the secret is not the one that this ledger was made with; nothing was read or written")


def begin(log: Log, recorder: Recorder, references: References) -> None:
    """Writes the first events of a new ledger. Raises UnavailableError."""
    by_system = Origin(actor="system:ledger", source="ledger")
    opening = {"ledger_id": new_id(), "secret_fingerprint": references.fingerprint, "partitions": log.partitions}
    policy = {"policy": default_policy().model_dump(mode="json", exclude_none=True)}
    first = Operate(
        type="LedgerOpened", subject=OPERATOR_LEDGER, details=opening, origin=by_system, idempotency_key="opened"
    )
    with suppress(KeyConflictError):  # another process opened it in the same moment
        recorder.record(first)
    recorder.record(
        Operate(
            type="PolicyPublished", subject=OPERATOR_POLICY, details=policy, origin=by_system, idempotency_key="default"
        )
    )


def default_policy() -> Policy:
    """The policy that a new ledger starts with."""
    text = resources.files("consumers").joinpath("default_policy.toml").read_text("utf-8")
    return Policy.model_validate(tomllib.loads(text))
