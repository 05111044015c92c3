"""A mobile operator's message centre, for a test: takes SMPP, writes every message down, delivers none that is void.

Runs in Jasmin's environment: `python smsc_simulator.py PORT FILE`. FILE gets a JSON object a line.
"""

import json
import sys
import time
from datetime import UTC, datetime
from typing import TextIO

from smpp.pdu.pdu_types import PDU, CommandStatus
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse
from smpp.twisted.server import IAuthenticatedSMPP, SMPPServerFactory
from twisted.cred.checkers import AllowAnonymousAccess, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from zope.interface import implementer


@implementer(IRealm)
class _Realm:
    def requestAvatar(self, who: bytes, _mind: object, *_: object) -> tuple[object, bytes, object]:
        return IAuthenticatedSMPP, who, lambda: None


class Simulator:
    """Writes down what arrives; what came too late is refused, as SMPP 3.4 demands."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._count = 0

    def take(self, _system: str, _connection: object, pdu: PDU) -> DataHandlerResponse:
        now = time.time()
        until = pdu.params["validity_period"]
        valid_until = None if until is None else (until.astimezone(UTC) if until.tzinfo else until.replace(tzinfo=UTC))
        late = valid_until is not None and valid_until < datetime.now(UTC)
        self._count += 1
        line = {
            "at": now,
            "to": pdu.params["destination_addr"].decode(),
            "text": pdu.params["short_message"].decode("latin-1"),
            "valid_until": None if valid_until is None else valid_until.timestamp(),
            "delivered": not late,
        }
        self._file.write(json.dumps(line) + "\n")
        if late:
            return DataHandlerResponse(CommandStatus.ESME_RINVEXPIRY)
        return DataHandlerResponse(CommandStatus.ESME_ROK, message_id=str(self._count))


def main(port: int, path: str) -> None:
    passwords = InMemoryUsernamePasswordDatabaseDontUse()
    passwords.addUser("jasmin", "secret")
    portal = Portal(_Realm(), [passwords, AllowAnonymousAccess()])
    with open(path, "a", buffering=1) as file:
        config = SMPPServerConfig(systems={"jasmin": {"max_bindings": 9}}, msgHandler=Simulator(file).take)
        reactor.listenTCP(port, SMPPServerFactory(config, portal), interface="127.0.0.1")
        reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
