"""What queries still see: the venue forgets, the ledger does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import Fill, Order


@dataclass(frozen=True, slots=True)
class Retention:
    """How long ended orders are kept; ``ledger_ms`` 0 keeps them in the ledger for good.

    ``from_creation`` counts the age of a never-filled order from there, not from its end. An order
    older than ``kept_ms`` is shown no more, whatever became of it; 0 shows all.
    """

    never_filled_ms: int
    ledger_ms: int
    from_creation: bool = False
    kept_ms: int = 0

    def shows(self, order: Order, now_ms: int) -> bool:
        """Return whether a query at ``now_ms`` sees ``order``."""
        if order.visible_ms > now_ms:
            return False
        if self.kept_ms and not order.is_open and now_ms - order.created_ms > self.kept_ms:
            return False
        if order.state != "canceled" or order.filled:
            return True
        since_ms = order.created_ms if self.from_creation else order.updated_ms
        return now_ms - since_ms <= self.never_filled_ms


def pending(account: Account, now_ms: int) -> Iterator[Order]:
    """Yield the pending orders that queries see, newest first."""
    for order in reversed(account.open.values()):
        if order.visible_ms <= now_ms:
            yield order


def pending_as_of(account: Account, ts_ms: int) -> Iterator[tuple[Order, Decimal]]:
    """Yield the orders pending at ``ts_ms`` with what was filled then, newest first."""
    for order in reversed(account.orders.values()):
        ended = not order.is_open and order.updated_ms <= ts_ms
        if order.created_ms <= ts_ms and not ended:
            yield order, _filled_as_of(account, order, ts_ms)


def history(account: Account, kept: Retention, now_ms: int) -> Iterator[Order]:
    """Yield the ended orders that queries see, newest first."""
    for order in reversed(account.orders.values()):
        if not order.is_open and kept.shows(order, now_ms):
            yield order


def fills(account: Account, now_ms: int) -> Iterator[Fill]:
    """Yield the fills that queries see, newest first."""
    for fill in reversed(account.fills):
        if fill.order.visible_ms <= now_ms:
            yield fill


def forget(exchange: Exchange, kept: Retention) -> None:
    """Drop from memory what even the ledger need not keep; nothing if it keeps all."""
    if not kept.ledger_ms:
        return
    before_ms = exchange.clock.now_ms() - kept.ledger_ms
    ended = exchange.ended
    while ended and ended[0].updated_ms < before_ms:
        order = ended.popleft()
        exchange.orders.pop(order.venue_id, None)
        order.account.forget(order)
    for account in exchange.accounts.values():
        while account.fills and account.fills[0].ts_ms < before_ms:
            account.fills.popleft()
    every = exchange.settlement.fills
    while every and every[0].ts_ms < before_ms:
        every.popleft()


def _filled_as_of(account: Account, order: Order, ts_ms: int) -> Decimal:
    if not order.filled:
        return ZERO
    sizes = (fill.size for fill in account.fills if fill.order is order and fill.ts_ms <= ts_ms)
    return sum(sizes, ZERO)
