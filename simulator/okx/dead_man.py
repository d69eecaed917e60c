"""cancel-all-after: the dead-man switch that cancels an account's orders unless it is renewed."""

from __future__ import annotations

import asyncio
from typing import Any

from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.okx.codes import Problem, envelope

_SHORTEST_S, _LONGEST_S = 10, 120


class DeadMan:
    """Counts down for each account and tag."""

    def __init__(self, exchange: Exchange, second_s: float) -> None:
        self._exchange = exchange
        self._second_s = second_s
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def set(self, account: Account, payload: Any) -> dict[str, Any]:
        """Start, renew or (0) stop a countdown; return the reply."""
        if not isinstance(payload, dict) or self.loop is None:
            raise Problem("51000", "timeOut")
        value, tag = str(payload.get("timeOut", "")), str(payload.get("tag") or "")
        if not value.isdigit():
            raise Problem("51000", "timeOut")
        seconds = int(value)
        if seconds and not _SHORTEST_S <= seconds <= _LONGEST_S:
            raise Problem("51000", "timeOut")
        self._stop(account, tag)
        now_s = self._exchange.clock.now_ms() // 1000
        if seconds:
            self._timers[account.name, tag] = self.loop.call_later(
                seconds * self._second_s, self._fire, account, tag
            )
        # Seconds, as the documents' sample shows them: the sheet, 6.1.
        item = {
            "triggerTime": str(now_s + seconds) if seconds else "0",
            "tag": tag,
            "ts": str(now_s),
        }
        return envelope("0", data=[item])

    def stop_all(self) -> None:
        """Stop every countdown."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _stop(self, account: Account, tag: str) -> None:
        timer = self._timers.pop((account.name, tag), None)
        if timer is not None:
            timer.cancel()

    def _fire(self, account: Account, tag: str) -> None:
        self._timers.pop((account.name, tag), None)
        for order in list(account.open.values()):
            if tag in ("", order.tag):
                self._exchange.cancel(order, "cancel_all_after")
