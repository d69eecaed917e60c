"""Reads what an order or a modification asks for: the sheet, A3.1 and A3.3."""

from __future__ import annotations

import re
from decimal import Decimal

from simulator.binance.codes import Problem
from simulator.binance.order_words import SIDES, STP, fresh_client_id
from simulator.binance.params import choice, flag, integer, number, required
from simulator.binance.quotes import decimals, price_digits
from simulator.binance.venue import Call
from simulator.exchange.instruments import Instrument, plain
from simulator.exchange.orders import Order, OrderKind, Reason, Refusal

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_KINDS: dict[str, OrderKind] = {
    "GTC": "limit",
    "IOC": "ioc",
    "FOK": "fok",
    "GTX": "post_only",
    "GTD": "limit",
}
# Moved to the Algo Order API on 2025-12-09: the sheet, A0.
_ALGO = frozenset(("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")) | {
    "TRAILING_STOP_MARKET"
}
_LEVELS = {"": 1, "_5": 5, "_10": 10, "_20": 20}
_MATCHES = {f"{side}{deep}" for side in ("OPPONENT", "QUEUE") for deep in _LEVELS}
# goodTillDate lies further ahead than this and before the year 9999: the sheet, A3.1.
_SOONEST_GTD_MS = 600_000
_LATEST_GTD_MS = 253_402_300_799_000
REASONS: dict[Reason, int] = {
    "duplicate_client_id": -4116,
    "insufficient_balance": -2019,
    "too_many_open": -2025,
    "no_position": -2022,
    "wrong_direction": -2022,
    "not_open": -2011,
    "not_found": -2013,
    "size_lot": -4023,
    "size_min": -4004,
    "size_max": -4005,
    "tick": -4014,
}


def read_order(call: Call) -> Order:
    """Return the order that the parameters describe."""
    given, instrument = call.given, call.instrument
    side = SIDES.get(required(given, "side"))
    if side is None:
        raise Problem(-1117)
    kind = _kind(call)
    if given.get("positionSide", "BOTH") != "BOTH":
        # One-way mode only.
        raise Problem(-4061)
    client_id = given.get("newClientOrderId") or fresh_client_id()
    if not _CLIENT_ID.fullmatch(client_id):
        raise Problem(-4015)
    order = Order(
        call.owner,
        instrument,
        side,
        kind,
        _size(call, instrument),
        None,
        client_id,
        kind_word=kind,
        margin_word="cross",
        position_word="BOTH",
        reduce_only=flag(given, "reduceOnly"),
        stp=STP[choice(given, "selfTradePreventionMode", STP, "EXPIRE_MAKER")],
        transport=call.transport,
    )
    if kind != "market":
        order.price = read_price(call, order)
    order.expires_ms = _good_till_ms(call)
    if not order.reduce_only:
        check_notional(call, order, order.size, order.price)
    return order


def read_price(call: Call, order: Order) -> Decimal:
    """Return the price of a limit order, taken from the book if ``priceMatch`` says so."""
    given, match = call.given, call.given.get("priceMatch", "")
    if match in ("", "NONE"):
        price = number(given, "price")
        if _places(price) > price_digits(order.instrument):
            raise Problem(-1111)
        if price <= 0:
            raise Problem(-4014)
        return price
    if match not in _MATCHES:
        raise Problem(-1130, "priceMatch")
    if given.get("price"):
        raise Problem(-1106, "price")
    order.target_word = match
    word, _, deep = match.partition("_")
    depth = _LEVELS[f"_{deep}" if deep else ""]
    book = call.venue.book(order.instrument.symbol)
    side = book.opposite(order.side) if word == "OPPONENT" else book.own_side(order.side)
    levels = side.levels(depth)
    if not levels:
        raise Problem(-1130, "priceMatch")
    return order.instrument.price(abs(levels[-1][0]))


def read_size(call: Call, order: Order) -> Decimal:
    """Return the quantity of a modification."""
    return _size(call, order.instrument)


def check_notional(call: Call, order: Order, size: Decimal, price: Decimal | None) -> None:
    """Refuse an order that is worth too little; reduce-only ones are exempt (-4164)."""
    instrument = order.instrument
    at = price if price is not None else call.venue.book(instrument.symbol).mid
    if size * at < instrument.min_notional:
        raise Problem(-4164, plain(instrument.min_notional))


def refused(refusal: Refusal, order: Order) -> Problem:
    """Return what the venue says to a refusal of the exchange."""
    if refusal.reason == "price_band":
        high, low = refusal.detail
        return Problem(-4016, high) if order.side == "buy" else Problem(-4024, low)
    return Problem(REASONS[refusal.reason], *refusal.detail)


def _kind(call: Call) -> OrderKind:
    word = required(call.given, "type")
    if word == "MARKET":
        return "market"
    if word in _ALGO:
        raise Problem(-4120)
    if word != "LIMIT":
        raise Problem(-1116)
    kind = _KINDS.get(required(call.given, "timeInForce"))
    if kind is None:
        raise Problem(-1115)
    return kind


def _size(call: Call, instrument: Instrument) -> Decimal:
    size = number(call.given, "quantity")
    if size <= 0:
        raise Problem(-4003)
    if _places(size) > decimals(instrument.lot):
        raise Problem(-1111)
    return size


def _places(value: Decimal) -> int:
    return decimals(value) if value else 0


def _good_till_ms(call: Call) -> int:
    if call.given.get("timeInForce") != "GTD":
        return 0
    # Only whole seconds count.
    good_till_ms = (integer(call.given, "goodTillDate") or 0) // 1000 * 1000
    if not call.venue.now_ms() + _SOONEST_GTD_MS < good_till_ms < _LATEST_GTD_MS:
        raise Problem(-5040)
    return good_till_ms
