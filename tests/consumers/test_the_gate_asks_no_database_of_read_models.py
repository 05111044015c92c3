"""No query of a data team can slow the gate: what decides does not knock at the database, let alone wait for it.

That a gateway on Kafka imports nothing that could reach it is a contract of import-linter (`pyproject.toml`).
"""

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.consumers.commands import OFFERS, Commands

NUMBER, OTHER = "+14165550101", "+14165550102"


class Door:
    """Where a server would be: whoever comes is counted and sent away."""

    def __init__(self) -> None:
        self.knocks = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://ana@127.0.0.1:{self._socket.getsockname()[1]}/models"
        self._thread = Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        while True:
            try:
                came, _ = self._socket.accept()
            except OSError:
                return
            self.knocks += 1
            came.close()

    def close(self) -> None:
        """Nobody is let near any more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def door() -> Iterator[Door]:
    """One at which nobody lets anybody in."""
    door = Door()
    yield door
    door.close()


def test_decisions_are_the_same_and_nobody_knocks(commands: Commands, door: Door) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", door.url)
    for number in (NUMBER, OTHER):
        commands.json("grant", number, *OFFERS, "--basis", "express", "--actor", f"person:{number}")
    assert commands.reason(NUMBER) == "granted"
    commands.lines("link", "FAMILY", NUMBER)
    commands.json("revoke", "account:FAMILY", "--actor", "agent:ada")
    assert commands.reason(NUMBER) == "revoked_by_account"
    assert commands.reason(OTHER) == "granted"
    (commands.home.parent / "list.csv").write_text(f"number\n{NUMBER}\n{OTHER}\n")
    assert commands("scrub", "list.csv", "may.csv", *OFFERS).code == 0
    assert (commands.home.parent / "may.csv").read_text().split() == ["number", OTHER]
    assert door.knocks == 0
    assert commands("projector", "run", "--once").code == 3, "it can be knocked at"
    assert door.knocks > 0
