"""Connections that are told things: ``/v5/private`` and ``/v5/public``: the sheet, 4 and 9.

Their frames are in snake case, and an id comes back as it came: ccxt sends numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import orjson

from simulator.bybit import disconnects
from simulator.bybit.codes import Problem
from simulator.bybit.listing import CATEGORIES
from simulator.bybit.login import log_in
from simulator.bybit.private import OPS
from simulator.bybit.public import Subscription
from simulator.bybit.venue import Venue
from simulator.exchange.accounts import Account
from simulator.sockets import Socket

_MOST_ARGS = 10
_KINDS = (*CATEGORIES, "option")
# Topics that may be split by category; nothing is ever told of greeks.
_SPLIT = frozenset(name for name in OPS if name != "wallet")
_WHOLE = frozenset((*OPS, "greeks", *disconnects.TOPICS))


class StreamSession(ABC):
    """The protocol state of one connection."""

    def __init__(self, venue: Venue, socket: Socket, idle_s: float) -> None:
        self.socket = socket
        self.idle_s = idle_s
        # Of a restart nothing is said or changed here.
        self.restarting = False
        self.venue = venue

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""
        socket = self.socket
        socket.last_traffic_s = socket.loop.time()
        if socket.muted:
            return
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.answer({}, "", error="error:request params err")
            return
        name = str(message.get("op"))
        if name == "ping":
            self.pong(message)
        elif name == "auth":
            self.log_in(message)
        elif name in ("subscribe", "unsubscribe"):
            self._subscribe(name, message)
        else:
            self.answer(message, name, error="error:invalid op")

    def closed(self) -> None:
        """Forget the connection's subscriptions."""
        self.forget()
        self.venue.sessions.pop(self.socket.connection, None)

    def answer(self, message: dict[str, Any], word: str, *, error: str = "") -> None:
        """Answer a request with success, or with what is wrong."""
        frame: dict[str, Any] = {
            "success": not error,
            "ret_msg": error,
            "op": word,
            "conn_id": self.socket.connection,
        }
        if "req_id" in message:
            frame["req_id"] = message["req_id"]
        if error:
            frame["request"] = {"op": message.get("op"), "args": message.get("args")}
        self.socket.send(orjson.dumps(frame))

    def _subscribe(self, word: str, message: dict[str, Any]) -> None:
        args = message.get("args")
        if not isinstance(args, list) or not all(isinstance(one, str) for one in args):
            self.answer(message, word, error="error:request params err")
            return
        error = f"args size >{_MOST_ARGS}" if len(args) > _MOST_ARGS else self.refusal(args)
        self.answer(message, word, error=error)
        for topic in args if not error else ():
            if word == "subscribe":
                self.open(topic)
            else:
                self.close(topic)

    @abstractmethod
    def pong(self, message: dict[str, Any]) -> None:
        """Answer a ping."""

    @abstractmethod
    def log_in(self, message: dict[str, Any]) -> None:
        """Log the connection in."""

    @abstractmethod
    def refusal(self, topics: list[str]) -> str:
        """Return why ``topics`` cannot be subscribed to; "" if they can."""

    @abstractmethod
    def open(self, topic: str) -> None:
        """Begin to push ``topic``."""

    @abstractmethod
    def close(self, topic: str) -> None:
        """Push ``topic`` no more."""

    @abstractmethod
    def forget(self) -> None:
        """Push nothing more."""


class PrivateSession(StreamSession):
    """One connection of ``/v5/private``: no topic begins with a snapshot."""

    account: Account | None = None

    def pong(self, message: dict[str, Any]) -> None:
        """Answer a ping."""
        frame = {"op": "pong", "args": [str(self.venue.now_ms())]}
        echo = {"req_id": message["req_id"]} if "req_id" in message else {}
        self.socket.send(orjson.dumps({**echo, **frame, "conn_id": self.socket.connection}))

    def log_in(self, message: dict[str, Any]) -> None:
        """Log the connection in."""
        try:
            self.account = log_in(self.venue, self.socket, message.get("args"))
        except Problem as problem:
            self.answer(message, "auth", error=problem.text)
            return
        self.answer(message, "auth")

    def refusal(self, topics: list[str]) -> str:
        """Return why ``topics`` cannot be subscribed to; "" if they can."""
        if self.account is None:
            return "Request not authorized"
        whole, split = set(), set()
        for topic in topics:
            name, _, kind = topic.rpartition(".")
            if topic in _WHOLE:
                whole.add(topic)
            elif name in _SPLIT and kind in _KINDS:
                split.add(name)
            else:
                return f"error:handler not found,topic:{topic}"
        # The two forms of one topic exclude each other within a request: the sheet, 4.1.
        return "error:all-in-one and categorised topics together" if whole & split else ""

    def open(self, topic: str) -> None:
        """Begin to push ``topic``."""
        if self.account is None:
            return
        if topic in disconnects.TOPICS:
            self.venue.disconnects.watch(self.account, self.socket, topic)
        else:
            self.venue.private.add(self.account, self.socket, topic)

    def close(self, topic: str) -> None:
        """Push ``topic`` no more."""
        if self.account is not None:
            self.venue.private.remove(self.account, self.socket, topic)

    def forget(self) -> None:
        """Push nothing more."""
        if self.account is not None:
            self.venue.private.remove(self.account, self.socket)
            self.venue.disconnects.leave(self.account, self.socket)


class PublicSession(StreamSession):
    """One connection of ``/v5/public/{category}``."""

    def __init__(self, venue: Venue, socket: Socket, idle_s: float, category: str) -> None:
        super().__init__(venue, socket, idle_s)
        self._category = category
        self._subscriptions: dict[str, Subscription] = {}

    def pong(self, message: dict[str, Any]) -> None:
        """Answer a ping, in this connection's own shape."""
        frame = {
            "success": True,
            "ret_msg": "pong",
            "conn_id": self.socket.connection,
            "req_id": message.get("req_id", ""),
            "op": "ping",
        }
        self.socket.send(orjson.dumps(frame))

    def log_in(self, message: dict[str, Any]) -> None:
        """Refuse: there is nothing to log in to."""
        self.answer(message, "auth", error="error:invalid op")

    def refusal(self, topics: list[str]) -> str:
        """Return why ``topics`` cannot be subscribed to; "" if they can."""
        for topic in topics:
            name, _, rest = topic.partition(".")
            symbol = topic.rpartition(".")[2]
            known = self.venue.listing.get(self._category, symbol) is not None
            if not known or name not in ("orderbook", "tickers") or not rest:
                return f"error:handler not found,topic:{topic}"
        return ""

    def open(self, topic: str) -> None:
        """Begin to push ``topic``, its present state first."""
        instrument = self.venue.listing.get(self._category, topic.rpartition(".")[2])
        if instrument is None or topic in self._subscriptions:
            return
        book = self.venue.exchange.books[instrument.symbol]
        subscription = self.venue.public.open(self.socket, topic, book)
        if subscription is not None:
            self._subscriptions[topic] = subscription
            self.venue.public.begin(subscription)

    def close(self, topic: str) -> None:
        """Push ``topic`` no more."""
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self.venue.public.close(subscription)

    def forget(self) -> None:
        """Push nothing more."""
        for topic in list(self._subscriptions):
            self.close(topic)
