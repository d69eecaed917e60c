"""What queries of orders and trades find: the same for futures and spot."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from simulator.binance import calls
from simulator.binance.codes import Problem
from simulator.binance.order_words import find, name_in_ledger
from simulator.binance.params import integer, row_count
from simulator.binance.venue import Call
from simulator.exchange import retention
from simulator.exchange.orders import Fill, Order

DAY_MS = 86_400_000
_EVER_MS = 1 << 62


def order(call: Call, archived: int = -2013) -> Order:
    """Return the order asked for, in whatever state.

    Raises:
        Problem: -2013 if there is none or it is not yet shown; ``archived`` if it is no more.
    """
    found, now_ms = find(call, -2013), call.venue.now_ms()
    name_in_ledger(call, found)
    if found.visible_ms > now_ms:
        raise Problem(-2013)
    if not call.venue.floor.retention.shows(found, now_ms):
        raise Problem(archived)
    return found


def pending(call: Call) -> list[tuple[Order, Decimal | None]]:
    """Return the open orders, oldest first; with what was filled then if the answer is stale."""
    then_ms = stale_ms(call)
    rows: list[tuple[Order, Decimal | None]]
    if then_ms is None:
        rows = [(one, None) for one in retention.pending(call.owner, call.venue.now_ms())]
    else:
        rows = [*retention.pending_as_of(call.owner, then_ms)]
    return [row for row in reversed(rows) if _wanted(call, row[0])]


def history(call: Call, span_ms: int, *, always: bool) -> list[Order]:
    """Return orders, ended or not, oldest first: from ``orderId`` on, or within a window."""
    first, now_ms = integer(call.given, "orderId"), call.venue.now_ms()
    start_ms, end_ms = window(call, span_ms, always=always)
    kept, count = call.venue.floor.retention, row_count(call.given)
    shown = (
        one for one in call.owner.orders.values() if _wanted(call, one) and kept.shows(one, now_ms)
    )
    # From an id on the oldest come first; in a window it is the newest that are kept.
    if first is not None:
        return [one for one in shown if int(one.venue_id) >= first][:count]
    return [one for one in shown if start_ms <= one.created_ms <= end_ms][-count:]


def trades(call: Call, span_ms: int, *, always: bool, kept_ms: int = _EVER_MS) -> list[Fill]:
    """Return fills, oldest first: from ``fromId`` on, of one order, or within a window."""
    given, now_ms = call.given, call.venue.now_ms()
    first, order_id = integer(given, "fromId"), given.get("orderId", "")
    start_ms, end_ms = window(call, span_ms, always=always)
    shown: Iterator[Fill] = (
        fill
        for fill in retention.fills(call.owner, now_ms)
        if _wanted(call, fill.order)
        and fill.ts_ms >= now_ms - kept_ms
        and order_id in ("", fill.order.venue_id)
    )
    count = row_count(given)
    if first is not None:
        return [fill for fill in shown if fill.trade_id >= first][::-1][:count]
    return [fill for fill in shown if start_ms <= fill.ts_ms <= end_ms][::-1][-count:]


def window(call: Call, span_ms: int, *, always: bool) -> tuple[int, int]:
    """Return the times asked for, ``span_ms`` apart at most.

    Without any, that is the last ``span_ms`` if a window applies ``always``, else all time.
    """
    start_ms, end_ms = integer(call.given, "startTime"), integer(call.given, "endTime")
    if start_ms is None and end_ms is None and not always:
        return 0, _EVER_MS
    if start_ms is None:
        end_ms = call.venue.now_ms() if end_ms is None else end_ms
        return end_ms - span_ms, end_ms
    if end_ms is None:
        end_ms = start_ms + span_ms
    if not 0 <= end_ms - start_ms <= span_ms:
        raise Problem(-4165)
    return start_ms, end_ms


def stale_ms(call: Call) -> int | None:
    """Return the time as of which a fault has this query answered; None: as of now."""
    floor = call.venue.floor
    if not floor.faults:
        return None
    taken = ("stale_snapshot",)
    fault = floor.faults.take(taken, calls.context(call), floor.clock.true_ms())
    if fault is None:
        return None
    return int(fault.number("as_of_ms", call.venue.now_ms() - fault.number("delay_ms", 1000)))


def _wanted(call: Call, one: Order) -> bool:
    symbol = call.given.get("symbol", "")
    if symbol:
        call.venue.book(symbol)
    return symbol in ("", one.instrument.symbol)
