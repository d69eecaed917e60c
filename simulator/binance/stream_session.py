"""One connection of the stream hosts: market data and (futures) user data.

What is asked of the wrong host is acknowledged and stays silent, as at the venue: the sheet, A0.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from simulator.binance.quotes import QuoteStream
from simulator.binance.user_streams import UserStream
from simulator.binance.venue import Venue
from simulator.exchange.limits import Buckets
from simulator.sockets import Socket

_POLICY = 1008
_SECOND_MS = 1000


class StreamSession:
    """The protocol state of one connection; ``kind`` is ``public``, ``market`` or ``private``."""

    def __init__(self, venue: Venue, socket: Socket, kind: str, *, wrapped: bool) -> None:
        self._venue = venue
        self._socket = socket
        self._kind = kind
        self._wrapped = wrapped
        self._quotes: dict[str, QuoteStream | None] = {}
        self._users: dict[str, UserStream] = {}
        self._messages = Buckets()

    def open(self, request: web.Request) -> None:
        """Subscribe to what the address names."""
        for name in request.match_info.get("name", "").split("/"):
            self._subscribe(name, None)
        for name in request.query.get("streams", "").split("/"):
            self._subscribe(name, None)
        # /private/stream?listenKey=K1&events=E1&listenKey=K2&events=E2: the sheet, A1.
        pairs = [*request.query.items()]
        for at, (name, value) in enumerate(pairs):
            if name == "listenKey":
                following = pairs[at + 1] if at + 1 < len(pairs) else ("", "")
                events = following[1] if following[0] == "events" else ""
                self._subscribe(value, frozenset(events.split("/")) if events else None)

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""
        socket = self._socket
        socket.last_traffic_s = socket.loop.time()
        if socket.muted:
            return
        if self._too_many():
            socket.hang_up(_POLICY, "Too many requests")
            return
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("params", []), list):
            self._answer({"error": {"code": 3, "msg": "Invalid JSON"}, "id": None})
            return
        self._manage(message)

    def closed(self) -> None:
        """Forget the connection's streams."""
        for name in [*self._quotes, *self._users]:
            self._unsubscribe(name)

    def _manage(self, message: dict[str, Any]) -> None:
        method, request_id = message.get("method"), message.get("id")
        names = [str(name) for name in message.get("params", [])]
        result: list[str] | None = None
        if method == "LIST_SUBSCRIPTIONS":
            result = [*self._quotes, *self._users]
        elif method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            error = {"code": 2, "msg": "Invalid request: unknown method"}
            self._answer({"error": error, "id": request_id})
            return
        self._answer({"result": result, "id": request_id})
        for name in names:
            if method == "SUBSCRIBE":
                self._subscribe(name, None)
            else:
                self._unsubscribe(name)

    def _subscribe(self, name: str, events: frozenset[str] | None) -> None:
        if not name or name in self._quotes or name in self._users:
            return
        key = self._venue.keys.find(name) if self._kind == "private" else None
        if key is not None:
            head, tail = (
                (b'{"stream":"%b","data":' % name.encode(), b"}")
                if self._wrapped
                else (
                    b"",
                    b"",
                )
            )
            stream = UserStream(self._socket, key.account, head, tail, events)
            self._users[name] = stream
            self._venue.users.add(stream)
            self._socket.account = self._socket.row.account = key.account.name
        else:
            # None: a stream that nothing ever comes of.
            stream_of = self._venue.quotes.open if self._kind == "public" else None
            self._quotes[name] = (
                stream_of(self._socket, name, wrapped=self._wrapped) if stream_of else None
            )

    def _unsubscribe(self, name: str) -> None:
        quote, user = self._quotes.pop(name, None), self._users.pop(name, None)
        if quote is not None:
            self._venue.quotes.close(quote)
        if user is not None:
            self._venue.users.remove(user)

    def _too_many(self) -> bool:
        if not self._venue.floor.config.limits.enabled:
            return False
        now_ms, limit = self._venue.floor.clock.true_ms(), self._venue.own.messages_per_s
        return not self._messages.take("", now_ms, cost=1, limit=limit, span_ms=_SECOND_MS)

    def _answer(self, frame: dict[str, Any]) -> None:
        self._socket.send(orjson.dumps(frame))
