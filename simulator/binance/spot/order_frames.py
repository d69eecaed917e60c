"""A spot order as replies, queries and executionReport show it: the sheet, part B."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance import order_words
from simulator.binance.order_words import STP_WORDS, TIMES, side
from simulator.binance.quotes import padded
from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import Fill, Order

_DIGITS = 8
_TYPES = {"market": "MARKET", "post_only": "LIMIT_MAKER"}
# ``eR``, why an order expired.
_REASONS = {
    "ioc": "UNFILLED_IOC_QUANTITY_EXPIRED",
    "fok": "UNFILLED_FOK_ORDER_EXPIRED",
    "system": "EXCHANGE_CANCELED",
}


def amount(value: Decimal) -> str:
    """Return a number as spot shows all of them: with eight decimals."""
    return padded(value, _DIGITS)


def order_type(order: Order) -> str:
    """Return LIMIT, MARKET or LIMIT_MAKER."""
    return _TYPES.get(order.kind, "LIMIT")


def time_in_force(order: Order) -> str:
    """Return the order's time in force."""
    return "GTC" if order.kind == "post_only" else TIMES[order.kind]


def status(order: Order) -> str:
    """Return the order's status; what the exchange itself cancels has expired."""
    if order.state == "canceled" and order.cancel_source == "system":
        return "EXPIRED"
    return order_words.status(order)


def expiry_reason(order: Order) -> str:
    """Return why the order expired; "" if it did not."""
    if status(order) != "EXPIRED":
        return ""
    if order.kind == "market":
        return "INSUFFICIENT_LIQUIDITY"
    return _REASONS.get(order.cancel_source, "EXCHANGE_CANCELED")


def quote_quantity(order: Order) -> Decimal:
    """Return the quote currency that a MARKET order was sized in; 0 for all others."""
    return Decimal(order.target_word or 0)


def placed(order: Order, answer_type: str, fills: list[Fill]) -> dict[str, Any]:
    """Return the reply to a place: ACK, RESULT or FULL."""
    shown = {
        "symbol": order.instrument.symbol,
        "orderId": int(order.venue_id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ms,
    }
    if answer_type == "ACK":
        return shown
    shown |= {**_terms(order), "workingTime": order.created_ms, **_stp(order)}
    if answer_type == "FULL":
        shown["fills"] = [_part(fill) for fill in fills]
    return shown


def canceled(order: Order, cancel_id: str) -> dict[str, Any]:
    """Return the reply to a cancel: its own id is the cancel's, the order's is the original."""
    return {
        "symbol": order.instrument.symbol,
        "origClientOrderId": order.client_id,
        "orderId": int(order.venue_id),
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_terms(order),
        **_stp(order),
    }


def queried(order: Order, filled: Decimal | None = None) -> dict[str, Any]:
    """Return an order as queries show it; ``filled`` overrides, for an answer from the past."""
    shown = {
        "symbol": order.instrument.symbol,
        "orderId": int(order.venue_id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        **_terms(order),
        "stopPrice": amount(ZERO),
        "icebergQty": amount(ZERO),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        **_stp(order),
    }
    if filled is not None:
        shown["status"] = "PARTIALLY_FILLED" if filled else "NEW"
        shown["executedQty"] = amount(filled)
    return shown


def trade(fill: Fill) -> dict[str, Any]:
    """Return a fill as myTrades show it; it bears no client id."""
    order = fill.order
    return {
        "symbol": order.instrument.symbol,
        "id": fill.trade_id,
        "orderId": int(order.venue_id),
        "orderListId": -1,
        "price": amount(fill.price),
        "qty": amount(fill.size),
        "quoteQty": amount(fill.size * fill.price),
        "commission": amount(fill.fee),
        "commissionAsset": order.fee_currency,
        "time": fill.ts_ms,
        "isBuyer": order.side == "buy",
        "isMaker": fill.role == "maker",
        "isBestMatch": True,
    }


def _terms(order: Order) -> dict[str, Any]:
    return {
        "price": amount(order.price or ZERO),
        "origQty": amount(order.size),
        "executedQty": amount(order.filled),
        "origQuoteOrderQty": amount(quote_quantity(order)),
        # Misspelt by the venue.
        "cummulativeQuoteQty": amount(order.turnover),
        "status": status(order),
        "timeInForce": time_in_force(order),
        "type": order_type(order),
        "side": side(order),
    }


def _stp(order: Order) -> dict[str, str]:
    return {"selfTradePreventionMode": STP_WORDS[order.stp]}


def _part(fill: Fill) -> dict[str, Any]:
    return {
        "price": amount(fill.price),
        "qty": amount(fill.size),
        "commission": amount(fill.fee),
        "commissionAsset": fill.order.fee_currency,
        "tradeId": fill.trade_id,
    }
