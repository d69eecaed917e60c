"""Checks before an order or an amendment is taken; each returns why not, or None."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulator.exchange.book import Book
from simulator.exchange.instruments import plain
from simulator.exchange.matching import reducible
from simulator.exchange.orders import Order, Refusal
from simulator.exchange.settlement import Settlement

# OKX freezes 5 % more quote for spot market orders: OKX v5 documents, "Place order", 2026-07.
_MARKET_RESERVE = Decimal("1.05")


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of the exchange; ``max_open`` 0 means without limit."""

    price_band: Decimal
    max_open: int


def refuse_size(order: Order, size: Decimal) -> Refusal | None:
    """Return why ``size`` is not allowed for ``order``."""
    instrument = order.instrument
    if order.quote_sized:
        return None if size > 0 else Refusal("size_min", (plain(instrument.min_size),))
    if size < instrument.min_size:
        return Refusal("size_min", (plain(instrument.min_size),))
    if size % instrument.lot:
        return Refusal("size_lot", (plain(instrument.lot),))
    most = instrument.max_market_size if order.kind == "market" else instrument.max_limit_size
    return Refusal("size_max", (plain(most),)) if size > most else None


def band(book: Book, rules: Rules) -> tuple[Decimal, Decimal]:
    """Return the highest price to buy at and the lowest to sell at, in whole ticks."""
    instrument = book.instrument
    high = instrument.price(instrument.ticks(book.mid * (1 + rules.price_band)))
    low = instrument.price(instrument.ticks(book.mid * (1 - rules.price_band)) + 1)
    return high, low


def refuse_price(order: Order, price: Decimal, book: Book, rules: Rules) -> Refusal | None:
    """Return why ``price`` is not allowed for ``order``."""
    instrument = order.instrument
    if price <= 0 or price % instrument.tick:
        return Refusal("tick", (plain(instrument.tick),))
    mid = book.mid
    if order.side == "buy":
        outside = price > mid and price > band(book, rules)[0]
    else:
        outside = price < mid and price < band(book, rules)[1]
    if not outside:
        return None
    high, low = band(book, rules)
    return Refusal("price_band", (plain(high), plain(low)))


def refuse_reduce_only(order: Order) -> Refusal | None:
    """Return why a reduce-only ``order`` cannot reduce anything."""
    if not order.reduce_only or order.instrument.is_spot:
        return None
    if not order.account.held(order.instrument):
        return Refusal("no_position")
    return None if reducible(order) else Refusal("wrong_direction")


def refuse_funds(
    order: Order, needed: Decimal, *, already_frozen: Decimal | None = None
) -> Refusal | None:
    """Return why ``needed`` cannot be tied up for ``order``."""
    available = order.account.balance(order.frozen_currency).available
    if already_frozen:
        available += already_frozen
    if needed <= available:
        return None
    return Refusal("insufficient_balance", (order.frozen_currency,))


def market_need(order: Order, book: Book, settlement: Settlement) -> Decimal:
    """Return what must be available for a market order; nothing is frozen, it ends at once."""
    instrument = order.instrument
    best = book.best_ask() if order.side == "buy" else book.best_bid()
    price = best or book.mid
    if order.quote_sized:
        if order.side == "buy":
            return order.size
        return instrument.whole_lots(order.size / price)
    need = settlement.requirement(order, order.size, price)
    if instrument.is_spot and order.side == "buy" and order.no_shrink:
        need *= _MARKET_RESERVE
    return need


def refuse_new(order: Order, book: Book, rules: Rules) -> Refusal | None:
    """Return why ``order`` is not taken, funds apart."""
    account = order.account
    if order.client_id and order.client_id in account.open_by_client:
        return Refusal("duplicate_client_id")
    refusal = refuse_size(order, order.size)
    if refusal is None and order.price is not None:
        refusal = refuse_price(order, order.price, book, rules)
    if refusal is None and order.reduce_only:
        refusal = refuse_reduce_only(order)
    if refusal is None and rules.max_open:
        symbol = order.instrument.symbol
        if account.open_count.get(symbol, 0) >= rules.max_open:
            return Refusal("too_many_open", (symbol, str(rules.max_open)))
    return refusal
