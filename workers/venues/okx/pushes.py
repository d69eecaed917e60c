"""Read the channels: orders, account, positions and best prices.

An item that cannot be read becomes Unreadable and its neighbours are still read. ``complete`` is
said of a snapshot only when one frame holds all of it (curPage 1 and lastPage true) and each of
its items could be read; the pages of a longer one count as updates, since a single frame cannot
say what the others left out. Frames of before 2024 have no eventType and are updates too.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from router.evidence import BookTop
from router.instruments import Instrument
from workers.venue import (
    BalancesPushed,
    BookPushed,
    Instruments,
    OrderPushed,
    PositionsPushed,
    Unreadable,
    VenueEvent,
)
from workers.venues.okx.fields import Item, Malformed, UnknownInstrument, decimal, mapping, moment
from workers.venues.okx.reports import balances, instrument_of, position, pushed_order
from workers.venues.okx.sizes import fill_base

Frame = Mapping[str, Any]
T = TypeVar("T")


def read_push(frame: Frame, text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return what a channel's frame says."""
    arg, items = frame.get("arg"), frame.get("data")
    channel = arg.get("channel") if type(arg) is dict else None
    reader = _READERS.get(channel) if type(channel) is str else None
    if reader is None or type(items) is not list:
        return [Unreadable("a push of an unknown channel or without data", text)]
    return reader(frame, items, instruments)


def _orders(frame: Frame, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    reports, wrong, _ = _each(items, lambda item: pushed_order(item, instruments))
    return [*map(OrderPushed, reports), *wrong]


def _positions(frame: Frame, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    found, wrong, readable = _each(items, lambda item: position(item, instruments))
    reports = tuple(one for one in found if one is not None)
    complete = _whole(frame) and readable
    said = reports or _whole(frame)
    return [*([PositionsPushed(reports, complete)] if said else []), *wrong]


def _account(frame: Frame, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    accounts, wrong, readable = _each(items, balances)
    found = tuple(one for account in accounts for one in account)
    complete = _whole(frame) and readable
    said = found or _whole(frame)
    return [*([BalancesPushed(found, complete)] if said else []), *wrong]


def _whole(frame: Frame) -> bool:
    return (
        frame.get("eventType") == "snapshot"
        and frame.get("curPage") == 1
        and frame.get("lastPage") is True
    )


def _books(frame: Frame, items: list[Any], instruments: Instruments) -> list[VenueEvent]:
    # The instrument is named in arg only: "Order book channel", bbo-tbt, read 2026-11.
    tops, wrong, _ = _each(items, lambda item: _top(frame["arg"], item, instruments))
    return [*map(BookPushed, tops), *wrong]


def _top(arg: Item, item: Item, instruments: Instruments) -> BookTop:
    instrument = instrument_of(arg, instruments)
    bid, bid_size = _best(item.get("bids"), instrument)
    ask, ask_size = _best(item.get("asks"), instrument)
    return BookTop(instrument.symbol, bid, bid_size, ask, ask_size, moment(item, "ts"))


def _best(levels: object, instrument: Instrument) -> tuple[Decimal | None, Decimal | None]:
    if type(levels) is not list:
        raise Malformed("a book without bids or asks")
    if not levels:
        return None, None
    level = levels[0]
    if type(level) is not list or len(level) < 2:
        raise Malformed("a book level that is not [price, size, ...]")
    price = decimal(level[0], "price")
    return price, fill_base(instrument, decimal(level[1], "size"), price)


def _each(items: list[Any], read: Callable[[Item], T]) -> tuple[list[T], list[Unreadable], bool]:
    """Return what could be read, what not, and whether nothing of ours is among the latter.

    An item of an instrument that was not loaded (an option) hides none of ours.
    """
    found: list[T] = []
    wrong: list[Unreadable] = []
    readable = True
    for item in items:
        try:
            found.append(read(mapping(item, "an item")))
        except (Malformed, ArithmeticError) as problem:
            readable = readable and isinstance(problem, UnknownInstrument)
            wrong.append(Unreadable(str(problem) or type(problem).__name__, f"{item!r:.500}"))
    return found, wrong, readable


_READERS: dict[str, Callable[[Frame, list[Any], Instruments], list[VenueEvent]]] = {
    "orders": _orders,
    "account": _account,
    "positions": _positions,
    "bbo-tbt": _books,
}
