"""Read lists of items: in a push each on its own, in a query's reply all of them or none.

A push that cannot be read must not hide its neighbours. A reply from which an item were left out
would make an order look absent, so there one unreadable item spoils the whole answer.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from router.evidence import ZERO, PositionReport
from router.instruments import Instrument
from workers.venue import (
    Instruments,
    Proof,
    RestReply,
    RestRequest,
    UnexpectedReply,
    Unreadable,
    Verdict,
)
from workers.venues.fields import Item, Malformed, UnknownInstrument, decimal, mapping
from workers.venues.sizes import fill_base

T = TypeVar("T")


def listed(instruments: Instruments, name: str, kind: str = "") -> Instrument:
    """Return the instrument that the venue calls ``name``; ``kind`` where that is not all.

    Raises:
        UnknownInstrument: If it was not loaded.
    """
    found = instruments.venue_symbol(name, kind)
    if found is None:
        raise UnknownInstrument(f"unknown instrument {name!r:.60}")
    return found


def each(items: list[Any], read: Callable[[Item], T]) -> tuple[list[T], list[Unreadable], bool]:
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


def every(items: list[Any], read: Callable[[Item], T]) -> list[T]:
    """Return what every item of a reply says; those of instruments not loaded are left out.

    Raises:
        UnexpectedReply: If any other item cannot be read.
    """
    found = []
    for item in items:
        try:
            found.append(read(mapping(item, "an item")))
        except UnknownInstrument:
            continue
        except (Malformed, ArithmeticError) as problem:
            raise _unreadable(problem) from problem
    return found


def only(items: Sequence[Any], read: Callable[[Item], T], what: str) -> T:
    """Return what the one item of a reply says.

    Raises:
        UnexpectedReply: If there is not exactly one, or it cannot be read.
    """
    if len(items) != 1:
        no_answer(f"{len(items)} items where one {what} was asked for")
    try:
        return read(mapping(items[0], what))
    except (Malformed, ArithmeticError) as problem:
        raise _unreadable(problem) from problem


def tradable(items: list[Any], read: Callable[[Item], T]) -> list[T]:
    """Return the instruments that can be read; others (options, odd names) are left out."""
    return each(items, read)[0]


def netted(legs: Sequence[PositionReport | None]) -> tuple[PositionReport, ...]:
    """Return one position a symbol, where a venue keeps several of one instrument; None is none.

    The entry price is the average of those legs that are on the side of the sum: it is theirs that
    is left once the others are closed against them.
    """
    by_symbol: dict[str, list[PositionReport]] = {}
    for leg in legs:
        if leg is not None:
            by_symbol.setdefault(leg.symbol, []).append(leg)
    return tuple(one[0] if len(one) == 1 else _net(one) for one in by_symbol.values())


def _net(legs: list[PositionReport]) -> PositionReport:
    net = sum((leg.signed_amount for leg in legs), ZERO)
    left = [leg for leg in legs if leg.signed_amount * net > 0]
    cost = sum((leg.entry_price * leg.signed_amount for leg in left), ZERO)
    return PositionReport(
        symbol=legs[0].symbol,
        signed_amount=net,
        entry_price=cost / sum(leg.signed_amount for leg in left) if left else ZERO,
        unrealized_pnl=sum((leg.unrealized_pnl for leg in legs), ZERO),
        realized_pnl=sum((leg.realized_pnl for leg in legs), ZERO),
        ts_ms=max(leg.ts_ms for leg in legs),
    )


def best(levels: object, instrument: Instrument) -> tuple[Decimal | None, Decimal | None]:
    """Return the first of a book side's levels ``[price, size, ...]``, its size in base units.

    Raises:
        Malformed: If the side is no list of such levels; an empty one is (None, None).
    """
    if type(levels) is not list:
        raise Malformed("a book without bids or asks")
    if not levels:
        return None, None
    level = levels[0]
    if type(level) is not list or len(level) < 2:
        raise Malformed("a book level that is not [price, size, ...]")
    price = decimal(level[0], "price")
    return price, fill_base(instrument, decimal(level[1], "size"), price)


def page_after(request: RestRequest, key: str, last: str) -> RestRequest:
    """Return the request for the page after the item whose ``key`` is ``last``.

    Raises:
        UnexpectedReply: If that page was just read, or the item names nothing: no end is in sight.
    """
    start, _, before = request.path.partition(f"&{key}=")
    if not last or last == before:
        no_answer(f"a page that ends with {last!r} again")
    return RestRequest(request.method, f"{start}&{key}={last}", request.body, request.headers)


def no_next_page(request: RestRequest, reply: RestReply) -> None:
    """Return that nothing follows, at venues whose positions and instruments are one page each."""


def no_answer(why: str) -> NoReturn:
    """Raise UnexpectedReply: what was read answers nothing."""
    raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", why))


def _unreadable(problem: Exception) -> UnexpectedReply:
    return UnexpectedReply(Verdict(Proof.UNKNOWN, "", f"unreadable reply: {problem}"))
