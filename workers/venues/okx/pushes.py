"""Read the channels: orders, account, positions and best prices.

An item that cannot be read becomes Unreadable and its neighbours are still read. ``complete`` is
said of a snapshot only when one frame holds all of it (curPage 1 and lastPage true) and each of
its items could be read; the pages of a longer one count as updates, since a single frame cannot
say what the others left out. Frames of before 2024 have no eventType and are updates too.
"""

from collections.abc import Callable
from typing import Any

from router.evidence import BookTop
from workers.venue import (
    BalancesPushed,
    BookPushed,
    Instruments,
    OrderPushed,
    PositionsPushed,
    Unreadable,
    VenueEvent,
)
from workers.venues.fields import Item, moment, text
from workers.venues.okx.reports import balances, position, pushed_order
from workers.venues.reading import best, each, listed, netted


def read_push(frame: Item, text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return what a channel's frame says."""
    arg, items = frame.get("arg"), frame.get("data")
    channel = arg.get("channel") if type(arg) is dict else None
    reader = _READERS.get(channel) if type(channel) is str else None
    if reader is None or type(items) is not list:
        return [Unreadable("a push of an unknown channel or without data", text)]
    return reader(frame, items, instruments)


def _orders(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    reports, wrong, _ = each(items, lambda item: pushed_order(item, instruments))
    return [*map(OrderPushed, reports), *wrong]


def _positions(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, readable = each(items, lambda item: position(item, instruments))
    whole = _whole(frame)
    # An update may hold one leg alone, and nobody here knows the other.
    reports = netted(found) if whole else tuple(one for one in found if one is not None)
    if not reports and not whole:
        return [*wrong]
    return [PositionsPushed(reports, whole and readable), *wrong]


def _account(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    accounts, wrong, readable = each(items, balances)
    reports = tuple(one for account in accounts for one in account)
    if not reports and not _whole(frame):
        return [*wrong]
    return [BalancesPushed(reports, _whole(frame) and readable), *wrong]


def _whole(frame: Item) -> bool:
    return (
        frame.get("eventType") == "snapshot"
        and frame.get("curPage") == 1
        and frame.get("lastPage") is True
    )


def _books(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    # The instrument is named in arg only: "Order book channel", bbo-tbt, read 2026-11.
    tops, wrong, _ = each(items, lambda item: _top(frame["arg"], item, instruments))
    return [*map(BookPushed, tops), *wrong]


def _top(arg: Item, item: Item, instruments: Instruments) -> BookTop:
    instrument = listed(instruments, text(arg, "instId"))
    bid, bid_size = best(item.get("bids"), instrument)
    ask, ask_size = best(item.get("asks"), instrument)
    return BookTop(instrument.symbol, bid, bid_size, ask, ask_size, moment(item, "ts"))


_READERS: dict[str, Callable[[Item, list[Any], Instruments], list[VenueEvent]]] = {
    "orders": _orders,
    "account": _account,
    "positions": _positions,
    "bbo-tbt": _books,
}
