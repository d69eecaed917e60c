"""WebSocket connections as the control API sees them: send, go silent, hang up."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator

from simulator.exchange.ledger import ConnectionRow

# RFC 6455: unmasked text, close and ping frames.
_TEXT = 0x81
_CLOSE = 0x88
_PING = 0x89
_SHORT = 126
_MEDIUM = 65536
_pack_medium = struct.Struct("!BBH").pack
# A reader this far behind is cut: OKX v5 documents, close frame 4005 "buffer full", 2026-07.
_BUFFER_BYTES = 64 * 1024 * 1024
SLOW_READER = 4005


def text_header(size: int) -> bytes:
    """Return the header of an unmasked WebSocket text frame of ``size`` bytes."""
    if size < _SHORT:
        return bytes((_TEXT, size))
    if size < _MEDIUM:
        return _pack_medium(_TEXT, _SHORT, size)
    return struct.pack("!BBQ", _TEXT, 127, size)


def close_frame(code: int, text: str = "") -> bytes:
    """Return a WebSocket close frame."""
    body = struct.pack("!H", code) + text.encode()[:120]
    return bytes((_CLOSE, len(body))) + body


class Socket:
    """One open connection. Frames of one turn of the loop leave in one write."""

    __slots__ = (
        "_out",
        "_transport",
        "account",
        "connection",
        "held_ack",
        "held_push",
        "last_traffic_s",
        "loop",
        "muted",
        "opened_s",
        "path",
        "pinged_s",
        "row",
        "unanswered",
        "unanswered_s",
    )

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        row: ConnectionRow,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._transport = transport
        self._out: list[bytes] = []
        self.loop = loop
        self.row = row
        self.connection = row.connection
        self.path = row.path
        self.account = ""
        self.muted = False
        self.held_ack: Callable[[], None] | None = None
        self.held_push: Callable[[], None] | None = None
        self.opened_s = self.last_traffic_s = self.pinged_s = loop.time()
        # The last ping's payload, and since when a ping has gone without its pong.
        self.unanswered = b""
        self.unanswered_s: float | None = None

    def __repr__(self) -> str:
        return f"Socket({self.connection}, {self.role}, account={self.account!r})"

    @property
    def role(self) -> str:
        """Return ``trade``, ``private``, ``public``, ``business`` or several, joined by ``+``."""
        return self.row.role

    def plays(self, role: str) -> bool:
        """Return whether ``role`` is one of this connection's."""
        return role in self.row.role.split("+")

    @property
    def is_open(self) -> bool:
        """Return whether something sent now has a chance to leave."""
        return not self.muted and not self._transport.is_closing()

    def send(self, payload: bytes) -> bool:
        """Queue one text frame; return False if the connection no longer takes any."""
        if self.muted or self._transport.is_closing():
            return False
        out = self._out
        if not out:
            self.loop.call_soon(self._flush)
        out.append(text_header(len(payload)))
        out.append(payload)
        return True

    def ping(self, payload: bytes) -> None:
        """Send a ping frame, unless the connection no longer takes any."""
        if self.muted or self._transport.is_closing():
            return
        self.pinged_s = self.loop.time()
        self.unanswered = payload
        if self.unanswered_s is None:
            self.unanswered_s = self.pinged_s
        self._flush()
        self._transport.write(bytes((_PING, len(payload))) + payload)

    def ponged(self, payload: bytes) -> None:
        """Note a pong; only one that repeats the last ping's payload counts."""
        if payload == self.unanswered:
            self.unanswered_s = None

    def hang_up(self, code: int | None = None, text: str = "") -> None:
        """Close the connection, with a close frame if there is a ``code``, else without a word."""
        if self._transport.is_closing():
            return
        self._flush()
        if code is not None:
            self._transport.write(close_frame(code, text))
        self._transport.close()

    def drop(self) -> None:
        """Cut the connection and forget what was not yet sent."""
        self._out.clear()
        self._transport.abort()

    def mute(self) -> None:
        """Go half-open: the connection stays, nothing is read, answered or sent any more."""
        self._flush()
        self.muted = True

    def _flush(self) -> None:
        out = self._out
        if not out or self._transport.is_closing():
            out.clear()
            return
        self._transport.write(b"".join(out))
        out.clear()
        self.last_traffic_s = self.loop.time()
        if self._transport.get_write_buffer_size() > _BUFFER_BYTES:
            self._transport.write(close_frame(SLOW_READER))
            self._transport.close()


class SocketBook:
    """All connections open now."""

    def __init__(self) -> None:
        self._open: dict[str, Socket] = {}

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: Socket) -> None:
        """Count ``socket`` among the open ones."""
        self._open[socket.connection] = socket

    def remove(self, socket: Socket) -> None:
        """Take ``socket`` out again."""
        self._open.pop(socket.connection, None)

    def matching(
        self, *, role: str = "", account: str = "", connection: str = "", venue: str = ""
    ) -> list[Socket]:
        """Return the open connections that fit; an empty value fits all."""
        return [
            socket
            for socket in self
            if (not role or socket.plays(role))
            and account in ("", socket.account)
            and connection in ("", socket.connection)
            and venue in ("", socket.row.venue)
        ]
