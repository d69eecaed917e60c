"""Reads what an order or an amendment asks for; what Bybit would refuse raises a Problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from simulator.bybit import order_words as words
from simulator.bybit.codes import Problem
from simulator.bybit.venue import Call
from simulator.exchange.exchange import Amendment
from simulator.exchange.instruments import Instrument
from simulator.exchange.orders import Order, OrderKind
from simulator.exchange.risk import refuse_size

Item = Mapping[str, Any]

# The documents say 36; 45 was the true limit once: the sheet, 6.
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
_CONDITIONS = ("triggerPrice", "takeProfit", "stopLoss")


def read_order(call: Call, item: Item) -> Order:
    """Return the order that ``item`` asks for."""
    instrument = instrument_of(call, item)
    spot = instrument.is_spot
    side = words.SIDES.get(_word(item, "side"))
    if side is None:
        raise Problem(170117) if spot else Problem(10001, "Side invalid")
    kind = _kind(item, spot=spot)
    if any(_word(item, name) not in ("", "0") for name in _CONDITIONS):
        raise Problem(10001, message="conditional orders and TP/SL are not simulated")
    if str(item.get("positionIdx") or 0) != "0":
        raise Problem(10001, message="position idx not match position mode")
    stp = words.STP.get(_word(item, "smpType") or "None")
    if stp is None:
        raise Problem(10001, "smpType")
    return Order(
        call.owner,
        instrument,
        side,
        kind,
        _number(item, "qty", spot=spot),
        None if kind == "market" else _number(item, "price", spot=spot),
        link_id(item),
        kind_word=kind,
        quote_sized=_is_quote_sized(item, kind, spot=spot),
        reduce_only=not spot and item.get("reduceOnly") is True,
        stp=stp,
        transport=call.transport,
    )


def check_worth(order: Order) -> None:
    """Refuse an order that is worth too little, if its size is one at all."""
    instrument, price = order.instrument, order.price
    if refuse_size(order, order.size) is not None:
        return
    if order.quote_sized:
        worth = order.size
    elif price is None or order.reduce_only:
        return
    else:
        worth = instrument.cost(order.size, price)
    if worth < instrument.min_notional:
        raise Problem(170140 if instrument.is_spot else 110094)


def read_amendment(item: Item, order: Order) -> Amendment:
    """Return what ``item`` wants changed: only what it names, and that must differ."""
    spot = order.instrument.is_spot
    size = _number(item, "qty", spot=spot) if item.get("qty") else None
    price = _number(item, "price", spot=spot) if item.get("price") else None
    if size in (None, order.size) and price in (None, order.price):
        unchanged = "The order remains unchanged as the parameters entered match the existing ones."
        raise Problem(10001, message=unchanged)
    return Amendment(size, price)


def instrument_of(call: Call, item: Item) -> Instrument:
    """Return what ``item`` is about."""
    category = call.category
    found = call.venue.listing.get(category, item.get("symbol"))
    if found is None:
        raise Problem(170121) if category == "spot" else Problem(10001, "Symbol Is Invalid")
    return found


def link_id(item: Item) -> str:
    """Return the client id; "" if there is none."""
    value = _word(item, "orderLinkId")
    if value and not _LINK_ID.fullmatch(value):
        long = len(value) > 36
        raise Problem(10001, message="OrderLinkedID is too long" if long else "Illegal orderLinkId")
    return value


def _kind(item: Item, *, spot: bool) -> OrderKind:
    kind = _word(item, "orderType")
    if kind == "Market":
        # Whatever else is asked for, a market order is IOC.
        return "market"
    if kind != "Limit":
        raise Problem(170116) if spot else Problem(10001, "OrderType invalid")
    found = words.TIMES.get(_word(item, "timeInForce") or "GTC")
    if found is None:
        raise Problem(170115) if spot else Problem(10001, "TimeInForce invalid")
    return found


def _is_quote_sized(item: Item, kind: OrderKind, *, spot: bool) -> bool:
    """Return whether qty is quote currency: a spot market buy's is unless it says otherwise."""
    if not spot or kind != "market":
        return False
    default = "quoteCoin" if _word(item, "side") == "Buy" else "baseCoin"
    unit = _word(item, "marketUnit") or default
    if unit not in ("baseCoin", "quoteCoin"):
        raise Problem(170130, "marketUnit")
    return unit == "quoteCoin"


def _number(item: Item, name: str, *, spot: bool) -> Decimal:
    value = item.get(name)
    number = _positive(value) if isinstance(value, str) else None
    if number is None:
        raise Problem(170130, name) if spot else Problem(10001, f"{name} invalid")
    return number


@lru_cache(maxsize=8192)
def _positive(value: str) -> Decimal | None:
    """Return plain digits as a number; None for anything else and for 0."""
    return (Decimal(value) or None) if _NUMBER.fullmatch(value) else None


def _word(item: Item, name: str) -> str:
    """Return a text field; "" if it is left out."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Problem(10001, name)
    return value
