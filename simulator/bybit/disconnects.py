"""Cancel on disconnect (DCP): the dead-man switch of private connections: the sheet, 4.7."""

from __future__ import annotations

import asyncio
from typing import Any

from simulator.bybit.codes import Problem
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.sockets import Socket

_PRODUCTS = {"DERIVATIVES": "dcp.future", "SPOT": "dcp.spot", "OPTIONS": "dcp.option"}
TOPICS = frozenset(_PRODUCTS.values())
_SHORTEST_S, _LONGEST_S, _DEFAULT_S = 3, 300, 10
# A change takes about so long until it applies.
_APPLIES_S = 10

Key = tuple[str, str]


class Disconnects:
    """Watches who is subscribed to ``dcp.*``, and counts down once nobody is."""

    def __init__(self, exchange: Exchange, second_s: float, *, enabled: bool) -> None:
        self._exchange = exchange
        self._second_s = second_s
        self._enabled = enabled
        self._windows_s: dict[Key, int] = {}
        self._watching: dict[Key, dict[Socket, None]] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._changes: list[asyncio.TimerHandle] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def set(self, account: Account, given: dict[str, Any]) -> None:
        """Change the window of one product."""
        if not self._enabled:
            raise Problem(10005)
        topic = _PRODUCTS.get(str(given.get("product") or "OPTIONS"))
        window = str(given.get("timeWindow", ""))
        if topic is None or not window.isdigit() or self.loop is None:
            raise Problem(10001, "timeWindow")
        if not _SHORTEST_S <= int(window) <= _LONGEST_S:
            raise Problem(10001, "timeWindow")
        key = (account.name, topic)
        apply = self.loop.call_later(
            _APPLIES_S * self._second_s, self._windows_s.__setitem__, key, int(window)
        )
        self._changes.append(apply)

    def as_json(self, account: Account) -> list[dict[str, str]]:
        """Return the window of each product."""
        return [
            {
                "product": product,
                "dcpStatus": "ON",
                "timeWindow": str(self._windows_s.get((account.name, topic), _DEFAULT_S)),
            }
            for product, topic in _PRODUCTS.items()
            if self._enabled
        ]

    def watch(self, account: Account, socket: Socket, topic: str) -> None:
        """Note that ``socket`` is there; nothing is counted down while it is."""
        key = (account.name, topic)
        self._watching.setdefault(key, {})[socket] = None
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def leave(self, account: Account, socket: Socket) -> None:
        """Note that ``socket`` is gone; count down wherever it was the last one."""
        for key, sockets in self._watching.items():
            if key[0] != account.name or sockets.pop(socket, 0) == 0:
                continue
            if not sockets and self._enabled and self.loop is not None:
                after_s = self._windows_s.get(key, _DEFAULT_S) * self._second_s
                self._timers[key] = self.loop.call_later(after_s, self._fire, account, key[1])

    def stop_all(self) -> None:
        """Stop whatever would still happen."""
        for timer in (*self._timers.values(), *self._changes):
            timer.cancel()
        self._timers.clear()
        self._changes.clear()

    def _fire(self, account: Account, topic: str) -> None:
        self._timers.pop((account.name, topic), None)
        for order in list(account.open.values()):
            if order.instrument.is_spot == (topic == "dcp.spot"):
                self._exchange.cancel(order, "cancel_all_after")
