"""Reads the arguments of order operations; what Bitget would refuse raises a Problem.

Source: UTA documents, "Place Order" (REST) and "Place Order Channel", 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from simulator.bitget.codes import Problem
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Amendment
from simulator.exchange.instruments import Instrument, plain
from simulator.exchange.orders import Order, OrderKind, Side, StpMode, Transport

Item = Mapping[str, Any]

# UTA documents, "Place Order", ClientOid Constraints.
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,32}")
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_LIMIT_KINDS: dict[str, OrderKind] = {
    "": "limit",
    "gtc": "limit",
    "post_only": "post_only",
    "fok": "fok",
    "ioc": "ioc",
}
_STP: dict[str, StpMode] = {
    "": "none",
    "none": "none",
    "cancel_maker": "cancel_maker",
    "cancel_taker": "cancel_taker",
    "cancel_both": "cancel_both",
}
_MARGIN_MODES = frozenset(("", "crossed", "isolated"))
_LEAST_WINDOW_MS, _MOST_WINDOW_MS = 10, 60_000


def read_order(item: Item, instrument: Instrument, account: Account, transport: Transport) -> Order:
    """Return the order that ``item`` asks for."""
    side = _SIDES.get(word(item, "side"))
    if side is None:
        raise Problem("41101", f"side={item.get('side')}")
    kind = _kind(item)
    margin_mode = word(item, "marginMode")
    if margin_mode not in _MARGIN_MODES:
        raise Problem("41101", f"marginMode={margin_mode}")
    stp = _STP.get(word(item, "stpMode"))
    if stp is None:
        raise Problem("41101", f"stpMode={item.get('stpMode')}")
    spot = instrument.is_spot
    order = Order(
        account,
        instrument,
        side,
        kind,
        number(item, "qty"),
        None if kind == "market" else number(item, "price"),
        client_id(item),
        kind_word=kind,
        margin_word="cash" if spot else margin_mode or "crossed",
        position_word="" if spot else "net",
        # A market order buys spot for a sum of quote currency: upgrade guide to UTA, note 2.
        quote_sized=spot and kind == "market" and side == "buy",
        reduce_only=not spot and flag(item, "reduceOnly"),
        stp=stp,
        transport=transport,
    )
    if word(item, "posSide"):
        # Positions are held in one-way mode, where a side of the position means nothing.
        raise Problem("41101", f"posSide={item.get('posSide')}")
    _check_value(order)
    return order


def read_ids(item: Item) -> tuple[str, str]:
    """Return (orderId, clientOid) of a cancel, a modification or a query; orderId wins if both."""
    venue_id, own_id = word(item, "orderId"), word(item, "clientOid")
    if not venue_id and not own_id:
        raise Problem("40019", "orderId")
    return venue_id, own_id


def read_amendment(item: Item) -> Amendment:
    """Return what ``item`` wants changed."""
    if not item.get("qty") and not item.get("price"):
        raise Problem("40019", "qty")
    request_id = item.get("requestId")
    return Amendment(
        size=number(item, "qty") if item.get("qty") else None,
        price=number(item, "price") if item.get("price") else None,
        request_id="" if request_id is None else str(request_id),
        cancel_on_fail=flag(item, "autoCancel"),
    )


def expiry_ms(request_time: object, item: Item) -> int | None:
    """Return when a new order is too late; None if it bears no time of its own.

    ``receiveWindow`` counts only together with ``requestTime``: UTA documents, "Place Order
    Channel", 2026.
    """
    window = item.get("receiveWindow")
    if window in (None, "") or request_time in (None, ""):
        return None
    width, stamp = str(window), str(request_time)
    if not width.isdigit() or not _LEAST_WINDOW_MS <= int(width) <= _MOST_WINDOW_MS:
        raise Problem("41101", f"receiveWindow={window}")
    if not stamp.isdigit():
        raise Problem("41101", f"requestTime={request_time}")
    return int(stamp) + int(width)


def client_id(item: Item) -> str:
    """Return the clientOid; "" if none is given."""
    value = word(item, "clientOid")
    if value and not CLIENT_ID.fullmatch(value):
        raise Problem("40305")
    return value


def number(item: Item, name: str) -> Decimal:
    """Return a field that must be a positive number, written in digits."""
    value = item.get(name)
    if value in (None, ""):
        raise Problem("40019", name)
    found = _positive(value) if isinstance(value, str) else None
    if found is None:
        raise Problem("41101", f"{name}={value}")
    return found


def flag(item: Item, name: str) -> bool:
    """Return a yes-or-no field; REST spells it small, WebSocket samples in capitals."""
    value = word(item, name).lower()
    if value not in ("", "no", "yes"):
        raise Problem("41101", f"{name}={item.get(name)}")
    return value == "yes"


def word(item: Item, name: str) -> str:
    """Return a text field; "" if it is left out."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Problem("41101", f"{name}={value}")
    return value


def _kind(item: Item) -> OrderKind:
    order_type = word(item, "orderType")
    if order_type == "market":
        return "market"
    kind = _LIMIT_KINDS.get(word(item, "timeInForce"))
    if order_type != "limit" or kind is None:
        name = "orderType" if order_type != "limit" else "timeInForce"
        raise Problem("41101", f"{name}={item.get(name)}")
    return kind


@lru_cache(maxsize=8192)
def _positive(value: str) -> Decimal | None:
    """Return plain digits as a number; None for anything else and for 0."""
    return (Decimal(value) or None) if _NUMBER.fullmatch(value) else None


def _check_value(order: Order) -> None:
    """Refuse an order worth less than the least value; one that only reduces may be small."""
    least = order.instrument.min_notional
    if order.quote_sized:
        value = order.size
    elif order.price is not None:
        value = order.instrument.cost(order.size, order.price)
    else:
        return
    if value < least and not order.reduce_only:
        raise Problem("43027", plain(least))
