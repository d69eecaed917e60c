"""Subscribing and unsubscribing on one connection."""

from __future__ import annotations

from typing import Any

import orjson

from simulator.bitget import public
from simulator.bitget.channels import CHANNELS, Subscription
from simulator.bitget.codes import Problem
from simulator.bitget.public import PublicSubscription
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.sockets import Socket

Argument = dict[str, Any]
_ACCOUNT = "UTA"


class Subscriptions:
    """What one connection subscribes to; its role follows from that."""

    def __init__(self, venue: Venue, socket: Socket, *, private: bool) -> None:
        self._venue = venue
        self._socket = socket
        self._is_private = private
        self._private: dict[bytes, Subscription] = {}
        self._public: dict[bytes, PublicSubscription] = {}

    def subscribe(self, args: list[Argument], account: Account | None) -> None:
        """Subscribe to each of ``args``; each has its own acknowledgement."""
        for arg in args:
            try:
                if self._is_private:
                    self._subscribe_private(arg, account)
                else:
                    self._subscribe_public(arg)
            except Problem as problem:
                self._event("error", arg, code=int(problem.code), msg=problem.text)

    def unsubscribe(self, args: list[Argument]) -> None:
        """Undo each of ``args``; unknown ones are acknowledged too."""
        for arg in args:
            self._forget(_key(arg))
            self._event("unsubscribe", arg)
        self._set_role()

    def clear(self) -> None:
        """Undo everything: the connection is gone."""
        for private in self._private.values():
            self._venue.private.remove(private)
        for public_one in self._public.values():
            self._venue.public.remove(public_one)

    def _subscribe_private(self, arg: Argument, account: Account | None) -> None:
        topic = str(arg.get("topic"))
        if account is None:
            raise Problem("30004")
        if topic not in CHANNELS or arg.get("instType") != _ACCOUNT:
            raise _missing(arg)
        key = _key(arg)
        self._forget(key)
        self._event("subscribe", arg)
        subscription = Subscription(self._socket, topic, arg, account)
        self._private[key] = subscription
        self._set_role()
        self._venue.private.add(subscription)

    def _subscribe_public(self, arg: Argument) -> None:
        topic = str(arg.get("topic"))
        if topic not in public.TOPICS:
            raise _missing(arg)
        try:
            found = self._venue.listing.find(str(arg.get("instType")), arg.get("symbol"))
        except Problem:
            raise _missing(arg) from None
        key = _key(arg)
        self._forget(key)
        self._event("subscribe", arg)
        subscription = PublicSubscription(self._socket, topic, arg, found.symbol)
        self._public[key] = subscription
        self._venue.public.add(subscription)

    def _forget(self, key: bytes) -> None:
        private = self._private.pop(key, None)
        if private is not None:
            self._venue.private.remove(private)
        public_one = self._public.pop(key, None)
        if public_one is not None:
            self._venue.public.remove(public_one)

    def _set_role(self) -> None:
        if self._is_private:
            self._socket.row.role = "trade+private" if self._private else "trade"

    def _event(self, event: str, arg: Argument, **fields: Any) -> None:
        self._socket.send(orjson.dumps({"event": event, "arg": arg, **fields}))


def _key(arg: Argument) -> bytes:
    return orjson.dumps(arg, option=orjson.OPT_SORT_KEYS)


def _missing(arg: Argument) -> Problem:
    names = ",".join(f"{name}:{arg.get(name)}" for name in ("instType", "topic", "symbol"))
    return Problem("30001", names)
