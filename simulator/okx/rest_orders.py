"""Queries of orders and fills."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from simulator.exchange import retention
from simulator.exchange.orders import Fill, Order
from simulator.okx.codes import Problem, envelope
from simulator.okx.frames import fill_item, inst_type, order_item
from simulator.okx.requests import read_ids
from simulator.okx.rest_query import Query, page, within

Handler = Callable[[Query], dict[str, Any]]

_DAY_MS = 86_400_000


def _order(query: Query) -> dict[str, Any]:
    if query.required("instId") not in query.venue.listing.by_id:
        raise Problem("51001")
    venue_id, client_id = read_ids(query.params)
    order = query.venue.exchange.find(query.owner, venue_id=venue_id, client_id=client_id)
    if order is None or order.instrument.symbol != query.get("instId"):
        raise Problem("51603")
    if not query.venue.retention.shows(order, query.now_ms):
        raise Problem("51603")
    return envelope("0", data=[order_item(order)])


def _pending(query: Query) -> dict[str, Any]:
    then_ms = query.stale_ms("orders-pending")
    rows: list[tuple[Order, Decimal | None]]
    if then_ms is None:
        rows = [(order, None) for order in retention.pending(query.owner, query.now_ms)]
    else:
        rows = [*retention.pending_as_of(query.owner, then_ms)]
    wanted = (row for row in rows if _wants(query, row[0]))
    shown = page(wanted, query, lambda row: int(row[0].venue_id))
    return envelope("0", data=[order_item(order, filled) for order, filled in shown])


def _history(query: Query, days: int) -> dict[str, Any]:
    query.required("instType")
    oldest_ms = query.now_ms - days * _DAY_MS
    rows = (
        order
        for order in retention.history(query.owner, query.venue.retention, query.now_ms)
        if order.updated_ms >= oldest_ms
        and _wants(query, order)
        and within(order.created_ms, query)
    )
    shown = page(rows, query, lambda order: int(order.venue_id))
    return envelope("0", data=[order_item(order) for order in shown])


def _orders_history(query: Query) -> dict[str, Any]:
    return _history(query, 7)


def _orders_archive(query: Query) -> dict[str, Any]:
    """Return three months of orders; never-filled cancels are not among them (the sheet, 6.1)."""
    found = _history(query, 90)
    found["data"] = [
        item for item in found["data"] if item["state"] != "canceled" or item["accFillSz"] != "0"
    ]
    return found


def _fills(query: Query, days: int) -> dict[str, Any]:
    oldest_ms = query.now_ms - days * _DAY_MS
    rows = (
        fill
        for fill in retention.fills(query.owner, query.now_ms)
        if fill.ts_ms >= oldest_ms and _wants_fill(query, fill) and within(fill.ts_ms, query)
    )
    shown = page(rows, query, lambda fill: fill.bill_id)
    return envelope("0", data=[fill_item(fill) for fill in shown])


def _recent_fills(query: Query) -> dict[str, Any]:
    return _fills(query, 3)


def _fills_history(query: Query) -> dict[str, Any]:
    query.required("instType")
    return _fills(query, 90)


def _wants(query: Query, order: Order) -> bool:
    return _fits(query, "instType", inst_type(order)) and all(
        _fits(query, name, value)
        for name, value in (
            ("instId", order.instrument.symbol),
            ("instFamily", f"{order.instrument.base}-{order.instrument.quote}"),
            ("ordType", order.kind_word),
            ("state", order.state),
        )
    )


def _wants_fill(query: Query, fill: Fill) -> bool:
    order = fill.order
    return (
        _fits(query, "instType", inst_type(order))
        and _fits(query, "instId", order.instrument.symbol)
        and _fits(query, "ordId", order.venue_id)
    )


def _fits(query: Query, name: str, value: str) -> bool:
    """Return whether a filter, a list with commas, is left out or holds ``value``."""
    wanted = query.get(name)
    return not wanted or value in wanted.split(",")


HANDLERS: dict[str, tuple[str, Handler]] = {
    "trade/order": ("query-order", _order),
    "trade/orders-pending": ("orders-pending", _pending),
    "trade/orders-history": ("orders-history", _orders_history),
    "trade/orders-history-archive": ("orders-history-archive", _orders_archive),
    "trade/fills": ("fills", _recent_fills),
    "trade/fills-history": ("fills-history", _fills_history),
}
