"""Queries of orders, executions, positions and the wallet: the sheet, 5.

Whatever is not found is an empty list, not an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from simulator.bybit import calls
from simulator.bybit.account_frames import current
from simulator.bybit.codes import Problem
from simulator.bybit.order_form import instrument_of
from simulator.bybit.order_frames import execution, queried
from simulator.bybit.paging import page, within
from simulator.bybit.venue import Call
from simulator.exchange import retention
from simulator.exchange.faults import Fault
from simulator.exchange.orders import Fill, Order
from simulator.exchange.positions import Position

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS

Row = tuple[Order, Decimal | None]


def realtime(call: Call) -> dict[str, Any]:
    """Return open or recently closed orders, newest first; by id, whichever it is."""
    given, category, now_ms = call.given, call.category, call.venue.now_ms()
    if call.op == "query-order":
        return _page(
            call, [(order, None) for order in _by_id(call, now_ms) if _is_near(call, order)]
        )
    if category == "linear" and not any(given.get(k) for k in ("symbol", "baseCoin", "settleCoin")):
        raise Problem(10001, "one of symbol, baseCoin, settleCoin is needed")
    if str(given.get("openOnly") or "0") != "0":
        closed = call.venue.recent.of(call.owner, category)
        rows: Iterable[Row] = [(order, None) for order in closed if _is_shown(call, order, now_ms)]
        return _page(call, rows)
    then_ms = _stale_ms(call, now_ms)
    if then_ms is None:
        rows = ((order, None) for order in retention.pending(call.owner, now_ms))
    else:
        rows = retention.pending_as_of(call.owner, then_ms)
    return _page(call, (row for row in rows if calls.fits(call, row[0])))


def history(call: Call) -> dict[str, Any]:
    """Return orders that have ended, newest first: by id, or within a week."""
    given, now_ms = call.given, call.venue.now_ms()
    kept = call.venue.floor.retention
    if given.get("orderId") or given.get("orderLinkId"):
        found = [one for one in _by_id(call, now_ms) if not one.is_open and kept.shows(one, now_ms)]
        return _page(call, [(order, None) for order in found])
    start_ms, end_ms = within(given, now_ms, _WEEK_MS)
    wanted = given.get("orderStatus")
    ended = (
        order
        for order in retention.history(call.owner, kept, now_ms)
        if start_ms <= order.created_ms <= end_ms and _is_shown(call, order, now_ms)
    )
    rows: Iterable[Row] = ((order, None) for order in ended)
    if wanted:
        rows = (row for row in rows if queried(row[0])["orderStatus"] == wanted)
    return _page(call, rows)


def executions(call: Call) -> dict[str, Any]:
    """Return fills, newest first: of one order, or within a week."""
    given, category, now_ms = call.given, call.category, call.venue.now_ms()
    fills: Iterable[Fill] = retention.fills(call.owner, now_ms)
    if given.get("orderId") or given.get("orderLinkId"):
        order = calls.find(call)
        fills = (fill for fill in fills if fill.order is order)
    else:
        start_ms, end_ms = within(given, now_ms, _WEEK_MS)
        fills = (fill for fill in fills if start_ms <= fill.ts_ms <= end_ms)
    fitting = (fill for fill in fills if calls.fits(call, fill.order))
    shown, cursor = page(fitting, given, lambda fill: fill.name, default=50, most=100)
    return _list(category, [execution(fill) for fill in shown], cursor)


def positions(call: Call) -> dict[str, Any]:
    """Return the position of one symbol, flat or not, or all that are not flat."""
    category, account, now_ms = call.category, call.owner, call.venue.now_ms()
    if category == "spot":
        raise Problem(10001, "Illegal category")
    if call.given.get("symbol"):
        held = [account.position(instrument_of(call, call.given))]
    elif category == "linear" and not call.given.get("settleCoin"):
        raise Problem(10001, "symbol or settleCoin is needed")
    else:
        held = [one for one in account.positions.values() if _is_held(call, one)]
    then_ms, frames = _stale_ms(call, now_ms), call.venue.private.frames
    rows = []
    for position in held:
        state = current(position) if then_ms is None else position.as_of(then_ms)
        if state.size or call.given.get("symbol"):
            rows.append(frames.position(account, position, state))
    return _list(category, rows, "")


def wallet(call: Call) -> dict[str, Any]:
    """Return the account's totals and its coins."""
    if call.given.get("accountType") != "UNIFIED":
        raise Problem(10001, "accountType only support UNIFIED.")
    asked = [name for name in str(call.given.get("coin") or "").split(",") if name]
    account = call.owner
    names = asked or [
        name for name, balance in account.balances.items() if balance.total or balance.frozen
    ]
    return {"list": [call.venue.private.frames.wallet(account, names)]}


def _page(call: Call, rows: Iterable[Row]) -> dict[str, Any]:
    shown, cursor = page(rows, call.given, lambda row: row[0].venue_id, default=20, most=50)
    return _list(call.category, [queried(order, filled) for order, filled in shown], cursor)


def _list(category: str, rows: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    return {"category": category, "nextPageCursor": cursor, "list": rows}


def _by_id(call: Call, now_ms: int) -> list[Order]:
    """Return the order that the ids name, if its category and symbol fit and it is shown."""
    order = calls.find(call)
    if order is None or not _is_shown(call, order, now_ms):
        return []
    calls.name_in_ledger(call, order)
    return [order]


def _is_near(call: Call, order: Order) -> bool:
    return order.is_open or call.venue.recent.has(order)


def _is_shown(call: Call, order: Order, now_ms: int) -> bool:
    """Return whether queries show ``order``: it may be too new, or in the hole at its end."""
    if order.visible_ms > now_ms or not calls.fits(call, order):
        return False
    return order.is_open or now_ms - order.updated_ms >= call.venue.own.hole_ms


def _is_held(call: Call, position: Position) -> bool:
    instrument, given = position.instrument, call.given
    if instrument.kind != call.category:
        return False
    if given.get("settleCoin") not in (None, "", instrument.settle):
        return False
    return given.get("baseCoin") in (None, "", instrument.base)


def _stale_ms(call: Call, now_ms: int) -> int | None:
    """Return the time as of which a fault has this query answered; None: as of now."""
    floor = call.venue.floor
    if not floor.faults:
        return None
    taken = ("stale_snapshot",)
    fault: Fault | None = floor.faults.take(taken, calls.context(call), floor.clock.true_ms())
    if fault is None:
        return None
    return int(fault.number("as_of_ms", now_ms - fault.number("delay_ms", 1000)))
