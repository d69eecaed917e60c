"""Read the topics: orders, trades, positions, the wallet and best prices.

An item that cannot be read becomes Unreadable and its neighbours are still read. No push is a full
snapshot, and none is made on subscribing.
"""

from collections.abc import Callable
from typing import Any

from router.evidence import BalanceReport, BookTop, Source
from workers.venue import (
    BalancesPushed,
    BookPushed,
    FillPushed,
    Instruments,
    OrderPushed,
    PositionsPushed,
    Unreadable,
    VenueEvent,
)
from workers.venues.bybit import reports
from workers.venues.bybit.session import BOOK
from workers.venues.fields import Item, Malformed, mapping, moment, rows, said, text
from workers.venues.reading import best, each, listed


def read_push(frame: Item, frame_text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return what a topic's frame says."""
    topic = said(frame, "topic")
    if topic.startswith(BOOK):
        return _book(frame, frame_text, instruments)
    reader = _READERS.get(topic.partition(".")[0])  # "order" or one category of it, "order.spot"
    items = frame.get("data")
    if reader is None or type(items) is not list:
        return [Unreadable("a push of an unknown topic or without data", frame_text)]
    return reader(frame, items, instruments)


def _orders(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(
        items, lambda one: reports.order(one, text(one, "category"), instruments, Source.PUSH)
    )
    return [*map(OrderPushed, found), *wrong]


def _trades(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(
        items, lambda one: reports.trade(one, text(one, "category"), instruments)
    )
    return [*(FillPushed(fill) for fill in found if fill is not None), *wrong]


def _positions(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(
        items, lambda one: reports.position(one, text(one, "category"), instruments)
    )
    return [PositionsPushed(tuple(found), complete=False), *wrong] if found else [*wrong]


def _wallet(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    def coins(account: Item) -> list[BalanceReport]:
        when = moment(frame, "creationTime")
        return [reports.balance(mapping(one, "a coin"), when) for one in rows(account, "coin")]

    found, wrong, _ = each(items, coins)
    balances = tuple(one for account in found for one in account)
    return [BalancesPushed(balances, complete=False), *wrong] if balances else [*wrong]


def _book(frame: Item, frame_text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return the best prices; a frame names no category, so that its socket must say which it is.

    They are whole snapshots since 2025-03-20. A change of one side (older) says too little.
    """
    try:
        data = mapping(frame.get("data"), "a book")
        bids, asks = rows(data, "b"), rows(data, "a")
        if frame.get("type") == "delta" and not (bids and asks):
            return []
        instrument = listed(instruments, text(data, "s"))
        top = (*best(bids, instrument), *best(asks, instrument))
        when = moment(frame, "cts") or moment(frame, "ts")
        return [BookPushed(BookTop(instrument.symbol, *top, when))]
    except (Malformed, ArithmeticError) as problem:
        return [Unreadable(str(problem) or type(problem).__name__, frame_text)]


_READERS: dict[str, Callable[[Item, list[Any], Instruments], list[VenueEvent]]] = {
    "order": _orders,
    "execution": _trades,
    "position": _positions,
    "wallet": _wallet,
}
