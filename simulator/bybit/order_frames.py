"""Orders and executions as queries and pushes show them: the sheet, 4.2 to 4.4 and 5."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulator.bybit import order_words as words
from simulator.bybit.listing import name_of
from simulator.exchange.instruments import ZERO, plain
from simulator.exchange.orders import Fill, Order

_BLANK = (
    "blockTradeId stopOrderType orderIv takeProfit stopLoss tpTriggerBy slTriggerBy triggerBy "
    "lastPriceOnCreated placeType smpOrderId tpLimitPrice slLimitPrice"
)
_MONEY = Decimal("0.00000001")
# What never changes here; spot has two keys less: docs/v5/order/open-order.mdx, 2026-07.
_SPOT: dict[str, Any] = {
    **dict.fromkeys(_BLANK.split(), ""),
    "positionIdx": 0,
    "isLeverage": "0",
    "avgPrice": "",
    "cumExecQty": "0",
    "cumExecValue": "0",
    "cumExecFee": "0",
    "cumFeeDetail": {},
    "triggerPrice": "0.00",
    "triggerDirection": 0,
    "closeOnTrigger": False,
    "smpGroup": 0,
}
_CONTRACT: dict[str, Any] = {
    **_SPOT,
    **dict.fromkeys(
        ["stopOrderType", "tpTriggerBy", "slTriggerBy", "triggerBy", "tpslMode"], "UNKNOWN"
    ),
    "createType": "CreateByUser",
    "isLeverage": "",
    "avgPrice": "0",
    "triggerPrice": "",
    "takeProfit": "0.00",
    "stopLoss": "0.00",
}
_PUSHED: dict[str, Any] = {
    "closedPnl": "0",
    "feeCurrency": "",
    "slippageToleranceType": "UNKNOWN",
    "slippageTolerance": "",
    "parentOrderLinkId": "",
    "rpiTakerAccess": False,
    "rpiMatchedQty": "0",
}


def money(value: Decimal) -> str:
    """Return an amount to eight places, without trailing zeros."""
    return "0" if not value else plain(value.quantize(_MONEY, ROUND_HALF_UP))


def queried(order: Order, filled: Decimal | None = None) -> dict[str, Any]:
    """Return an order as lists show it; ``filled`` overrides, for an answer from the past."""
    instrument = order.instrument
    spot = instrument.is_spot
    row = {
        **(_SPOT if spot else _CONTRACT),
        "symbol": name_of(instrument),
        "orderId": order.venue_id,
        "orderLinkId": words.link_id(order),
        "side": words.side(order),
        "orderStatus": words.status(order),
        "cancelType": words.cancel_type(order),
        "rejectReason": words.reject_reason(order),
        "timeInForce": words.time_in_force(order),
        "price": plain(words.price_shown(order)),
        "qty": plain(order.size),
        **_left(order),
        "orderType": words.order_type(order),
        "reduceOnly": order.reduce_only,
        "smpType": words.STP_WORDS[order.stp],
        "marketUnit": _market_unit(order),
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }
    if not spot:
        row["lastPriceOnCreated"] = plain(order.price or order.average)
    if order.filled:
        row |= {
            "avgPrice": plain(order.average),
            "cumExecQty": plain(order.filled),
            "cumExecValue": money(order.turnover),
            "cumExecFee": money(order.fee),
            "cumFeeDetail": {order.fee_currency: money(order.fee)},
        }
    if filled is not None:
        row |= {
            "orderStatus": "PartiallyFilled" if filled else "New",
            "cumExecQty": plain(filled),
            "leavesQty": plain(order.size - filled),
            "cancelType": "UNKNOWN",
            "rejectReason": words.NO_ERROR,
        }
    return row


def pushed(order: Order) -> dict[str, Any]:
    """Return an order as the topic ``order`` shows it: more keys than in lists, and more blanks."""
    spot = order.instrument.is_spot
    row = {**_PUSHED, "category": order.instrument.kind, **queried(order)}
    if not order.filled:
        row["avgPrice"] = ""
    if order.profit:
        row["closedPnl"] = money(order.profit)
    if spot:
        row["feeCurrency"] = order.fee_currency
        if order.state == "live":
            # Seen in the wild: the sheet, 4.2.
            row |= {"updatedTime": "", "leavesQty": ""}
    return row


def execution(fill: Fill) -> dict[str, Any]:
    """Return a fill as execution/list shows it."""
    order = fill.order
    instrument = order.instrument
    spot, value = instrument.is_spot, instrument.cost(fill.size, fill.price)
    return {
        "symbol": name_of(instrument),
        "orderId": order.venue_id,
        "orderLinkId": words.link_id(order),
        "side": words.side(order),
        "orderPrice": plain(words.price_shown(order)),
        "orderQty": plain(order.size),
        "leavesQty": "0" if order.quote_sized else plain(fill.leaves),
        **({} if spot else {"createType": "CreateByUser"}),
        "orderType": words.order_type(order),
        "stopOrderType": "" if spot else "UNKNOWN",
        "execFee": money(fill.fee),
        "execId": fill.name,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "execType": "Trade",
        "execValue": money(value),
        "feeRate": money(_rate(fill, value)),
        "feeCurrency": order.fee_currency if spot else "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": plain(fill.price),
        "indexPrice": "",
        "underlyingPrice": "",
        "closedSize": "",
        "isMaker": fill.role == "maker",
        "execTime": str(fill.ts_ms),
        "marketUnit": _market_unit(order),
        "extraFees": "",
        "seq": fill.trade_id,
    }


def execution_pushed(fill: Fill) -> dict[str, Any]:
    """Return a fill as the topic ``execution`` shows it."""
    return {
        "category": fill.order.instrument.kind,
        **execution(fill),
        "isLeverage": "0",
        "execPnl": money(fill.profit),
    }


def execution_fast(fill: Fill) -> dict[str, Any]:
    """Return a fill as ``execution.fast`` shows it; a maker's bears no client id."""
    order = fill.order
    return {
        "category": order.instrument.kind,
        "symbol": name_of(order.instrument),
        "execId": fill.name,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "orderId": order.venue_id,
        "isMaker": fill.role == "maker",
        "orderLinkId": "" if fill.role == "maker" else words.link_id(order),
        "side": words.side(order),
        "execTime": str(fill.ts_ms),
        "seq": fill.trade_id,
    }


def _left(order: Order) -> dict[str, str]:
    """Return what is left; nothing of an order that ended, filled or not: the sheet, 4.2."""
    if order.quote_sized:
        return {"leavesQty": "0.000000", "leavesValue": money(words.unspent(order))}
    if not order.is_open:
        return {"leavesQty": "0", "leavesValue": "0"}
    value = order.instrument.cost(order.leaves, order.price) if order.price else ZERO
    return {"leavesQty": plain(order.leaves), "leavesValue": money(value)}


def _rate(fill: Fill, value: Decimal) -> Decimal:
    order = fill.order
    paid_in_base = order.instrument.is_spot and order.side == "buy"
    total = fill.size if paid_in_base else value
    return fill.fee / total if total else ZERO


def _market_unit(order: Order) -> str:
    if order.kind != "market" or not order.instrument.is_spot:
        return ""
    return "quoteCoin" if order.quote_sized else "baseCoin"
