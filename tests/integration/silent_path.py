"""A path that falls silent: like a phone in a tunnel behind a proxy that still holds the connection. Both ends stay open, what
is sent is taken and acknowledged by the kernel, and nothing arrives."""

import asyncio
import contextlib

from client_tls import by_tls


class SilentPath:
    """Forwards connections to a port until silence()."""

    def __init__(self, port, tls=None):
        """`tls`: whether that is what clients speak through it."""
        self._scheme = "wss" if (by_tls() if tls is None else tls) else "ws"
        self._target = port
        self._silent = False
        self._silent_up = True
        self._writers = []
        self._far = []
        self._server = None
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # A gateway that stops waits for sockets that nobody answers for.
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    def url(self, path):
        return f"{self._scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{path}"

    def silence(self, up=True):
        """What is sent from now on goes nowhere: either way, or to the client alone."""
        self._silent = True
        self._silent_up = up

    def end(self):
        """The other end hears that the client has gone."""
        for writer in self._far:
            writer.close()

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        self._far.append(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)

    async def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not self._is_silent(sink):
                    sink.write(data)
            if not self._is_silent(sink):
                sink.close()

    def _is_silent(self, sink):
        return self._silent and (self._silent_up or sink not in self._far)
