"""An order in Binance's words: type, time in force, status; the same for futures and spot."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from simulator.binance.calls import context
from simulator.binance.codes import Problem
from simulator.binance.venue import Call
from simulator.exchange.orders import CancelSource, Order, OrderKind, Side, State, StpMode

SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
TIMES: dict[OrderKind, str] = {
    "limit": "GTC",
    "market": "GTC",
    "post_only": "GTX",
    "fok": "FOK",
    "ioc": "IOC",
}
# selfTradePreventionMode.
STP: dict[str, StpMode] = {
    "NONE": "none",
    "EXPIRE_MAKER": "cancel_maker",
    "EXPIRE_TAKER": "cancel_taker",
    "EXPIRE_BOTH": "cancel_both",
}
STP_WORDS = {mode: word for word, mode in STP.items()}
_LIVE: dict[State, str] = {
    "live": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
}
_ENDS: dict[CancelSource, str] = {
    "user": "CANCELED",
    "system": "CANCELED",
    "cancel_all_after": "CANCELED",
    "self_trade": "EXPIRED_IN_MATCH",
}


def status(order: Order) -> str:
    """Return the order's status."""
    if order.state == "canceled":
        return _ENDS.get(order.cancel_source, "EXPIRED")
    return _LIVE[order.state]


def execution_of_end(order: Order) -> str:
    """Return the execution type that ends an order unfilled: CANCELED or EXPIRED."""
    return "CANCELED" if status(order) == "CANCELED" else "EXPIRED"


def side(order: Order) -> str:
    """Return BUY or SELL."""
    return "BUY" if order.side == "buy" else "SELL"


def fresh_client_id() -> str:
    """Return a client id for an order that came without one."""
    return uuid4().hex[:22]


def find(call: Call, missing: int) -> Order:
    """Return the order that ``orderId`` or else ``origClientOrderId`` names.

    Raises:
        Problem: ``missing`` if the account has no such order in that symbol.
    """
    given, symbol = call.given, call.instrument.symbol
    venue_id, client_id = given.get("orderId", ""), given.get("origClientOrderId", "")
    if not venue_id and not client_id:
        text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise Problem(-1102, message=text)
    order = call.venue.exchange.find(call.owner, venue_id=venue_id, client_id=client_id)
    if order is None or order.instrument.symbol != symbol:
        raise Problem(missing)
    return order


def name_in_ledger(call: Call, order: Order) -> None:
    """Complete the call's row in the ledger with the order's ids, unless it has several rows."""
    if len(call.rows) == 1:
        call.rows[0].venue_id, call.rows[0].client_id = order.venue_id, order.client_id


def visible_ms(call: Call) -> int:
    """Return from when on queries show a new order; 0 means at once."""
    floor = call.venue.floor
    if not floor.faults:
        return 0
    lag = floor.faults.take(("visibility_lag",), context(call), floor.clock.true_ms())
    return 0 if lag is None else floor.clock.now_ms() + int(lag.number("delay_ms", 500))


def notional(order: Order) -> Decimal:
    """Return what is still to fill, in quote currency, at the order's own price."""
    return order.leaves * order.price if order.price is not None else Decimal(0)
