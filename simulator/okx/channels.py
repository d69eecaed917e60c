"""Private channels: who subscribed to what, and the pushes that changes of an account cause.

Balances and positions that changed within one turn of the loop are pushed once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import Instrument
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position
from simulator.okx.account_frames import (
    account_item,
    brief_balance,
    brief_position,
    current,
    position_item,
    shown_currencies,
)
from simulator.okx.frames import order_updates
from simulator.okx.prices import Prices
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

CHANNELS = frozenset(("orders", "account", "positions", "balance_and_position"))
_UPDATE_TIME = re.compile(rb'"uTime":"(\d+)"')


@dataclass(slots=True, eq=False)
class Subscription:
    """One argument of one connection, with the start of its push frames."""

    socket: Socket
    channel: str
    arg: dict[str, Any]
    account: Account
    head: str
    inst_type: str = "ANY"
    inst_id: str = ""
    family: str = ""
    currency: str = ""
    periodic: bool = True

    def wants(self, instrument: Instrument) -> bool:
        """Return whether the subscription covers ``instrument``."""
        kind = "SPOT" if instrument.is_spot else "SWAP"
        if self.inst_type not in ("ANY", kind):
            return False
        if self.inst_id and self.inst_id != instrument.symbol:
            return False
        return not self.family or self.family == f"{instrument.base}-{instrument.quote}"


@dataclass(slots=True)
class _Changes:
    """What changed on one account within one turn of the loop."""

    currencies: dict[str, None] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    trades: list[dict[str, str]] = field(default_factory=list)


def restamp(payload: bytes, shift_ms: int) -> bytes:
    """Return the frame with every uTime shifted."""

    def shifted(found: re.Match[bytes]) -> bytes:
        return b'"uTime":"%d"' % (int(found[1]) + shift_ms)

    return _UPDATE_TIME.sub(shifted, payload)


class PrivateChannels:
    """Listens to the exchange and pushes to the subscribers of each account."""

    def __init__(self, exchange: Exchange, faults: FaultBook, prices: Prices) -> None:
        self._exchange = exchange
        self._prices = prices
        self._subscribers: dict[str, dict[str, list[Subscription]]] = {}
        self._changes: dict[str, _Changes] = {}
        self.pushes = PushQueue(faults, exchange.clock, restamp, self._flush)

    def count(self, account: str, channel: str) -> int:
        """Return how many connections subscribe to ``channel`` of ``account``."""
        subscribers = self._subscribers.get(account, {}).get(channel, [])
        return len({subscription.socket.connection for subscription in subscribers})

    def add(self, subscription: Subscription) -> None:
        """Push to ``subscription`` from now on."""
        channels = self._subscribers.setdefault(subscription.account.name, {})
        channels.setdefault(subscription.channel, []).append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Push to ``subscription`` no more."""
        channels = self._subscribers.get(subscription.account.name, {})
        subscribers = channels.get(subscription.channel, [])
        if subscription in subscribers:
            subscribers.remove(subscription)
        if not subscribers:
            channels.pop(subscription.channel, None)
        if not channels:
            self._subscribers.pop(subscription.account.name, None)

    def snapshot(self, subscription: Subscription) -> None:
        """Push the state that a channel begins with; the orders channel has none."""
        account = subscription.account
        if subscription.channel == "account":
            names = shown_currencies(account)
            self._push_account(subscription, names, "snapshot")
        elif subscription.channel == "positions":
            held = [position for position in account.positions.values() if position.size]
            self._push_positions(subscription, held, "snapshot")
        elif subscription.channel == "balance_and_position":
            held = [position for position in account.positions.values() if position.size]
            self._push_both(subscription, shown_currencies(account), held, "snapshot", [])

    def push_periodic(self) -> None:
        """Push accounts and positions to those who did not ask for events only."""
        for subscription in self._all():
            if subscription.periodic and subscription.channel in ("account", "positions"):
                self.snapshot(subscription)

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Queue the pushes of one order update."""
        channels = self._subscribers.get(order.account.name)
        if channels is None:
            return
        if fill is not None:
            trade = {"instId": order.instrument.symbol, "tradeId": str(fill.trade_id)}
            self._changed(order.account).trades.append(trade)
        subscribers = channels.get("orders")
        if not subscribers:
            return
        for item in order_updates(order, fill, note):
            for subscription in subscribers:
                if subscription.wants(order.instrument):
                    payload = f"{subscription.head}{item}]}}".encode()
                    self.pushes.add(
                        Push(
                            subscription.socket,
                            payload,
                            "orders",
                            order.account.name,
                            order.instrument.symbol,
                            order.client_id,
                        )
                    )

    def balance_changed(self, account: Account, currency: str) -> None:
        """Note that ``currency`` is to be pushed."""
        if account.name in self._subscribers:
            self._changed(account).currencies[currency] = None

    def position_changed(self, account: Account, position: Position) -> None:
        """Note that ``position`` is to be pushed."""
        if account.name not in self._subscribers:
            return
        self._changed(account).positions[position.instrument.symbol] = position

    def _all(self) -> Iterator[Subscription]:
        for channels in list(self._subscribers.values()):
            for subscribers in list(channels.values()):
                yield from list(subscribers)

    def _changed(self, account: Account) -> _Changes:
        changes = self._changes.get(account.name)
        if changes is None:
            changes = self._changes[account.name] = _Changes()
            self.pushes.wake()
        return changes

    def _flush(self) -> None:
        changed, self._changes = self._changes, {}
        for name, changes in changed.items():
            self._flush_account(self._subscribers.get(name, {}), changes)

    def _flush_account(self, channels: dict[str, list[Subscription]], changes: _Changes) -> None:
        positions = list(changes.positions.values())
        names = list(changes.currencies)
        for subscription in list(channels.get("account", ())):
            wanted = [name for name in names if subscription.currency in ("", name)]
            if wanted:
                self._push_account(subscription, wanted, "event_update")
        for subscription in list(channels.get("positions", ())):
            held = [position for position in positions if subscription.wants(position.instrument)]
            if held:
                self._push_positions(subscription, held, "event_update")
        # What is frozen does not show on this channel, so freezing pushes nothing.
        if positions or changes.trades:
            for subscription in list(channels.get("balance_and_position", ())):
                self._push_both(subscription, names, positions, "filled", changes.trades)

    def _push_account(self, to: Subscription, names: list[str], event: str) -> None:
        now_ms = self._exchange.clock.now_ms()
        item = account_item(to.account, names, self._prices.usd, now_ms, self._prices.mark)
        self._push(to, self._wrapped(to, event, [item]))

    def _push_positions(self, to: Subscription, held: list[Position], event: str) -> None:
        now_ms = self._exchange.clock.now_ms()
        items = [
            position_item(to.account, held_one, self._mark(held_one), now_ms, current(held_one))
            for held_one in held
            if to.wants(held_one.instrument)
        ]
        if items or event == "snapshot":
            self._push(to, self._wrapped(to, event, items))

    def _push_both(
        self,
        to: Subscription,
        names: list[str],
        held: list[Position],
        event: str,
        trades: list[dict[str, str]],
    ) -> None:
        item = {
            "pTime": str(self._exchange.clock.now_ms()),
            "eventType": event,
            "balData": [brief_balance(to.account, name) for name in names],
            "posData": [brief_position(position) for position in held],
            "trades": trades,
        }
        self._push(to, f"{to.head}{orjson.dumps(item).decode()}]}}".encode())

    def _wrapped(self, to: Subscription, event: str, items: list[dict[str, Any]]) -> bytes:
        frame: dict[str, Any] = {"arg": to.arg, "eventType": event}
        if event == "snapshot":
            frame |= {"curPage": 1, "lastPage": True}
        return orjson.dumps(frame | {"data": items})

    def _mark(self, position: Position) -> Any:
        return self._prices.mark(position.instrument.symbol)

    def _push(self, to: Subscription, payload: bytes) -> None:
        self.pushes.send(Push(to.socket, payload, to.channel, to.account.name))
