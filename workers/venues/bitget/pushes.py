"""Read the channels: orders, trades, the account, positions and best prices.

An item that cannot be read becomes Unreadable and its neighbours are still read. The documents
call every push a snapshot, but say of most that they bring what changed: none counts as complete.
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
from workers.venues.bitget import reports
from workers.venues.bitget.session import BOOK
from workers.venues.bitget.words import CATEGORIES
from workers.venues.fields import Item, mapping, moment, rows, said, text
from workers.venues.reading import best, each, listed


def read_push(frame: Item, frame_text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return what a channel's frame says."""
    arg, items = frame.get("arg"), frame.get("data")
    reader = _READERS.get(said(arg, "topic")) if type(arg) is dict else None
    if reader is None or type(items) is not list:
        return [Unreadable("a push of an unknown topic or without data", frame_text)]
    return reader(frame, items, instruments)


def _orders(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(items, lambda item: reports.order(item, instruments, Source.PUSH))
    return [*map(OrderPushed, found), *wrong]


def _trades(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(items, lambda item: reports.pushed_trade(item, instruments))
    return [*map(FillPushed, found), *wrong]


def _positions(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, _ = each(items, lambda item: reports.position(item, instruments))
    return [PositionsPushed(tuple(found), complete=False), *wrong] if found else [*wrong]


def _account(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    def coins(account: Item) -> list[BalanceReport]:
        when = moment(frame, "ts")
        return [reports.balance(mapping(one, "a coin"), when) for one in rows(account, "coin")]

    found, wrong, _ = each(items, coins)
    balances = tuple(one for account in found for one in account)
    return [BalancesPushed(balances, complete=False), *wrong] if balances else [*wrong]


def _books(frame: Item, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    arg = frame["arg"]  # it alone names the instrument
    kind = CATEGORIES.get(said(arg, "instType").upper(), "")

    def top(item: Item) -> BookTop:
        instrument = listed(instruments, text(arg, "symbol"), kind)
        prices = (*best(item.get("b"), instrument), *best(item.get("a"), instrument))
        return BookTop(instrument.symbol, *prices, moment(item, "ts"))

    found, wrong, _ = each(items, top)
    return [*map(BookPushed, found), *wrong]


_READERS: dict[str, Callable[[Item, list[Any], Instruments], list[VenueEvent]]] = {
    "order": _orders,
    "fill": _trades,
    "account": _account,
    "position": _positions,
    BOOK: _books,
}
