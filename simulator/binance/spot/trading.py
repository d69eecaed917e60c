"""Placing, canceling and replacing spot orders: the sheet, part B."""

from __future__ import annotations

from typing import Any

from simulator.binance.codes import Problem
from simulator.binance.order_words import (
    find,
    fresh_client_id,
    name_in_ledger,
    visible_ms,
)
from simulator.binance.params import Words, choice
from simulator.binance.spot import order_form
from simulator.binance.spot.order_frames import canceled, placed
from simulator.binance.venue import Call
from simulator.exchange.orders import Order

_ANSWERS = dict.fromkeys(("ACK", "RESULT", "FULL"))
_MODES = dict.fromkeys(("STOP_ON_FAILURE", "ALLOW_FAILURE"))
_CONFLICT = 409


def place(call: Call) -> dict[str, Any]:
    """Take an order."""
    return _place(call, call.given)


def test_place(call: Call) -> dict[str, Any]:
    """Check an order's form; it never reaches the engine."""
    order_form.read_order(call, call.given)
    return {}


def cancel(call: Call) -> dict[str, Any]:
    """End an order; -2011 covers all that cannot be ended, for whatever reason."""
    order = find(call, -2011)
    name_in_ledger(call, order)
    return _cancel(call, order, call.given.get("newClientOrderId", ""))


def cancel_all(call: Call) -> list[dict[str, Any]]:
    """End every open order of a symbol; -2011 if there is none."""
    instrument = call.instrument
    found = [order for order in call.owner.open.values() if order.instrument is instrument]
    if not found:
        raise Problem(-2011)
    return [_cancel(call, order, "") for order in found]


def cancel_replace(call: Call) -> dict[str, Any]:
    """End an order and place another; 409 if only one of the two succeeds."""
    given = call.given
    goes_on = choice(given, "cancelReplaceMode", _MODES) == "ALLOW_FAILURE"
    shown: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED"}
    shown |= {"cancelResponse": None, "newOrderResponse": None}
    try:
        order = _replaced(call)
        shown["cancelResponse"] = _cancel(call, order, given.get("cancelNewClientOrderId", ""))
    except Problem as problem:
        shown |= {"cancelResult": "FAILURE", "cancelResponse": problem.body}
    if goes_on or shown["cancelResult"] == "SUCCESS":
        shown["newOrderResult"] = "SUCCESS"
        try:
            shown["newOrderResponse"] = _place(call, given)
        except Problem as problem:
            shown |= {"newOrderResult": "FAILURE", "newOrderResponse": problem.body}
    results = {shown["cancelResult"], shown["newOrderResult"]}
    if results == {"SUCCESS"}:
        return shown
    if "SUCCESS" in results:
        message = "Order cancel-replace partially failed."
        raise Problem(-2021, message=message, status=_CONFLICT, data=shown)
    raise Problem(-2022, message="Order cancel-replace failed.", data=shown)


def _place(call: Call, given: Words) -> dict[str, Any]:
    order = order_form.read_order(call, given)
    answer_type = choice(given, "newOrderRespType", _ANSWERS, "FULL")
    exchange, account = call.venue.exchange, order.account
    crosses = order.price is not None and exchange.would_take(order, order.price)
    is_new = order.client_id not in account.open_by_client
    if is_new and crosses and order.kind == "post_only":
        raise Problem(-2010, "Order would immediately match and take.")
    order.visible_ms = visible_ms(call)
    refusal = exchange.place(order)
    if refusal is not None:
        raise order_form.refused(refusal)
    name_in_ledger(call, order)
    fills = []
    for fill in reversed(account.fills):
        if fill.order is not order:
            break
        fills.append(fill)
    return placed(order, answer_type, fills[::-1])


def _cancel(call: Call, order: Order, cancel_id: str) -> dict[str, Any]:
    cancel_id = cancel_id or fresh_client_id()
    if order.visible_ms > call.venue.now_ms():
        raise Problem(-2011)
    call.venue.users.cancel_id = cancel_id
    try:
        if call.venue.exchange.cancel(order) is not None:
            raise Problem(-2011)
    finally:
        call.venue.users.cancel_id = ""
    return canceled(order, cancel_id)


def _replaced(call: Call) -> Order:
    """Return the order that a cancel-replace ends."""
    given, symbol = call.given, call.instrument.symbol
    venue_id = given.get("cancelOrderId", "")
    client_id = given.get("cancelOrigClientOrderId", "")
    order = call.venue.exchange.find(call.owner, venue_id=venue_id, client_id=client_id)
    if order is None or order.instrument.symbol != symbol:
        raise Problem(-2011)
    return order
