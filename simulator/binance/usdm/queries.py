"""Queries of futures orders and trades: the sheet, A3.4, A6.1, A6.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.binance import calls
from simulator.binance.codes import Problem
from simulator.binance.order_words import find, name_in_ledger
from simulator.binance.params import integer, row_count
from simulator.binance.usdm.order_frames import queried, trade
from simulator.binance.venue import Call
from simulator.exchange import retention
from simulator.exchange.faults import Fault
from simulator.exchange.orders import Fill, Order

_DAY_MS = 86_400_000
_WINDOW_MS = 7 * _DAY_MS
# Since 2026-08: the sheet, A0.
_TRADES_MS = 90 * _DAY_MS


def one(call: Call) -> dict[str, Any]:
    """Return an order in whatever state, as far as it is kept; -2013 if it is not shown."""
    order = find(call, -2013)
    name_in_ledger(call, order)
    if not call.venue.floor.retention.shows(order, call.venue.now_ms()):
        raise Problem(-2013)
    return queried(order)


def one_open(call: Call) -> dict[str, Any]:
    """Return an open order; -2013 if it is not open."""
    order = find(call, -2013)
    name_in_ledger(call, order)
    if not order.is_open or order.visible_ms > call.venue.now_ms():
        raise Problem(-2013)
    return queried(order)


def all_open(call: Call) -> list[dict[str, Any]]:
    """Return the open orders, of one symbol or of all."""
    fault, now_ms = stale(call), call.venue.now_ms()
    if fault is None:
        shown = [(order, None) for order in retention.pending(call.owner, now_ms)]
        rows = [queried(order) for order, _ in shown if _wanted(call, order)]
    else:
        then_ms = now_ms - int(fault.number("delay_ms", 1000))
        past = retention.pending_as_of(call.owner, then_ms)
        rows = [queried(order, filled) for order, filled in past if _wanted(call, order)]
    return rows[::-1]


def history(call: Call) -> list[dict[str, Any]]:
    """Return orders, ended or not, oldest first; from ``orderId`` on, or of at most 7 days."""
    first, now_ms = integer(call.given, "orderId"), call.venue.now_ms()
    start_ms, end_ms = window(call)
    kept = call.venue.floor.retention
    shown = (
        order
        for order in call.owner.orders.values()
        if _wanted(call, order) and kept.shows(order, now_ms)
    )
    if first is not None:
        rows = [order for order in shown if int(order.venue_id) >= first]
    else:
        rows = [order for order in shown if start_ms <= order.created_ms <= end_ms]
    count = row_count(call.given)
    # From an id on the oldest come first; in a window it is the newest that are kept.
    rows = rows[:count] if first is not None else rows[-count:]
    return [queried(order) for order in rows]


def trades(call: Call) -> list[dict[str, Any]]:
    """Return fills, oldest first; from ``fromId`` on, of one order, or of at most 7 days."""
    given, now_ms = call.given, call.venue.now_ms()
    first, order_id = integer(given, "fromId"), given.get("orderId", "")
    start_ms, end_ms = window(call)
    shown: Iterator[Fill] = (
        fill
        for fill in retention.fills(call.owner, now_ms)
        if _wanted(call, fill.order)
        and fill.ts_ms >= now_ms - _TRADES_MS
        and order_id in ("", fill.order.venue_id)
    )
    if first is not None:
        rows = [fill for fill in shown if fill.trade_id >= first][::-1]
    else:
        rows = [fill for fill in shown if start_ms <= fill.ts_ms <= end_ms][::-1]
    count = row_count(given)
    return [trade(fill) for fill in (rows[:count] if first is not None else rows[-count:])]


def window(call: Call) -> tuple[int, int]:
    """Return the times asked for; 7 days at most, and the last 7 unless told otherwise."""
    start_ms, end_ms = integer(call.given, "startTime"), integer(call.given, "endTime")
    if start_ms is None:
        end_ms = call.venue.now_ms() if end_ms is None else end_ms
        return end_ms - _WINDOW_MS, end_ms
    if end_ms is None:
        end_ms = start_ms + _WINDOW_MS
    if not 0 <= end_ms - start_ms <= _WINDOW_MS:
        raise Problem(-4165)
    return start_ms, end_ms


def stale(call: Call) -> Fault | None:
    """Return the fault that answers this query from the past, if one is armed."""
    floor = call.venue.floor
    if not floor.faults:
        return None
    return floor.faults.take(("stale_snapshot",), calls.context(call), floor.clock.true_ms())


def _wanted(call: Call, order: Order) -> bool:
    symbol = call.given.get("symbol", "")
    if symbol:
        call.venue.book(symbol)
    return symbol in ("", order.instrument.symbol)
