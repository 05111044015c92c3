"""A client of Jasmin's SMPP server, small enough to need no library: binds, submits one message, says the status."""

import socket
import struct

BIND_TRANSCEIVER, SUBMIT_SM = 0x00000009, 0x00000004
ESME_ROK, ESME_RSYSERR, ESME_RSUBMITFAIL = 0, 8, 69
INTERNATIONAL = b"\x01\x01"


def submit(port: int, user: str, to: str, content: str) -> int:
    """The command status with which a message was answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        bind = _texts(user, "secret", "") + b"\x34\x00\x00" + _texts("")
        assert _exchange(connection, BIND_TRANSCEIVER, 1, bind) == ESME_ROK
        text = content.encode("ascii")
        body = (
            _texts("") + INTERNATIONAL + _texts("12345") + INTERNATIONAL + _texts(to)
            + b"\x00\x00\x00" + _texts("", "") + b"\x00\x00\x00\x00" + bytes([len(text)]) + text
        )  # fmt: skip
        return _exchange(connection, SUBMIT_SM, 2, body)


def _texts(*texts: str) -> bytes:
    return b"".join(text.encode("ascii") + b"\x00" for text in texts)


def _exchange(connection: socket.socket, command: int, number: int, body: bytes) -> int:
    connection.sendall(struct.pack(">IIII", 16 + len(body), command, 0, number) + body)
    length, answered, status, answers = struct.unpack(">IIII", _exactly(connection, 16))
    _exactly(connection, length - 16)
    assert (answered, answers) == (command | 0x80000000, number)
    return int(status)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        assert more, "the connection was closed"
        found += more
    return found
