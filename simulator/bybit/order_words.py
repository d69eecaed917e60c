"""An order in Bybit's words: status, reasons, time in force: the sheet, 4.2."""

from __future__ import annotations

from decimal import Decimal

from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import CancelSource, Order, OrderKind, Side, State, StpMode

SIDES: dict[str, Side] = {"Buy": "buy", "Sell": "sell"}
TIMES: dict[str, OrderKind] = {
    "GTC": "limit",
    "IOC": "ioc",
    "FOK": "fok",
    "PostOnly": "post_only",
}
_TIME_WORDS = {kind: word for word, kind in TIMES.items()} | {"market": "IOC"}
STP: dict[str, StpMode] = {
    "None": "none",
    "CancelMaker": "cancel_maker",
    "CancelTaker": "cancel_taker",
    "CancelBoth": "cancel_both",
}
STP_WORDS = {mode: word for word, mode in STP.items()}
_STATES: dict[State, str] = {
    "live": "New",
    "partially_filled": "PartiallyFilled",
    "filled": "Filled",
}
_REASONS: dict[CancelSource, str] = {
    "user": "EC_PerCancelRequest",
    "post_only": "EC_PostOnlyWillTakeLiquidity",
    # The sheet gives two for FOK and does not say which; this one is a guess.
    "fok": "EC_NoEnoughQtyToFill",
}
_CANCEL_TYPES: dict[CancelSource, str] = {
    "user": "CancelByUser",
    "system": "CancelByAdmin",
    "self_trade": "CancelBySmp",
    "reduce_only": "CancelByReduceOnly",
    "cancel_all_after": "CancelByDCP",
}
NO_ERROR = "EC_NoError"
LOST_RACE = "EC_OrigClOrdIDDoesNotExist"


def side(order: Order) -> str:
    """Return Buy or Sell."""
    return "Buy" if order.side == "buy" else "Sell"


def order_type(order: Order) -> str:
    """Return Market or Limit."""
    return "Market" if order.kind == "market" else "Limit"


def time_in_force(order: Order) -> str:
    """Return the order's time in force; IOC for a market order."""
    return _TIME_WORDS[order.kind]


def unspent(order: Order) -> Decimal:
    """Return the quote currency that an order sized in it has left."""
    return order.size - order.turnover


def status(order: Order) -> str:
    """Return the order's status."""
    spot = order.instrument.is_spot
    if order.state == "canceled":
        if order.cancel_source == "rejected":
            return "Rejected"
        return "PartiallyFilledCanceled" if spot and order.filled else "Cancelled"
    # A spot market buy ends so wherever its money does not come out even: the sheet, 4.2.
    if order.state == "filled" and order.quote_sized and unspent(order):
        return "PartiallyFilledCanceled"
    return _STATES[order.state]


def reject_reason(order: Order) -> str:
    """Return why an order ended; EC_NoError if it lives or filled."""
    if order.state == "filled" and status(order) == "PartiallyFilledCanceled":
        return "EC_CancelForNoFullFill"
    if order.state != "canceled":
        return NO_ERROR
    if order.cancel_source == "rejected":
        # The reason that was ordered with the fault; the real one gives none now and then.
        return order.tag or NO_ERROR
    if order.cancel_source == "ioc":
        return "EC_CancelForNoFullFill" if order.filled else "EC_NoImmediateQtyToFill"
    return _REASONS.get(order.cancel_source, NO_ERROR)


def cancel_type(order: Order) -> str:
    """Return who ended an order; UNKNOWN if nobody did."""
    return _CANCEL_TYPES.get(order.cancel_source, "UNKNOWN")


def price_shown(order: Order) -> Decimal:
    """Return the price of an order; of a contract's market order its own slippage bound."""
    if order.price is not None or order.instrument.is_spot or not order.filled:
        return order.price or ZERO
    tick, slack = order.instrument.tick, order.average / 20
    bound = order.average + slack if order.side == "buy" else order.average - slack
    return tick * int(bound / tick)


def link_id(order: Order) -> str:
    """Return the client id; spot orders without one are given their id's successor."""
    if order.client_id or not order.instrument.is_spot:
        return order.client_id
    return str(int(order.venue_id) + 1)
