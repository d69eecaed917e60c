"""Private topics: who subscribed to what, and the pushes that changes of an account cause.

1. What one request does to an order is told at its end, once: an order that trades as it comes in
   may never be told as New, and its fills come in one message. The sheet, 4.2 and 4.3.
2. The order of the topics ``order`` and ``execution`` is chance: the sheet, 0.
3. Positions and the wallet are told at the end of the loop's turn; a position with every order
   action, changed or not: the sheet, 4.5.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import orjson

from simulator.bybit.account_frames import AccountFrames
from simulator.bybit.order_frames import execution_fast, execution_pushed, pushed
from simulator.bybit.order_words import LOST_RACE
from simulator.config import BybitConfig
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

_TIMES = re.compile(rb'"(updatedTime|execTime)":"(\d+)"')
# Topics in the words that all venues' faults share.
OPS = {
    "order": "orders",
    "execution": "fills",
    "execution.fast": "fills",
    "position": "positions",
    "wallet": "account",
}


Row = dict[str, Any]


def restamp(payload: bytes, shift_ms: int) -> bytes:
    """Return the frame with its update and execution times shifted."""

    def shifted(found: re.Match[bytes]) -> bytes:
        return b'"%b":"%d"' % (found[1], int(found[2]) + shift_ms)

    return _TIMES.sub(shifted, payload)


def _each(make: Callable[[Any], Row], things: Iterable[Any]) -> list[Row]:
    """Return the row of each thing."""
    return [make(thing) for thing in things]


class PrivateTopics:
    """Listens to the exchange and pushes to the subscribers of each account."""

    def __init__(
        self, exchange: Exchange, faults: FaultBook, own: BybitConfig, *, seed: int
    ) -> None:
        self.frames = AccountFrames(exchange)
        self.pushes = PushQueue(faults, exchange.clock, restamp, self._gathered)
        self._clock = exchange.clock
        self._own = own
        self._random = random.Random(seed)
        self._topics: dict[str, dict[Socket, dict[str, None]]] = {}
        self._touched: dict[Order, list[Fill]] = {}
        self._holding = False
        self._positions: dict[str, tuple[Account, dict[str, Position]]] = {}
        self._currencies: dict[str, tuple[Account, dict[str, None]]] = {}
        self._number = exchange.clock.true_ms()

    def add(self, account: Account, socket: Socket, topic: str) -> None:
        """Push ``topic`` of ``account`` to ``socket`` from now on."""
        self._topics.setdefault(account.name, {}).setdefault(socket, {})[topic] = None

    def remove(self, account: Account, socket: Socket, topic: str | None = None) -> None:
        """Push ``topic``, or nothing at all, to ``socket`` any more."""
        sockets = self._topics.get(account.name, {})
        topics = sockets.get(socket, {})
        if topic is None:
            topics.clear()
        topics.pop(topic or "", None)
        if not topics:
            sockets.pop(socket, None)
        if not sockets:
            self._topics.pop(account.name, None)

    def hold(self) -> None:
        """Begin a request: what it does is told at its end."""
        self._holding = True

    def release(self, *, together: bool = False) -> None:
        """End a request; all its orders come in one message if ``together``."""
        self._holding = False
        touched, self._touched = self._touched, {}
        if together and len(touched) > 1:
            first = next(iter(touched))
            rows = partial(_each, pushed, touched)
            self._tell(first.account, "order", first.instrument.kind, rows, first)
            return
        for order, fills in touched.items():
            self._tell_order(order, fills)

    def repeat_filled(self, order: Order) -> None:
        """Tell an order's end again, as after a cancel that lost the race: the sheet, 4.2."""
        row = pushed(order) | {"cancelType": "CancelByUser", "rejectReason": LOST_RACE}
        self._tell(order.account, "order", order.instrument.kind, lambda: [row], order)

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Tell one change, at once or at the end of the request that it is of."""
        account = order.account
        if account.name not in self._topics:
            return
        if not order.instrument.is_spot:
            self.position_changed(account, account.position(order.instrument))
        is_new = fill is None and note is None and order.state == "live"
        if self._holding and not (is_new and self._own.tells_new):
            fills = self._touched.setdefault(order, [])
            if fill is not None:
                fills.append(fill)
        else:
            self._tell_order(order, [] if fill is None else [fill])

    def balance_changed(self, account: Account, currency: str) -> None:
        """Note that a currency is to be told."""
        if account.name in self._topics:
            self._currencies.setdefault(account.name, (account, {}))[1][currency] = None
            self.pushes.wake()

    def position_changed(self, account: Account, position: Position) -> None:
        """Note that a position is to be told."""
        if account.name in self._topics:
            held = self._positions.setdefault(account.name, (account, {}))[1]
            held[position.instrument.symbol] = position
            self.pushes.wake()

    def _tell_order(self, order: Order, fills: list[Fill]) -> None:
        execution_first = self._own.event_order == "execution_first"
        if fills and self._own.event_order == "any":
            execution_first = self._random.random() < 0.5
        if not execution_first:
            self._tell_state(order)
        if fills:
            kind, account = order.instrument.kind, order.account
            self._tell(account, "execution", kind, partial(_each, execution_pushed, fills), order)
            fast = partial(_each, execution_fast, fills)
            self._tell(account, "execution.fast", kind, fast, order)
        if execution_first:
            self._tell_state(order)

    def _tell_state(self, order: Order) -> None:
        rows = partial(_each, pushed, (order,))
        self._tell(order.account, "order", order.instrument.kind, rows, order)

    def _gathered(self) -> None:
        """Tell positions and wallets of this turn."""
        positions, self._positions = self._positions, {}
        for account, held in positions.values():
            for position in held.values():
                rows = partial(_each, partial(self.frames.position_pushed, account), (position,))
                self._tell(account, "position", position.instrument.kind, rows, now=True)
        currencies, self._currencies = self._currencies, {}
        for account, names in currencies.values():
            rows = partial(_each, partial(self.frames.wallet, account), (names,))
            self._tell(account, "wallet", "", rows, now=True)

    def _tell(
        self,
        account: Account,
        topic: str,
        kind: str,
        rows: Callable[[], list[Row]],
        order: Order | None = None,
        *,
        now: bool = False,
    ) -> None:
        """Queue the rows for whoever wants the topic, whole or of this category.

        They are made only if somebody does.
        """
        data = b""
        for socket, topics in list(self._topics.get(account.name, {}).items()):
            for name in (topic, f"{topic}.{kind}"):
                if name not in topics:
                    continue
                data = data or orjson.dumps(rows())
                push = Push(
                    socket,
                    self._envelope(name, account) + data + b"}",
                    OPS[topic],
                    account.name,
                    order.instrument.symbol if order is not None else "",
                    order.client_id if order is not None else "",
                    topic,
                )
                if now:
                    self.pushes.send(push)
                else:
                    self.pushes.add(push)

    def _envelope(self, topic: str, account: Account) -> bytes:
        self._number += 1
        return (
            f'{{"topic":"{topic}","id":"{account.uid}_{self._number}",'
            f'"creationTime":{self._clock.now_ms()},"data":'
        ).encode()
