"""Private channels: who subscribed to what, and the pushes that changes of an account cause.

Orders and fills are pushed each at once and never on subscribing; balances and positions that
changed within one turn of the loop are pushed once, and begin with what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.bitget.account_frames import pushed_account, pushed_position
from simulator.bitget.listing import Listing
from simulator.bitget.order_frames import pushed_fill, pushed_order
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

# The venue's topics, and their names in faults.
CHANNELS = {"order": "orders", "fill": "fills", "position": "positions", "account": "account"}
_UPDATE_TIME = re.compile(rb'"updatedTime":"(\d+)"')


@dataclass(slots=True, eq=False)
class Subscription:
    """One topic of one connection."""

    socket: Socket
    topic: str
    arg: dict[str, Any]
    account: Account


@dataclass(slots=True)
class _Changes:
    """What changed on one account within one turn of the loop."""

    account: Account
    balances: bool = False
    positions: dict[str, Position] = field(default_factory=dict)


def restamp(payload: bytes, shift_ms: int) -> bytes:
    """Return the frame with every updatedTime shifted."""

    def shifted(found: re.Match[bytes]) -> bytes:
        return b'"updatedTime":"%d"' % (int(found[1]) + shift_ms)

    return _UPDATE_TIME.sub(shifted, payload)


class PrivateChannels:
    """Listens to the exchange and pushes to the subscribers of each account."""

    def __init__(self, exchange: Exchange, faults: FaultBook, listing: Listing) -> None:
        self._clock = exchange.clock
        self._listing = listing
        self._subscribers: dict[str, list[Subscription]] = {}
        self._changes: dict[str, _Changes] = {}
        self.pushes = PushQueue(faults, exchange.clock, restamp, self._flush)

    def add(self, subscription: Subscription) -> None:
        """Push to ``subscription`` from now on, its present state at once if it has one."""
        account = subscription.account
        self._subscribers.setdefault(account.name, []).append(subscription)
        if subscription.topic == "account":
            self.pushes.send(self._push(subscription, [pushed_account(account, self._listing)]))
        elif subscription.topic == "position":
            held = [position for position in account.positions.values() if position.size]
            self.pushes.send(self._push(subscription, self._positions(account, held)))

    def remove(self, subscription: Subscription) -> None:
        """Push to ``subscription`` no more."""
        subscribers = self._subscribers.get(subscription.account.name, [])
        if subscription in subscribers:
            subscribers.remove(subscription)
        if not subscribers:
            self._subscribers.pop(subscription.account.name, None)

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Queue the pushes of one order update, the fill's own before it."""
        subscribers = self._subscribers.get(order.account.name)
        if not subscribers:
            return
        if fill is not None:
            self._queue(subscribers, "fill", pushed_fill(fill), order)
        request_id = note.request_id if note is not None else ""
        self._queue(subscribers, "order", pushed_order(order, request_id), order)

    def balance_changed(self, account: Account, currency: str) -> None:
        """Note that the account is to be pushed."""
        if account.name in self._subscribers:
            self._changed(account).balances = True

    def position_changed(self, account: Account, position: Position) -> None:
        """Note that ``position`` is to be pushed."""
        if account.name in self._subscribers:
            self._changed(account).positions[position.instrument.symbol] = position

    def _queue(
        self, subscribers: Iterable[Subscription], topic: str, item: dict[str, Any], order: Order
    ) -> None:
        for subscription in subscribers:
            if subscription.topic == topic:
                self.pushes.add(self._push(subscription, [item], order))

    def _changed(self, account: Account) -> _Changes:
        changes = self._changes.get(account.name)
        if changes is None:
            changes = self._changes[account.name] = _Changes(account)
            self.pushes.wake()
        return changes

    def _flush(self) -> None:
        changed, self._changes = self._changes, {}
        for name, changes in changed.items():
            held = list(changes.positions.values())
            for to in list(self._subscribers.get(name, ())):
                if to.topic == "position" and held:
                    self.pushes.send(self._push(to, self._positions(to.account, held)))
                elif to.topic == "account" and changes.balances:
                    self.pushes.send(self._push(to, [pushed_account(to.account, self._listing)]))

    def _positions(self, account: Account, held: list[Position]) -> list[dict[str, Any]]:
        return [pushed_position(account, position, self._listing) for position in held]

    def _push(
        self, to: Subscription, items: list[dict[str, Any]], order: Order | None = None
    ) -> Push:
        frame = {
            "action": "snapshot",
            "arg": to.arg,
            "data": items,
            "ts": self._clock.now_ms(),
        }
        return Push(
            to.socket,
            orjson.dumps(frame),
            CHANNELS[to.topic],
            to.account.name,
            order.instrument.symbol if order is not None else "",
            order.client_id if order is not None else "",
            to.topic,
        )
