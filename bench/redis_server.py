"""A redis-server of our own on a free loopback port, without persistence, ended by its process id."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def server() -> Iterator[int]:
    """The port of a server that ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--loglevel", "warning"], stdout=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    with redis.Redis(port=port) as client:
        for _ in range(200):
            if process.poll() is not None:
                raise RuntimeError(f"redis-server ended with {process.returncode}")
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.05)
            else:
                return
    raise RuntimeError("redis-server does not answer")


def fill(port: int, numbers: Iterator[bytes]) -> None:
    """Sets every number to one byte, the least that an opt-out list in Redis can be; many at once."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        waiting = 0
        lines: list[bytes] = []
        for number in numbers:
            lines.append(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\n1\r\n" % (len(number), number))
            if len(lines) == 10_000:
                connection.sendall(b"".join(lines))
                waiting += len(lines)
                lines.clear()
                if waiting >= 50_000:
                    answers.read(5 * waiting)  # +OK\r\n each
                    waiting = 0
        connection.sendall(b"".join(lines))
        answers.read(5 * (waiting + len(lines)))
