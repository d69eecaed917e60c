"""countdownCancelAll: the dead-man switch of one symbol: the sheet, A6.1."""

from __future__ import annotations

import asyncio

from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange


class Countdown:
    """Counts down for each account and symbol."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def set(self, account: Account, symbol: str, countdown_ms: int) -> None:
        """Start or renew a countdown; 0 stops it."""
        timer = self._timers.pop((account.name, symbol), None)
        if timer is not None:
            timer.cancel()
        if countdown_ms and self.loop is not None:
            self._timers[account.name, symbol] = self.loop.call_later(
                countdown_ms / 1000, self._fire, account, symbol
            )

    def stop_all(self) -> None:
        """Stop every countdown."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _fire(self, account: Account, symbol: str) -> None:
        self._timers.pop((account.name, symbol), None)
        for order in list(account.open.values()):
            if order.instrument.symbol == symbol:
                self._exchange.cancel(order, "cancel_all_after")
