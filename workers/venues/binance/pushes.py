"""Read what the streams bring: orders, balances, positions, best prices, and their own end.

Events come bare (``/private/ws``), inside ``data`` (``/stream``) or inside ``event`` (the spot
WebSocket API). TRADE_LITE is left out on purpose: it comes first, but has no fee, and the trade's
own event follows with the same trade id. An item that cannot be read becomes Unreadable and its
neighbours are still read. No frame is a full snapshot.
"""

from collections.abc import Callable, Sequence

from router.evidence import BalanceReport, BookTop
from workers.venue import (
    BalancesPushed,
    BookPushed,
    ClosingSoon,
    Instruments,
    OrderPushed,
    PositionsPushed,
    SessionOver,
    Unreadable,
    VenueEvent,
)
from workers.venues.binance import reports
from workers.venues.fields import Item, Malformed, amount, mapping, moment, price, rows, said, text
from workers.venues.reading import each, listed

BOOK = "@bookTicker"


def read_push(frame: Item, frame_text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return what an event says, bare or wrapped; [] for those that change nothing here."""
    try:
        event = mapping(frame.get("data", frame.get("event", frame)), "an event")
        # Spot's best prices do not say what they are.
        kind = text(event, "e") or ("bookTicker" if said(frame, "stream").endswith(BOOK) else "")
        if kind in _IGNORED:
            return []
        if kind not in _READERS:
            return [Unreadable(f"unknown event {kind!r:.60}", frame_text)]
        return _READERS[kind](event, instruments)
    except (Malformed, ArithmeticError) as problem:
        return [Unreadable(str(problem) or type(problem).__name__, frame_text)]


def _order(event: Item, instruments: Instruments) -> list[VenueEvent]:
    return [OrderPushed(reports.pushed_order(event, instruments))]


def _account(event: Item, instruments: Instruments) -> list[VenueEvent]:
    account, ts_ms = mapping(event.get("a"), "a"), moment(event, "T")
    balances = _balances(account, reports.futures_balance, reports.FUTURES_EVENT, ts_ms)
    keys = reports.POSITION_EVENT
    read, wrong, _ = each(
        rows(account, "P"), lambda item: reports.position(item, keys, instruments, ts_ms)
    )
    found = tuple(one for one in read if one is not None)
    return [*balances, *([PositionsPushed(found, complete=False)] if found else []), *wrong]


def _spot_account(event: Item, instruments: Instruments) -> list[VenueEvent]:
    return _balances(event, reports.spot_balance, reports.SPOT_EVENT, moment(event, "u"))


def _balances(
    account: Item,
    read: Callable[[Item, Sequence[str], int], BalanceReport],
    keys: Sequence[str],
    ts_ms: int,
) -> list[VenueEvent]:
    found, wrong, _ = each(rows(account, "B"), lambda item: read(item, keys, ts_ms))
    return [*([BalancesPushed(tuple(found), complete=False)] if found else []), *wrong]


def _book(event: Item, instruments: Instruments) -> list[VenueEvent]:
    bid, ask = price(event, "b"), price(event, "a")
    top = BookTop(
        symbol=listed(instruments, text(event, "s")).symbol,
        bid=bid,
        bid_size=amount(event, "B") if bid is not None else None,
        ask=ask,
        ask_size=amount(event, "A") if ask is not None else None,
        ts_ms=moment(event, "T") or moment(event, "E"),
    )
    return [BookPushed(top)]


_READERS: dict[str, Callable[[Item, Instruments], list[VenueEvent]]] = {
    "ORDER_TRADE_UPDATE": _order,
    "ACCOUNT_UPDATE": _account,
    "executionReport": _order,
    "outboundAccountPosition": _spot_account,
    "bookTicker": _book,
    "listenKeyExpired": lambda event, _: [SessionOver("listenKeyExpired: no more pushes here")],
    "eventStreamTerminated": lambda event, _: [SessionOver("eventStreamTerminated")],
    "serverShutdown": lambda event, _: [ClosingSoon("serverShutdown")],
}
# About things that are not traded here, or told by another event as well.
_ELSEWHERE = """
    TRADE_LITE MARGIN_CALL ACCOUNT_CONFIG_UPDATE ALGO_UPDATE STRATEGY_UPDATE GRID_UPDATE
    CONDITIONAL_ORDER_TRIGGER_REJECT balanceUpdate listStatus externalLockUpdate
"""
_IGNORED = frozenset(_ELSEWHERE.split())
