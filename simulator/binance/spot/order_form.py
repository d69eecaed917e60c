"""Reads what a spot order asks for, and checks the filters: the sheet, part B."""

from __future__ import annotations

import re
from decimal import Decimal

from simulator.binance.codes import Problem
from simulator.binance.order_words import SIDES, STP, fresh_client_id
from simulator.binance.params import Words, choice, number, required
from simulator.binance.quotes import decimals
from simulator.binance.venue import Call
from simulator.exchange.book import Book
from simulator.exchange.instruments import ZERO, plain
from simulator.exchange.orders import Order, OrderKind, Reason, Refusal, Side

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_TIMES: dict[str, OrderKind] = {"GTC": "limit", "IOC": "ioc", "FOK": "fok"}
_DIGITS = 8
_LEVELS = 1000
# The texts of -2010 and -1013 tell the reasons apart: errors.md of the spot API documents.
_REJECTED: dict[Reason, str] = {
    "duplicate_client_id": "Duplicate order sent.",
    "insufficient_balance": "Account has insufficient balance for requested action.",
}
_FILTERS: dict[Reason, str] = {
    "size_lot": "LOT_SIZE",
    "size_min": "LOT_SIZE",
    "size_max": "LOT_SIZE",
    "tick": "PRICE_FILTER",
    "price_band": "PERCENT_PRICE",
    "too_many_open": "MAX_NUM_ORDERS",
}


def read_order(call: Call, given: Words) -> Order:
    """Return the order that the parameters describe."""
    instrument = call.venue.book(required(given, "symbol")).instrument
    side = SIDES.get(required(given, "side"))
    if side is None:
        raise Problem(-1117)
    kind = _kind(given)
    client_id = given.get("newClientOrderId") or fresh_client_id()
    if not _CLIENT_ID.fullmatch(client_id):
        raise Problem(-1130, "newClientOrderId")
    book, quote = call.venue.book(instrument.symbol), ""
    if kind == "market" and not given.get("quantity"):
        quote = plain(_amount(given, "quoteOrderQty"))
        size = _bought_by(Decimal(quote), book, side)
    else:
        size = _amount(given, "quantity")
    order = Order(
        call.owner,
        instrument,
        side,
        kind,
        size,
        None if kind == "market" else _amount(given, "price"),
        client_id,
        kind_word=kind,
        target_word=quote,
        stp=STP[choice(given, "selfTradePreventionMode", STP, "EXPIRE_MAKER")],
        transport=call.transport,
    )
    _check_worth(order, book)
    return order


def refused(refusal: Refusal) -> Problem:
    """Return what the venue says to a refusal of the exchange."""
    text = _REJECTED.get(refusal.reason)
    if text is not None:
        return Problem(-2010, text)
    return Problem(-1013, _FILTERS.get(refusal.reason, refusal.reason))


def _kind(given: Words) -> OrderKind:
    word = required(given, "type")
    if word == "MARKET":
        return "market"
    if word == "LIMIT_MAKER":
        return "post_only"
    if word != "LIMIT":
        raise Problem(-1116)
    kind = _TIMES.get(required(given, "timeInForce"))
    if kind is None:
        raise Problem(-1115)
    return kind


def _amount(given: Words, name: str) -> Decimal:
    value = number(given, name)
    if value and decimals(value) > _DIGITS:
        raise Problem(-1111)
    if value <= 0:
        raise Problem(-1013, "PRICE_FILTER" if name == "price" else "LOT_SIZE")
    return value


def _bought_by(quote: Decimal, book: Book, side: Side) -> Decimal:
    """Return how much base the book gives for ``quote``, in whole lots."""
    left, base = quote, ZERO
    for key, size, _ in book.opposite(side).levels(_LEVELS):
        price = book.instrument.price(abs(key))
        part = min(size, left / price)
        base += part
        left -= part * price
        if left <= 0:
            break
    lots = book.instrument.whole_lots(base)
    if not lots:
        raise Problem(-1013, "LOT_SIZE")
    return lots


def _check_worth(order: Order, book: Book) -> None:
    """Refuse what is worth too little, and what the account cannot pay at the book's prices."""
    worth = order.size * (order.price or book.mid)
    if worth < order.instrument.min_notional:
        raise Problem(-1013, "NOTIONAL")
    if order.price is not None or order.side == "sell":
        return
    left, cost = order.size, ZERO
    for key, size, _ in book.opposite(order.side).levels(_LEVELS):
        part = min(size, left)
        cost += part * book.instrument.price(abs(key))
        left -= part
    if cost > order.account.balance(order.frozen_currency).available:
        raise Problem(-2010, _REJECTED["insufficient_balance"])
