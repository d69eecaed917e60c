"""countdown-cancel-all: the dead-man switch that cancels all orders unless it is renewed."""

from __future__ import annotations

import asyncio
from typing import Any

from simulator.bitget.codes import Problem
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange

# UTA documents, "Countdown Cancel All", 2026.
_SHORTEST_S, _LONGEST_S = 5, 60


class DeadMan:
    """Counts down for each account."""

    def __init__(self, exchange: Exchange, second_s: float) -> None:
        self._exchange = exchange
        self._second_s = second_s
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def set(self, account: Account, payload: dict[str, Any]) -> str:
        """Start, renew or (0) stop a countdown; return the reply's data."""
        value = str(payload.get("countdown", ""))
        seconds = int(value) if value.isdigit() else -1
        if seconds and not _SHORTEST_S <= seconds <= _LONGEST_S:
            raise Problem("40020", "countdown")
        timer = self._timers.pop(account.name, None)
        if timer is not None:
            timer.cancel()
        if seconds and self.loop is not None:
            after_s = seconds * self._second_s
            self._timers[account.name] = self.loop.call_later(after_s, self._fire, account)
        return "success"

    def stop_all(self) -> None:
        """Stop every countdown."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _fire(self, account: Account) -> None:
        self._timers.pop(account.name, None)
        for order in list(account.open.values()):
            self._exchange.cancel(order, "cancel_all_after")
