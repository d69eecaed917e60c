"""An order as replies and queries show it: the sheet, A3.1, A6.2."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance.order_words import STP_WORDS, TIMES, side, status
from simulator.binance.quotes import decimals, padded, price_digits
from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import Fill, Order

_MONEY_DIGITS = 5
_COMMISSION_DIGITS = 8


def time_in_force(order: Order) -> str:
    """Return the order's time in force."""
    return "GTD" if order.expires_ms else TIMES[order.kind]


def order_type(order: Order) -> str:
    """Return LIMIT or MARKET."""
    return "MARKET" if order.kind == "market" else "LIMIT"


def reply(order: Order, *, slim: bool, as_new: bool = False) -> dict[str, Any]:
    """Return the reply to place, cancel or modify.

    ``slim`` leaves out what such replies lack since 2026-07; ``as_new`` shows the order as it was
    before it met the book, as ACK does even for a MARKET order.
    """
    instrument = order.instrument
    lot, tick = decimals(instrument.lot), price_digits(instrument)
    filled = ZERO if as_new else order.filled
    none, done, kind = padded(ZERO, tick), padded(filled, lot), order_type(order)
    shown = {
        "orderId": int(order.venue_id),
        "symbol": instrument.symbol,
        "status": "NEW" if as_new else status(order),
        "clientOrderId": order.client_id,
        "price": padded(order.price or ZERO, tick),
        "avgPrice": padded(order.average, tick) if filled else none,
        "origQty": padded(order.size, lot),
        "executedQty": done,
        "cumQty": done,
        "cumQuote": padded(order.turnover if filled else ZERO, _MONEY_DIGITS),
        "timeInForce": time_in_force(order),
        "type": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": side(order),
        "positionSide": "BOTH",
        "stopPrice": none,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": order.target_word or "NONE",
        "selfTradePreventionMode": STP_WORDS[order.stp],
        "goodTillDate": order.expires_ms,
        "updateTime": order.created_ms if as_new else order.updated_ms,
    }
    if slim:
        del shown["avgPrice"], shown["cumQuote"]
    return shown


def queried(order: Order, filled: Decimal | None = None) -> dict[str, Any]:
    """Return an order as queries show it; ``filled`` overrides, for an answer from the past."""
    shown = reply(order, slim=False) | {"time": order.created_ms}
    del shown["cumQty"]
    shown["avgPrice"] = padded(order.average, _MONEY_DIGITS)
    if filled is not None:
        shown["status"] = "PARTIALLY_FILLED" if filled else "NEW"
        shown["executedQty"] = padded(filled, decimals(order.instrument.lot))
    return shown


def trade(fill: Fill) -> dict[str, Any]:
    """Return a fill as userTrades show it; it bears no client id."""
    order = fill.order
    instrument = order.instrument
    tick, lot = price_digits(instrument), decimals(instrument.lot)
    return {
        "buyer": order.side == "buy",
        "commission": padded(fill.fee, _COMMISSION_DIGITS),
        "commissionAsset": instrument.settle,
        "id": fill.trade_id,
        "maker": fill.role == "maker",
        "orderId": int(order.venue_id),
        "price": padded(fill.price, tick),
        "qty": padded(fill.size, lot),
        "quoteQty": padded(fill.size * fill.price, _MONEY_DIGITS),
        "baseQty": padded(fill.size, lot),
        "marginAsset": instrument.settle,
        "realizedPnl": padded(fill.profit, _COMMISSION_DIGITS),
        "side": side(order),
        "positionSide": "BOTH",
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "time": fill.ts_ms,
    }
