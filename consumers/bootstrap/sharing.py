"""What is handed out of the read models: the database that has them, the key of pseudonyms; roles."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.bootstrap.opening import write_once
from consumers.settings import Settings
from ledger.errors import WrongSecretError
from projections.pseudonyms import KEY_BYTES, Pseudonyms
from projections.sharing import Sharing

if TYPE_CHECKING:
    from projections.adapters.postgres_roles import PostgresRoles


def open_sharing(settings: Settings) -> Sharing | None:
    """What lies beside the read models; None where no database of them was ever made on this machine.

    Does not connect yet: a server that is away is told of by whatever is asked of it.
    """
    scheme, _, path = settings.database_url.partition(":///")
    if scheme == "sqlite" and not Path(path).exists():
        return None
    from projections.adapters.sql_sharing import SqlSharing  # half of the time that a command takes to start

    return SqlSharing(settings.database_url)


def pseudonyms(settings: Settings) -> Pseudonyms:
    """Pseudonyms under the key in its file (64 hex digits, 0600), which is made on first use.

    Raises WrongSecretError, UnavailableError.
    """
    path = settings.pseudonym_key_file
    if not path.exists():
        write_once(path, f"{os.urandom(KEY_BYTES).hex()}\n".encode("ascii"), "key of pseudonyms")
    try:
        return Pseudonyms(bytes.fromhex(path.read_text("ascii").strip()))
    except (OSError, ValueError) as error:
        raise WrongSecretError(f"the key of pseudonyms {path} cannot be read: {error}") from error


def open_roles(settings: Settings) -> "PostgresRoles":
    """The roles of the database. Raises InputError where it has none."""
    from projections.adapters.postgres_roles import PostgresRoles

    return PostgresRoles(settings.database_url)
