"""Queries of orders and fills.

Source: UTA documents, "Get Order Details", "Get Open Orders", "Get Order History", "Get Fills".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import dropwhile, islice
from typing import Any, TypeVar

from simulator.bitget.codes import Problem
from simulator.bitget.listing import category, wire_symbol
from simulator.bitget.order_form import read_ids
from simulator.bitget.order_frames import shown_fill, shown_order
from simulator.bitget.query import Query
from simulator.exchange import retention
from simulator.exchange.orders import Order

T = TypeVar("T")

_MOST = 100
_WINDOW_MS = 30 * 86_400_000


def order_info(query: Query) -> dict[str, Any]:
    """Return one order by either id.

    By clientOid, an order that ended is found for a while only: the sheet, "Query".
    """
    venue_id, client_id = read_ids(query.params)
    order = query.venue.find(query.owner, venue_id, client_id)
    query.name(order)
    if not query.venue.floor.retention.shows(order, query.now_ms):
        raise Problem("25204")
    kept_ms = int(query.venue.own.by_client_s * 1000)
    if not venue_id and not order.is_open and query.now_ms - order.updated_ms > kept_ms:
        raise Problem("25204")
    return shown_order(order)


def unfilled_orders(query: Query) -> dict[str, Any]:
    """Return the open orders, newest first."""
    then_ms = query.stale_ms("orders-pending")
    rows: list[tuple[Order, Decimal | None]]
    if then_ms is None:
        rows = [(order, None) for order in retention.pending(query.owner, query.now_ms)]
    else:
        rows = [*retention.pending_as_of(query.owner, then_ms)]
    found = (row for row in rows if _wants(query, row[0]))
    page = _page(found, query, lambda row: row[0].venue_id)
    return _listed(
        [shown_order(order, filled) for order, filled in page], [row[0].venue_id for row in page]
    )


def history_orders(query: Query) -> dict[str, Any]:
    """Return the ended orders of a category, newest first."""
    query.required("category")
    _check_window(query)
    rows = (
        order
        for order in retention.history(query.owner, query.venue.floor.retention, query.now_ms)
        if _wants(query, order) and _within(query, order.created_ms)
    )
    page = _page(rows, query, lambda order: order.venue_id)
    return _listed([shown_order(order) for order in page], [order.venue_id for order in page])


def fills(query: Query) -> dict[str, Any]:
    """Return the fills, newest first."""
    _check_window(query)
    oldest_ms = query.now_ms - int(query.venue.own.kept_s * 1000)
    wanted = query.get("orderId")
    rows = (
        fill
        for fill in retention.fills(query.owner, query.now_ms)
        if fill.ts_ms >= oldest_ms
        and wanted in ("", fill.order.venue_id)
        and _wants(query, fill.order)
        and _within(query, fill.ts_ms)
    )
    page = _page(rows, query, lambda fill: str(fill.trade_id))
    return _listed([shown_fill(fill) for fill in page], [str(fill.trade_id) for fill in page])


def _wants(query: Query, order: Order) -> bool:
    kind = query.category()
    return kind in ("", category(order.instrument)) and query.get("symbol") in (
        "",
        wire_symbol(order.instrument),
    )


def _page(rows: Iterable[T], query: Query, row_id: Callable[[T], str]) -> list[T]:
    """Return one page of ``rows``, newest first: those after the one that ``cursor`` names."""
    cursor, limit = query.get("cursor"), query.number("limit")
    if cursor:
        rows = islice(dropwhile(lambda row: row_id(row) != cursor, rows), 1, None)
    return list(islice(rows, min(_MOST if limit is None else limit, _MOST)))


def _listed(items: list[Any], ids: list[str]) -> dict[str, Any]:
    return {"list": items, "cursor": ids[-1] if ids else None}


def _check_window(query: Query) -> None:
    start_ms, end_ms = query.number("startTime"), query.number("endTime")
    if start_ms is not None:
        until_ms = query.now_ms if end_ms is None else end_ms
        if until_ms - start_ms > _WINDOW_MS:
            raise Problem("00001")


def _within(query: Query, ts_ms: int) -> bool:
    start_ms, end_ms = query.number("startTime"), query.number("endTime")
    return (start_ms is None or ts_ms >= start_ms) and (end_ms is None or ts_ms <= end_ms)


HANDLERS = {
    "v3/trade/order-info": ("query-order", order_info),
    "v3/trade/unfilled-orders": ("orders-pending", unfilled_orders),
    "v3/trade/history-orders": ("orders-history", history_orders),
    "v3/trade/fills": ("fills", fills),
}
