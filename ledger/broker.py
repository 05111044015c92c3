"""Where a distributed ledger is, and how its clients get in: one description for kafka-python and aiokafka alike."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from schemas.errors import InputError, shown
from schemas.topics import Topics

URL = re.compile(r"kafka://([^/,\s]+:\d{1,5}(?:,[^/,\s]+:\d{1,5})*)/?")
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True)
class Broker:
    """Addresses, security and topic names. Passwords are never shown."""

    servers: tuple[str, ...]
    topics: Topics = field(default_factory=Topics)
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return ",".join(self.servers)

    def options(self) -> dict[str, Any]:
        """As kafka-python's clients take them. Raises InputError for a password file that cannot be read."""
        said = {
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.password(),
            "ssl_cafile": _path(self.ca_file),
            "ssl_certfile": _path(self.cert_file),
            "ssl_keyfile": _path(self.key_file),
        }
        given = {name: value for name, value in said.items() if value is not None}
        return {"bootstrap_servers": list(self.servers), **given}

    def password(self) -> str | None:
        """What the password file says. Raises InputError."""
        if self.sasl_password_file is None:
            return None
        try:
            return self.sasl_password_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise InputError(f"the password file {self.sasl_password_file} cannot be read: {error}") from error


def servers_of(url: str) -> tuple[str, ...]:
    """The addresses in `kafka://host:port[,host:port]`. Raises InputError."""
    match = URL.fullmatch(url)
    if match is None:
        raise InputError(f"{shown(url)} is no address of Kafka; write kafka://host:port[,host:port]")
    return tuple(match[1].split(","))


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
