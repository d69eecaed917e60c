"""Orders and fills as Bitget shows them: in pushes, and in replies to queries.

Sources: the sheet, "v3 UTA"; pushes and replies recorded in 2025-09 (roq); the words of one-way
mode: UTA documents, "Enumeration".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.bitget.codes import CANCEL_REASONS
from simulator.bitget.listing import category, wire_symbol
from simulator.exchange.instruments import plain
from simulator.exchange.orders import Fill, Order

ONE_WAY = "one_way_mode"
_STATUS = {
    "live": "live",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "cancelled",
}
_TIMES_IN_FORCE = {"post_only": "post_only", "fok": "fok", "ioc": "ioc"}
_NO_STOPS = dict.fromkeys(
    (
        "tpTriggerBy",
        "slTriggerBy",
        "takeProfit",
        "stopLoss",
        "tpOrderType",
        "slOrderType",
        "tpLimitPrice",
        "slLimitPrice",
    )
)
_NO_STOPS_PUSHED = {
    "tpTriggerBy": "",
    "slTriggerBy": "",
    "takeprofit": "",
    "stoploss": "",
    "tpOrderType": "market",
    "slOrderType": "market",
    "tpLimitPrice": "",
    "slLimitPrice": "",
}


def margin_mode(word: str) -> str:
    """Return a margin mode in the venue's words; what is done by hand has another for crossed."""
    return "crossed" if word == "cross" else word


def pushed_order(order: Order, request_id: str = "") -> dict[str, Any]:
    """Return an item of the order channel; ``request_id`` is a modification's own number."""
    spot = order.instrument.is_spot
    fees = [_fee(order.fee_currency, order.fee)] if order.filled else []
    item = _identity(order) | {
        "category": category(order.instrument),
        "holdMode": "" if spot else ONE_WAY,
        "holdSide": "" if spot else "net",
        "tradeSide": "" if spot else f"{order.side}_single",
        "marginMode": "" if spot else margin_mode(order.margin_word),
        "marginCoin": "" if spot else order.instrument.settle,
        "reduceOnly": "yes" if order.reduce_only else "no",
        **_progress(order, order.filled),
        "totalProfit": plain(order.profit),
        "orderStatus": _STATUS[order.state],
        "leverage": "" if spot else plain(order.account.leverage),
        "feeDetail": fees,
        **_NO_STOPS_PUSHED,
    }
    if request_id.isdigit():
        item["requestId"] = int(request_id)
    return item


def shown_order(order: Order, filled: Decimal | None = None) -> dict[str, Any]:
    """Return an order as queries show it; ``filled`` is what was filled at an earlier time."""
    spot = order.instrument.is_spot
    status = _STATUS[order.state]
    if filled is not None:
        status = "partially_filled" if filled else "live"
    done = order.filled if filled is None else filled
    fee = _fee(order.fee_currency, -order.fee) if order.filled else _fee("", None)
    return _identity(order) | {
        "category": category(order.instrument).upper(),
        **_progress(order, done),
        # The same order is "live" in a push and "new" here: recorded 2025-09.
        "orderStatus": "new" if status == "live" else status,
        "posSide": "" if spot else "net",
        "holdMode": "" if spot else ONE_WAY,
        "reduceOnly": "YES" if order.reduce_only else "NO",
        "feeDetail": [fee],
        "execType": "normal",
        **_NO_STOPS,
    }


def pushed_fill(fill: Fill) -> dict[str, Any]:
    """Return an item of the fill channel; fees are positive when paid."""
    order = fill.order
    spot = order.instrument.is_spot
    return _traded(fill) | {
        "category": category(order.instrument).upper(),
        "holdSide": "" if spot else "net",
        "tradeSide": "" if spot else f"{order.side}_single",
        "feeDetail": [_fee(order.fee_currency, fill.fee)],
        "execTime": str(fill.ts_ms),
        "isRPI": "no",
    }


def shown_fill(fill: Fill) -> dict[str, Any]:
    """Return a fill as queries show it; fees are negative when paid."""
    order = fill.order
    return _traded(fill) | {
        "category": category(order.instrument).upper(),
        "tradeSide": "" if order.instrument.is_spot else f"{order.side}_single",
        "feeDetail": [_fee(order.fee_currency, -fill.fee)],
        "createdTime": str(fill.ts_ms),
    }


def _identity(order: Order) -> dict[str, Any]:
    """Return what both frames of an order begin with."""
    market = order.kind == "market"
    return {
        "category": "",
        "symbol": wire_symbol(order.instrument),
        "orderId": order.venue_id,
        "clientOid": order.client_id,
        "price": plain(order.price) if order.price is not None else "",
        "qty": "0" if order.quote_sized else plain(order.size),
        "amount": plain(order.size) if order.quote_sized else "0",
        "orderType": "market" if market else "limit",
        "timeInForce": _TIMES_IN_FORCE.get(order.kind, "gtc"),
        "side": order.side,
        "stpMode": order.stp,
        "cancelReason": CANCEL_REASONS[order.cancel_source],
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def _progress(order: Order, filled: Decimal) -> dict[str, str]:
    average = order.average
    value = order.turnover if filled == order.filled else filled * average
    return {
        "cumExecQty": plain(filled),
        "cumExecValue": plain(value),
        "avgPrice": plain(average) if filled else "0",
    }


def _traded(fill: Fill) -> dict[str, Any]:
    order = fill.order
    return {
        "category": "",
        "symbol": wire_symbol(order.instrument),
        "orderId": order.venue_id,
        "clientOid": order.client_id,
        "execId": str(fill.trade_id),
        "execLinkId": str(fill.trade_id),
        "orderType": "market" if order.kind == "market" else "limit",
        "side": order.side,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "execValue": plain(fill.size * fill.price),
        "execPnl": plain(fill.profit),
        "tradeScope": fill.role,
        "updatedTime": str(fill.ts_ms),
    }


def _fee(coin: str, paid: Decimal | None) -> dict[str, str]:
    return {"feeCoin": coin, "fee": "" if paid is None else plain(paid)}
