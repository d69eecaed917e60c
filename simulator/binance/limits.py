"""Weights per address and orders per account, in fixed windows, and the bans that follow.

Source: the Binance sheet, A2, A6.5 and part B. That windows are fixed, not sliding, is what the
limits' intervals suggest; the sheet does not say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simulator.binance.codes import BANNED, Problem
from simulator.config import BinanceConfig

_SPANS_MS = {"SECOND": 1000, "MINUTE": 60_000, "DAY": 86_400_000}
_SHORT = {"SECOND": "S", "MINUTE": "M", "DAY": "D"}


class RateLimit(NamedTuple):
    """One limit as exchangeInfo and every reply show it."""

    kind: str
    interval: str
    number: int
    limit: int

    @property
    def span_ms(self) -> int:
        """Return how long one window is."""
        return _SPANS_MS[self.interval] * self.number

    def as_json(self, count: int | None = None) -> dict[str, Any]:
        """Return the limit, with what is used of it if ``count`` is given."""
        shown = {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }
        return shown if count is None else shown | {"count": count}


class Limits:
    """Counts always; refuses only if ``enforced``."""

    def __init__(
        self,
        weight: RateLimit,
        orders: tuple[RateLimit, ...],
        own: BinanceConfig,
        *,
        enforced: bool,
    ) -> None:
        self.weight = weight
        self.orders = orders
        self._own = own
        self._enforced = enforced
        self._counts: dict[tuple[RateLimit, str], tuple[int, int]] = {}
        self._strikes: dict[str, int] = {}
        self._banned_ms: dict[str, int] = {}

    def spend(self, address: str, weight: int, now_ms: int) -> None:
        """Count ``weight`` for an address.

        Raises:
            Problem: 429 above the limit; 418 for an address that went on regardless.
        """
        if self._enforced and now_ms < self._banned_ms.get(address, 0):
            raise self._ban(address, now_ms)
        used = self._add(self.weight, address, weight, now_ms)
        if not (self._enforced and weight) or used <= self.weight.limit:
            return
        self._strikes[address] = self._strikes.get(address, 0) + 1
        if self._strikes[address] > self._own.ban_after:
            self._strikes[address] = 0
            self._banned_ms[address] = now_ms + int(self._own.ban_s * 1000)
            raise self._ban(address, now_ms)
        wait_s = _left_s(self.weight, now_ms)
        raise Problem(-1003, address, str(self.weight.limit), retry_after_s=wait_s)

    def order(self, account: str, counts: tuple[int, ...], now_ms: int) -> None:
        """Count orders of an account, one count for each limit; 429 above one of them."""
        over = None
        for limit, count in zip(self.orders, counts, strict=False):
            if self._add(limit, account, count, now_ms) > limit.limit:
                over = over or limit
        if over is not None and self._enforced:
            span = f"{over.number} {over.interval}"
            wait_s = _left_s(over, now_ms)
            raise Problem(-1015, str(over.limit), span, retry_after_s=wait_s)

    def give_back(self, account: str, now_ms: int) -> None:
        """Take one order out of an account's counts again."""
        for limit in self.orders:
            if self._used(limit, account, now_ms):
                self._add(limit, account, -1, now_ms)

    def count(self, address: str, weight: int, now_ms: int) -> None:
        """Count ``weight`` for an address, without a refusal."""
        self._add(self.weight, address, weight, now_ms)

    def told(self, address: str, account: str, now_ms: int, *, orders: bool) -> list[Any]:
        """Return ``rateLimits`` of a WebSocket reply."""
        rows = [self.weight.as_json(self._used(self.weight, address, now_ms))]
        if orders:
            rows += [one.as_json(self._used(one, account, now_ms)) for one in self.orders]
        return rows

    def headers(self, address: str, account: str, now_ms: int, *, orders: bool) -> dict[str, str]:
        """Return the headers of a REST reply."""
        found = {"x-mbx-used-weight-1m": str(self._used(self.weight, address, now_ms))}
        if orders:
            for one in self.orders:
                name = f"x-mbx-order-count-{one.number}{_SHORT[one.interval].lower()}"
                found[name] = str(self._used(one, account, now_ms))
        return found

    def _ban(self, address: str, now_ms: int) -> Problem:
        until_ms = self._banned_ms[address]
        message = f"Way too many requests; IP({address}) banned until {until_ms}."
        wait_s = max(1, (until_ms - now_ms + 999) // 1000)
        return Problem(-1003, message=message, status=BANNED, retry_after_s=wait_s)

    def _add(self, limit: RateLimit, owner: str, count: int, now_ms: int) -> int:
        place, now = (limit, owner), now_ms // limit.span_ms
        window, used = self._counts.get(place, (now, 0))
        used = used + count if window == now else count
        self._counts[place] = (now, used)
        return used

    def _used(self, limit: RateLimit, owner: str, now_ms: int) -> int:
        window, used = self._counts.get((limit, owner), (0, 0))
        return used if window == now_ms // limit.span_ms else 0


def _left_s(limit: RateLimit, now_ms: int) -> int:
    """Return the seconds until the present window of ``limit`` ends; at least 1."""
    return max(1, (limit.span_ms - now_ms % limit.span_ms + 999) // 1000)
