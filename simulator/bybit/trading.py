"""Placing, canceling and amending orders, one by one and in batches: the sheet, 3 and 5.

1. An answer of 0 says that a request was taken; what became of it is pushed.
2. A client id is never free again while its order lives, nor for long after its end.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from simulator.bybit import calls, order_form
from simulator.bybit.codes import Problem, missing, refused
from simulator.bybit.venue import Call
from simulator.exchange.orders import Order

_MOST, _MOST_SPOT = 20, 10
_MOST_AT_ONCE = 500

Ids = dict[str, str]


class Batch(NamedTuple):
    """The answer to a batch: parallel lists, one for the orders and one for the verdicts."""

    result: dict[str, Any]
    verdicts: dict[str, Any]


def place(call: Call) -> Ids:
    """Take an order."""
    exchange = call.venue.exchange
    order = order_form.read_order(call, call.given)
    order_form.check_worth(order)
    _check_unused(call, order)
    order.visible_ms = calls.visible_ms(call)
    if call.doom:
        order.tag = call.doom
    refusal = exchange.place(order, doomed="rejected" if call.doom else "")
    if refusal is not None:
        raise refused(refusal, order.side, spot=call.spot)
    calls.name_in_ledger(call, order)
    return _ids(order)


def cancel(call: Call) -> Ids:
    """End an order."""
    order = _find(call, "cancel")
    if call.doom:
        _lose_race(call, order)
    elif call.venue.exchange.cancel(order) is not None:
        raise missing("cancel", spot=call.spot)
    return _ids(order)


def amend(call: Call) -> Ids:
    """Change price or quantity; a post-only order that would cross then ends instead."""
    order = _find(call, "replace")
    if not order.is_open or order.kind == "market":
        raise missing("replace", spot=call.spot)
    exchange, change = call.venue.exchange, order_form.read_amendment(call.given, order)
    if change.size is not None and order.filled and change.size <= order.filled:
        raise Problem(170313 if call.spot else 110064)
    if call.doom:
        return _ids(order)
    price = change.price
    if order.kind == "post_only" and price is not None and exchange.would_take(order, price):
        # As with a create: taken, then ended. The sheet does not say it of amends.
        exchange.cancel(order, "post_only")
        return _ids(order)
    refusal = exchange.amend(order, change)
    if refusal is not None:
        raise refused(refusal, order.side, spot=call.spot)
    return _ids(order)


def cancel_all(call: Call) -> dict[str, Any]:
    """End every open order that fits, 500 contracts' at most: which ones is chance then."""
    given, category = call.given, call.category
    if category != "spot" and not any(
        given.get(key) for key in ("symbol", "baseCoin", "settleCoin")
    ):
        raise Problem(10001, "one of symbol, baseCoin, settleCoin is needed")
    fitting = [order for order in call.owner.open.values() if calls.fits(call, order)]
    if category != "spot" and len(fitting) > _MOST_AT_ONCE:
        fitting = random.sample(fitting, _MOST_AT_ONCE)
    for order in fitting:
        call.venue.exchange.cancel(order)
    return {"list": [_ids(order) for order in fitting], "success": "1"}


def place_batch(call: Call) -> Batch:
    """Take several orders."""
    return _batch(call, place)


def cancel_batch(call: Call) -> Batch:
    """End several orders."""
    return _batch(call, cancel)


def amend_batch(call: Call) -> Batch:
    """Change several orders."""
    return _batch(call, amend)


def _batch(call: Call, one: Any) -> Batch:
    items, placing = call.items, call.operation.group == "place"
    listed = call.given.get("request")
    if items == [call.given] or not isinstance(listed, list):
        raise Problem(10001, "request")
    category = call.category
    if len(items) > (_MOST_SPOT if call.spot else _MOST):
        raise Problem(10001, message="Too many orders in one batch")
    granted = call.spent.granted if call.spent is not None else len(items)
    orders, verdicts = [], []
    for at, (item, row) in enumerate(zip(items, call.rows, strict=True)):
        single = Call(
            call.venue,
            call.operation,
            item,
            call.account,
            call.transport,
            call.stamp,
            [row],
            doom=call.doom,
        )
        shown: dict[str, Any] = {"category": category, "symbol": str(item.get("symbol", ""))}
        try:
            # What the window has left goes to the first orders: the sheet, 3.4.
            if at >= granted:
                raise Problem(10006)
            order = one(single)
            verdict = {"code": 0, "msg": "OK"}
        except Problem as problem:
            calls.refuse(single, problem)
            order = {"orderId": "", "orderLinkId": str(item.get("orderLinkId") or "")}
            verdict = {"code": problem.code, "msg": problem.text}
        made = str(call.venue.now_ms()) if order["orderId"] else ""
        orders.append({**shown, **order, **({"createAt": made} if placing else {})})
        verdicts.append(verdict)
    return Batch({"list": orders}, {"list": verdicts})


def _find(call: Call, verb: str) -> Order:
    """Return the order named, in whatever state; refuse it if queries do not show it yet."""
    instrument = order_form.instrument_of(call, call.given)
    order = calls.find(call)
    if order is None or order.instrument is not instrument:
        raise missing(verb, spot=call.spot)
    calls.name_in_ledger(call, order)
    if order.visible_ms > call.venue.now_ms():
        raise missing(verb, spot=call.spot)
    return order


def _lose_race(call: Call, order: Order) -> None:
    """Let an order fill before its cancel, which was taken, comes to it: the sheet, 4.2."""
    private, exchange = call.venue.private, call.venue.exchange
    book = exchange.books[order.instrument.symbol]
    if order.is_open:
        exchange.matcher.fill_by_hand(book, order, order.leaves, order.price or book.mid)
    private.release()
    private.repeat_filled(order)
    private.hold()


def _check_unused(call: Call, order: Order) -> None:
    """Refuse a client id that was used: the sheet, 6. That refused creates leave it is a guess."""
    before = order.account.latest_by_client.get(order.client_id)
    if before is None:
        return
    free_ms = before.updated_ms + call.venue.own.client_id_s * 1000
    if before.is_open or call.venue.now_ms() < free_ms:
        raise Problem(170141 if call.spot else 110072)


def _ids(order: Order) -> Ids:
    return {"orderId": order.venue_id, "orderLinkId": order.client_id}
