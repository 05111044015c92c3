"""What a process without a port of its own tells over HTTP: /healthz, /readyz and /metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest

from schemas.errors import InputError


@contextmanager
def telling(
    place: tuple[str, int], registry: CollectorRegistry, is_ready: Callable[[], bool], not_ready: str
) -> Iterator[None]:
    """Serves them at an address and port while it lasts; on no port for 0. `not_ready`: why it may not be.

    Raises InputError for a place where it cannot listen.
    """
    if not place[1]:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {
                "/healthz": (200, b"ok\n"),
                "/readyz": (200, b"ready\n") if is_ready() else (503, f"not ready: {not_ready}\n".encode()),
                "/metrics": (200, generate_latest(registry)),
            }
            status, body = answers.get(self.path, (404, b"/healthz, /readyz, /metrics\n"))
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer(place, Handler)
    except OSError as error:
        where = "{}:{}".format(*place)
        raise InputError(f"{where} cannot be listened on: {error.strerror}; name another --metrics-port") from error
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
