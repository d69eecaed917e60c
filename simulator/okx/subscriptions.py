"""Subscribing and unsubscribing on one connection."""

from __future__ import annotations

from typing import Any

import orjson

from simulator.exchange.accounts import Account
from simulator.okx import channels, public
from simulator.okx.channels import Subscription
from simulator.okx.codes import Problem, text
from simulator.okx.public import PublicSubscription
from simulator.okx.venue import Venue
from simulator.sockets import Socket

Argument = dict[str, Any]

_ORDER_TYPES = frozenset(("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY"))
# Sum of the arguments' text: OKX v5 documents, "Subscribe", read 2026-07.
_MAX_ARGS_BYTES = 64 * 1024


class Subscriptions:
    """What one connection subscribes to; its role follows from that."""

    def __init__(self, venue: Venue, socket: Socket) -> None:
        self._venue = venue
        self._socket = socket
        self._private: dict[bytes, Subscription] = {}
        self._public: dict[bytes, PublicSubscription] = {}

    def subscribe(
        self, args: list[Argument], request_id: object, kind: str, account: Account | None
    ) -> None:
        """Subscribe to each of ``args``; each has its own acknowledgement."""
        if len(orjson.dumps(args)) > _MAX_ARGS_BYTES:
            self._event("error", request_id, code="60012", msg=text("60012", "args too long"))
            return
        for arg in args:
            try:
                self._subscribe(arg, request_id, kind, account)
            except Problem as problem:
                self._event("error", request_id, code=problem.code, msg=problem.text)

    def unsubscribe(self, args: list[Argument], request_id: object) -> None:
        """Undo each of ``args``; unknown ones are acknowledged too."""
        for arg in args:
            key = _key(arg)
            private = self._private.pop(key, None)
            if private is not None:
                self._venue.private.remove(private)
            public_one = self._public.pop(key, None)
            if public_one is not None:
                self._venue.public.remove(public_one)
            self._event("unsubscribe", request_id, arg=arg)
        self._set_role()

    def clear(self) -> None:
        """Undo everything: the connection is gone."""
        for private in self._private.values():
            self._venue.private.remove(private)
        for public_one in self._public.values():
            self._venue.public.remove(public_one)

    def _subscribe(
        self, arg: Argument, request_id: object, kind: str, account: Account | None
    ) -> None:
        channel = arg.get("channel")
        if kind == "public" and channel in public.CHANNELS:
            self._subscribe_public(arg, str(channel), request_id)
        elif kind == "private" and channel in channels.CHANNELS:
            if account is None:
                raise Problem("60011")
            self._subscribe_private(arg, str(channel), request_id, account)
        elif kind == "private" and channel == "fills":
            # For VIP4 and above only; nobody here is: the sheet, 5.3.
            raise Problem("64003")
        else:
            raise Problem("60018", str(channel))

    def _subscribe_public(self, arg: Argument, channel: str, request_id: object) -> None:
        symbol = str(arg.get("instId", ""))
        if channel not in ("instruments", "status") and symbol not in self._venue.listing.by_id:
            raise Problem("60018", f"{channel},instId:{symbol}")
        self._event("subscribe", request_id, arg=arg)
        key = _key(arg)
        if key in self._public:
            self._venue.public.remove(self._public[key])
        subscription = PublicSubscription(self._socket, channel, arg, symbol)
        self._public[key] = subscription
        self._venue.public.add(subscription)

    def _subscribe_private(
        self, arg: Argument, channel: str, request_id: object, account: Account
    ) -> None:
        subscription = self._read(arg, channel, account)
        self._event("subscribe", request_id, arg=arg)
        count = self._venue.private.count(account.name, channel)
        most = self._venue.config.limits.connections_per_channel
        if count >= most:
            self._event("channel-conn-count-error", None, channel=channel, connCount=str(count))
            return
        key = _key(arg)
        if key in self._private:
            self._venue.private.remove(self._private[key])
        self._private[key] = subscription
        self._set_role()
        self._venue.private.add(subscription)
        count = self._venue.private.count(account.name, channel)
        self._event("channel-conn-count", None, channel=channel, connCount=str(count))
        self._venue.private.snapshot(subscription)

    def _read(self, arg: Argument, channel: str, account: Account) -> Subscription:
        told = {**arg, "uid": account.uid}
        subscription = Subscription(
            self._socket,
            channel,
            told,
            account,
            head=f'{{"arg":{orjson.dumps(told).decode()},"data":[',
            inst_id=str(arg.get("instId", "")),
            family=str(arg.get("instFamily", "")),
            currency=str(arg.get("ccy", "")),
            periodic=not _events_only(arg.get("extraParams")),
        )
        if channel in ("orders", "positions"):
            subscription.inst_type = str(arg.get("instType", ""))
            known = subscription.inst_type in _ORDER_TYPES
            if not known or (channel == "positions" and subscription.inst_type == "SPOT"):
                raise Problem("60018", f"{channel},instType:{subscription.inst_type}")
        return subscription

    def _set_role(self) -> None:
        if self._socket.role in ("trade", "private"):
            self._socket.row.role = "private" if self._private else "trade"

    def _event(self, event: str, request_id: object, **fields: Any) -> None:
        frame: dict[str, Any] = {"id": request_id} if isinstance(request_id, str) else {}
        frame |= {"event": event, **fields, "connId": self._socket.connection}
        self._socket.send(orjson.dumps(frame))


def _key(arg: Argument) -> bytes:
    """Return ``arg`` as one comparable text; extraParams do not make another subscription."""
    wanted = {name: value for name, value in arg.items() if name != "extraParams"}
    return orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)


def _events_only(extra: object) -> bool:
    """Return whether extraParams, a JSON text, ask for no periodic pushes."""
    if not isinstance(extra, str):
        return False
    try:
        params = orjson.loads(extra)
    except orjson.JSONDecodeError:
        return False
    return isinstance(params, dict) and str(params.get("updateInterval")) == "0"
