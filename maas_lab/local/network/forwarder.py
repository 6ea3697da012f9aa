"""Forward loopback ports to the pods behind them: `python -I forwarder.py TABLE`.

A process of its own that needs the standard library alone. TABLE is a file of JSON, read at the start and at SIGHUP:
`{"8000": {"to": [40001, 40002], "http": false}}`. New connections to port 8000 go to the two others in turn, to the
next one where one refuses. Nobody to go to: `http` ports answer 503, others refuse. Open connections are left alone.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["ssl"] = None  # type: ignore[assignment] # asyncio does without it, and in 17 MB instead of 21

import asyncio
import contextlib
import json
import resource
import signal
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
BACKLOG = 1024
LINGER_S = 5  # for a refused client to read why
RETRY_S = 0.5  # another program has a port for a moment: the kernel lends free ones to outgoing connections
BODY = b"Application is not available: no pod behind this Route is ready.\n"
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nCache-Control: private, max-age=0, no-cache, no-store\r\n"
    b"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class End(asyncio.Protocol):
    """One end of a forwarded connection: what comes in here goes out at the other end, no faster than that can."""

    def __init__(self, other: End | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection, at both ends."""
        self.transport = transport
        if self.other:
            self.other.other = self

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass on that nothing more will come; the other direction stays open until it ends as well."""
        self.has_ended = True
        if not self.other.has_ended:
            self.other.transport.write_eof()
            return True
        self.other.transport.close()
        return False

    def pause_writing(self) -> None:
        """Stop the other end from reading while this one cannot write."""
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other end read again."""
        if self.other:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other end in the same way."""
        if self.other is None:
            return
        if exc:
            reset(self.other.transport)  # an orderly end would make half an answer look like a whole one
        else:
            self.other.transport.close()


class Client(End):
    """The end of who connected; it is not listened to before somebody answers."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        self._way = way
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look for somebody to talk to."""
        super().connection_made(transport)
        self.transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        is_reached = await self._way.reach(self)
        if self.transport.is_closing():
            if self.other:
                reset(self.other.transport)
        elif is_reached:
            self.transport.resume_reading()
        elif self._way.is_http:
            self.transport.set_protocol(Refusal(self.transport))
            self.transport.resume_reading()
        else:
            reset(self.transport)


class Refusal(asyncio.Protocol):
    """Answers a request with 503, whatever it is, and lets the client read that before the connection goes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_told = False

    def data_received(self, data: bytes) -> None:
        """Answer the first of it, and drop the rest."""
        if not self._is_told:
            self._is_told = True
            self._transport.write(UNAVAILABLE)
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.close)


class Way:
    """One port that is listened on, and where it leads.

    Raises:
        OSError: another program has the port.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._to: tuple[int, ...] = ()
        self._turn = 0
        self.is_http = False
        self._socket = _bound(port)
        self._server: asyncio.Server | None = None

    async def lead(self, to: Sequence[int], *, is_http: bool) -> None:
        """Send new connections there; without anywhere to go the port is kept, and refuses."""
        self._to, self.is_http = tuple(to), is_http
        is_open = bool(to) or is_http
        if is_open and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Client(self), sock=self._socket, backlog=BACKLOG)
        elif not is_open and self._server:
            self.close()
            self._socket = _bound(self._port)

    def close(self) -> None:
        """Give the port back; open connections stay."""
        self._socket.close() if self._server is None else self._server.close()
        self._server = None

    async def reach(self, client: Client) -> bool:
        """Connect a client with whose turn it is, or the next one who answers; tell whether somebody did."""
        self._turn += 1
        first = self._turn % len(self._to) if self._to else 0
        for port in self._to[first:] + self._to[:first]:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: End(client), LOOPBACK, port)
                return True
        return False


class Forwarder:
    """Keeps one way for each port of the table.

    Who starts the process ignores SIGHUP, and so does the process then until it can read the table again.
    """

    def __init__(self, table: Path) -> None:
        self._table = table
        self._ways: dict[int, Way] = {}
        self._told = ""

    async def run(self) -> None:
        """Forward until the process ends."""
        changed = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, changed.set)
        while True:
            changed.clear()
            pause_s = None if await self._follow(self._read()) else RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await changed.wait()

    def _read(self) -> dict[int, dict]:
        told = json.loads(self._table.read_text(encoding="utf-8")) if self._table.exists() else {}
        return {int(port): entry for port, entry in told.items()}

    async def _follow(self, table: dict[int, dict]) -> bool:
        """Make the ways those of the table, and tell whether every port could be had."""
        for port in self._ways.keys() - table.keys():
            self._ways.pop(port).close()
        taken = []
        for port, entry in table.items():
            try:
                way = self._ways.get(port) or Way(port)
                self._ways[port] = way
                await way.lead(entry["to"], is_http=entry["http"])
            except OSError as error:
                if way := self._ways.pop(port, None):
                    way.close()
                taken.append(f"{port}: {error.strerror}")
        told = "; ".join([f"{len(self._ways)} ports", *taken])
        if told != self._told:
            print(told, flush=True)
        self._told = told
        return not taken


def reset(transport: asyncio.Transport) -> None:
    """End a connection at once, so that the peer sees that it was broken."""
    if not transport.is_closing():
        given = transport.get_extra_info("socket")
        given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _bound(port: int) -> socket.socket:
    """Take a port without listening: until somebody listens, the kernel refuses whoever connects."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Of connections: asyncio does it itself only where it has made the socket. Else each second write waits 40 ms.
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken.bind((LOOPBACK, port))
    except OSError:
        taken.close()
        raise
    return taken


def main() -> None:
    """Run with what the command line names."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two files a connection
    asyncio.run(Forwarder(Path(sys.argv[1])).run())


if __name__ == "__main__":
    main()
