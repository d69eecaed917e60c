"""Queries of futures orders and trades: the sheet, A3.4, A6.1, A6.2."""

from __future__ import annotations

from typing import Any

from simulator.binance import lookups
from simulator.binance.codes import Problem
from simulator.binance.usdm.order_frames import queried, trade
from simulator.binance.venue import Call

_WINDOW_MS = 7 * lookups.DAY_MS
# Since 2026-08: the sheet, A0.
_TRADES_MS = 90 * lookups.DAY_MS


def one(call: Call) -> dict[str, Any]:
    """Return an order in whatever state, as far as it is kept; -2013 if it is not shown."""
    return queried(lookups.order(call))


def one_open(call: Call) -> dict[str, Any]:
    """Return an open order; -2013 if it is not open."""
    order = lookups.order(call)
    if not order.is_open:
        raise Problem(-2013)
    return queried(order)


def all_open(call: Call) -> list[dict[str, Any]]:
    """Return the open orders, of one symbol or of all."""
    return [queried(order, filled) for order, filled in lookups.pending(call)]


def history(call: Call) -> list[dict[str, Any]]:
    """Return orders, ended or not, oldest first; from ``orderId`` on, or of at most 7 days."""
    return [queried(order) for order in lookups.history(call, _WINDOW_MS, always=True)]


def trades(call: Call) -> list[dict[str, Any]]:
    """Return fills, oldest first; from ``fromId`` on, of one order, or of at most 7 days."""
    found = lookups.trades(call, _WINDOW_MS, always=True, kept_ms=_TRADES_MS)
    return [trade(fill) for fill in found]
