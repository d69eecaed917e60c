"""Placing, canceling and modifying futures orders: the sheet, A3."""

from __future__ import annotations

from typing import Any

from simulator.binance import calls
from simulator.binance.codes import Problem
from simulator.binance.order_words import SIDES, find, name_in_ledger, visible_ms
from simulator.binance.params import flag, integer, required
from simulator.binance.usdm import order_form
from simulator.binance.usdm.order_frames import reply
from simulator.binance.venue import Call
from simulator.exchange.exchange import Amendment
from simulator.exchange.orders import Order

_MOST_PLACED, _MOST_CANCELED = 5, 10


def place(call: Call) -> dict[str, Any]:
    """Take an order; what would be refused by post-only or FOK leaves no record."""
    order = order_form.read_order(call)
    answer_type = call.given.get("newOrderRespType") or "ACK"
    if answer_type not in ("ACK", "RESULT"):
        raise Problem(-1130, "newOrderRespType")
    exchange = call.venue.exchange
    if order.client_id not in order.account.open_by_client:
        _refuse_unfit(call, order)
    order.visible_ms = visible_ms(call)
    refusal = exchange.place(order)
    if refusal is not None:
        raise order_form.refused(refusal, order)
    name_in_ledger(call, order)
    if order.expires_ms and order.is_open:
        call.venue.timed.append(order)
    # RESULT tells the end of what ends at once; a GTC order is told as by ACK.
    final = answer_type == "RESULT" and order.kind in ("market", "ioc", "fok")
    return reply(order, slim=call.venue.own.slim_acks, as_new=not final)


def test_place(call: Call) -> dict[str, Any]:
    """Check an order's form; it never reaches the engine."""
    order_form.read_order(call)
    return {}


def cancel(call: Call) -> dict[str, Any]:
    """End an order; -2011 covers all that cannot be ended, for whatever reason."""
    order = find(call, -2011)
    name_in_ledger(call, order)
    if order.visible_ms > call.venue.now_ms() or call.venue.exchange.cancel(order) is not None:
        raise Problem(-2011)
    return reply(order, slim=call.venue.own.slim_acks)


def modify(call: Call) -> dict[str, Any]:
    """Change price and quantity; some changes end the order instead."""
    order, given = find(call, -2013), call.given
    name_in_ledger(call, order)
    if SIDES.get(required(given, "side")) != order.side:
        raise Problem(-1117)
    size, price = order_form.read_size(call, order), order_form.read_price(call, order)
    if not order.is_open:
        raise Problem(-2013)
    if flag(given, "reduceOnly") and not order.reduce_only:
        raise Problem(-5047)
    if (size, price) == (order.size, order.price):
        raise Problem(-5027)
    exchange, slim = call.venue.exchange, call.venue.own.slim_acks
    modify_id = integer(given, "modifyId")
    crosses = order.kind == "post_only" and exchange.would_take(order, price)
    if crosses or (order.filled and size <= order.filled):
        exchange.cancel(order)
    else:
        if not order.reduce_only:
            order_form.check_notional(call, order, size, price)
        change = Amendment(size, price, "" if modify_id is None else str(modify_id))
        refusal = exchange.amend(order, change)
        if refusal is not None:
            raise order_form.refused(refusal, order)
    shown = reply(order, slim=slim)
    return shown if modify_id is None else shown | {"modifyId": modify_id}


def cancel_all(call: Call) -> dict[str, Any]:
    """End every open order of a symbol."""
    instrument = call.instrument
    for order in list(call.owner.open.values()):
        if order.instrument is instrument:
            call.venue.exchange.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def place_batch(call: Call) -> list[dict[str, Any]]:
    """Take up to five orders; each has its own answer."""
    return _batch(call, place, _MOST_PLACED)


def modify_batch(call: Call) -> list[dict[str, Any]]:
    """Change up to five orders; each has its own answer."""
    return _batch(call, modify, _MOST_PLACED)


def cancel_batch(call: Call) -> list[dict[str, Any]]:
    """End up to ten orders; each has its own answer."""
    return _batch(call, cancel, _MOST_CANCELED)


def _batch(call: Call, one: Any, most: int) -> list[dict[str, Any]]:
    listed = calls.items(call)
    if listed == [call.given] or not 0 < len(listed) <= most:
        raise Problem(-1130, "batchOrders")
    answers = []
    for item, row in zip(listed, call.rows, strict=True):
        single = Call(
            call.venue,
            call.operation,
            item,
            call.account,
            call.transport,
            call.address,
            call.received_ms,
            [row],
        )
        try:
            answers.append(one(single))
        except Problem as problem:
            calls.refuse(single, problem)
            answers.append(problem.body)
    return answers


def _refuse_unfit(call: Call, order: Order) -> None:
    """Refuse at once what post-only or FOK cannot have: the sheet, A3.1."""
    exchange = call.venue.exchange
    if order.kind == "post_only" and order.price is not None:
        if exchange.would_take(order, order.price):
            raise Problem(-5022)
    elif order.kind == "fok" and not exchange.can_fill(order):
        raise Problem(-5021)
