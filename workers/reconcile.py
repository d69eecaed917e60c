"""What changed while nobody watched: the diff between what was known and a snapshot. Pure.

Invariants:
1. A snapshot that failed changes nothing: no position is cleared, no order closed.
2. An order missing from the snapshot is only a question; the ladder answers it.
3. Each strategy's diff names its own orders only; orders nobody owns are external.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.contracts import plain
from router.evidence import BalanceReport, OrderReport, PositionReport
from router.ids import tag_of
from router.orders import OrderRecord
from router.state import State


@dataclass(slots=True)
class Sorted:
    """A snapshot of open orders, sorted by what it means for us."""

    known: list[tuple[OrderRecord, OrderReport]] = field(default_factory=list)
    orphans: list[tuple[str, OrderReport]] = field(default_factory=list)  # (owner by tag, report)
    external: list[OrderReport] = field(default_factory=list)
    missing: list[OrderRecord] = field(default_factory=list)


def due(live: Iterable[OrderRecord]) -> list[OrderRecord]:
    """Return the orders that a snapshot asked for from now on must show: those that were sent.

    No clock says so: an order of an earlier owner was sent by another host's.
    """
    return [record for record in live if record.state is not State.INITIALIZED]


def sort_snapshot(
    reports: Iterable[OrderReport],
    asked_for: Iterable[OrderRecord],
    find: Callable[[OrderReport], OrderRecord | None],
    owner_of_tag: Mapping[str, str],
) -> Sorted:
    """Return the snapshot sorted.

    An order is missing if it is one of those ``asked_for`` (``due`` when the snapshot was asked
    for), has not ended since, and is not in it.
    """
    out = Sorted()
    present: set[str] = set()
    for report in reports:
        record = find(report)
        if record is not None:
            present.add(record.oid)
            out.known.append((record, report))
        elif owner := owner_of_tag.get(tag_of(report.client_id) or ""):
            out.orphans.append((owner, report))
        else:
            out.external.append(report)
    out.missing = [record for record in asked_for if record.oid not in present and not record.ended]
    return out


def external_order(report: OrderReport) -> dict[str, str]:
    """Return an order nobody owns as the diff shows it."""
    return {
        "client_id": report.client_id,
        "eid": report.venue_id,
        "symbol": report.symbol,
        "side": report.side,
        "amount": plain(report.amount) if report.amount is not None else "",
        "filled": plain(report.filled),
        "price": plain(report.price) if report.price is not None else "",
    }


def positions_diff(
    before: Mapping[str, PositionReport], after: Mapping[str, PositionReport]
) -> dict[str, list[Any]]:
    """Return what opened, closed and changed; a position of 0 and a missing one are the same."""
    old = {symbol: one for symbol, one in before.items() if one.signed_amount}
    new = {symbol: one for symbol, one in after.items() if one.signed_amount}
    return {
        "positions_opened": sorted(new.keys() - old.keys()),
        "positions_closed": sorted(old.keys() - new.keys()),
        "positions_changed": [
            {
                "symbol": symbol,
                "before": plain(old[symbol].signed_amount),
                "after": plain(new[symbol].signed_amount),
            }
            for symbol in sorted(old.keys() & new.keys())
            if old[symbol].signed_amount != new[symbol].signed_amount
        ],
    }


def balances_diff(
    before: Mapping[str, BalanceReport], after: Mapping[str, BalanceReport]
) -> dict[str, dict[str, str]]:
    """Return asset → total before and after, for those that changed."""
    out: dict[str, dict[str, str]] = {}
    for asset in sorted(before.keys() | after.keys()):
        old = before[asset].free + before[asset].locked if asset in before else None
        new = after[asset].free + after[asset].locked if asset in after else None
        if (old or 0) != (new or 0):
            out[asset] = {
                "before": plain(old) if old is not None else "0",
                "after": plain(new) if new is not None else "0",
            }
    return out


def failed_diff(error: str) -> dict[str, Any]:
    """Return the diff of a resync that could not read the venue: it says nothing else."""
    return empty_diff() | {"success": False, "error": error}


def empty_diff() -> dict[str, Any]:
    """Return a diff in which nothing changed."""
    return {
        "success": True,
        "error": None,
        "positions_opened": [],
        "positions_closed": [],
        "positions_changed": [],
        "balances_changed": {},
        "open_orders_added": [],
        "open_orders_removed": [],
        "open_orders_external": [],
    }
