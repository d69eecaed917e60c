"""Rate limits: rolling seconds of one account, counted always, refused only if enforced.

The sheet, 5: by kind of operation; linear and inverse together, spot apart; batches apart from
single orders. That WebSocket and REST share a counter is stated for batches only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

from simulator.config import BybitConfig

_SECOND_MS = 1000


class Spent(NamedTuple):
    """What became of a demand on a limit."""

    limit: int
    granted: int
    left: int
    reset_ms: int

    def headers(self) -> dict[str, str]:
        """Return the limit as every reply's headers tell it."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


class Limits:
    """The windows of all accounts and addresses."""

    def __init__(self, own: BybitConfig, *, enforced: bool) -> None:
        self._own = own
        self._enforced = enforced
        self._windows: dict[Hashable, deque[int]] = {}
        self._banned_ms: dict[str, float] = {}

    def orders(
        self, account: str, group: str, *, spot: bool, batch: bool, count: int, now_ms: int
    ) -> Spent:
        """Spend ``count`` orders of an account."""
        own = self._own
        limit = own.orders_per_s
        if spot:
            # Of spot amends only the single ones are held to less: the sheet, 5.
            single_amend = group == "amend" and not batch
            limit = own.spot_amends_per_s if single_amend else own.spot_orders_per_s
        key = (account, group, spot, batch)
        return self._spend(key, limit, count, now_ms, _SECOND_MS)

    def query(self, account: str, op: str, now_ms: int) -> Spent:
        """Spend one query of an account."""
        return self._spend((account, op), self._own.queries_per_s, 1, now_ms, _SECOND_MS)

    def request(self, address: str, now_ms: int) -> bool:
        """Return whether an address may send one more REST request; for long no more if not."""
        if now_ms < self._banned_ms.get(address, 0):
            return False
        allowed = self._spend(("rest", address), self._own.rest_per_5s, 1, now_ms, 5000).granted
        if not allowed:
            self._banned_ms[address] = now_ms + self._own.ban_s * 1000
        return bool(allowed)

    def frame(self, address: str, now_ms: int) -> bool:
        """Return whether an address may send one more trade frame."""
        limit = self._own.frames_per_s
        return bool(self._spend(("trade", address), limit, 1, now_ms, _SECOND_MS).granted)

    def connection(self, address: str, now_ms: int) -> bool:
        """Return whether an address may open one more connection."""
        limit = self._own.connections_per_5min
        return bool(self._spend(("connect", address), limit, 1, now_ms, 300_000).granted)

    def _spend(self, key: Hashable, limit: int, count: int, now_ms: int, span_ms: int) -> Spent:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = deque()
        while window and window[0] <= now_ms - span_ms:
            window.popleft()
        granted = min(count, max(0, limit - len(window))) if self._enforced else count
        window.extend([now_ms] * granted)
        reset_ms = window[0] + span_ms if granted < count and window else now_ms
        return Spent(limit, granted, max(0, limit - len(window)), reset_ms)
