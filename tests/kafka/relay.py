"""The line between a client and a broker, which can be cut: what is said on it then arrives when it is mended."""

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stack.processes import LOOPBACK, free_port

SOME = 1 << 16


class Relay:
    """Listens on `port` and passes on to `to`, in a thread of its own."""

    def __init__(self) -> None:
        self.port, self.to = free_port(), free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="relay")
        self._listening = threading.Event()
        self._whole, self._over = asyncio.Event(), asyncio.Event()
        self._connections: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """From here on it listens."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Ends it, with all that goes through it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing gets through meanwhile, and nobody is told so: as where a firewall drops what it is sent."""
        self._loop.call_soon_threadsafe(self._whole.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._whole.set)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._listening.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._whole.set()
        server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        self._listening.set()
        await self._over.wait()
        server.close()
        for one in self._connections:
            one.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, asking: StreamReader, answering: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._whole.wait()
            there, to = await asyncio.open_connection(LOOPBACK, self.to)
            await asyncio.gather(self._pass_on(asking, to), self._pass_on(there, answering))
        except OSError:  # the broker is away
            pass
        finally:
            answering.close()
            self._connections.discard(task)

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while some := await reader.read(SOME):
                await self._whole.wait()
                writer.write(some)
                await writer.drain()
        except OSError:  # one of the two has ended
            pass
        finally:
            writer.close()
