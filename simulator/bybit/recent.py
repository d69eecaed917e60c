"""The recently closed orders: what ``realtime`` remembers of them, until the next restart."""

from __future__ import annotations

from simulator.exchange.accounts import Account
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position


class RecentlyClosed:
    """Keeps the last orders that ended, of each account and category: the sheet, 5."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._closed: dict[tuple[str, str], dict[str, Order]] = {}

    def of(self, account: Account, category: str) -> list[Order]:
        """Return them, the newest order first."""
        kept = self._closed.get((account.name, category), {})
        orders = [one for name, one in kept.items() if account.orders.get(name) is one]
        return sorted(orders, key=lambda one: one.created_ms, reverse=True)

    def has(self, order: Order) -> bool:
        """Return whether ``order`` is one of them."""
        kept = self._closed.get((order.account.name, order.instrument.kind), {})
        return kept.get(order.venue_id) is order

    def wipe(self) -> None:
        """Forget all: the venue restarts."""
        self._closed.clear()

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Keep an order that has ended."""
        if order.is_open:
            return
        kept = self._closed.setdefault((order.account.name, order.instrument.kind), {})
        kept[order.venue_id] = order
        if len(kept) > self._most:
            del kept[next(iter(kept))]

    def balance_changed(self, account: Account, currency: str) -> None:
        """Do nothing."""

    def position_changed(self, account: Account, position: Position) -> None:
        """Do nothing."""
