"""Read orders, trades, positions and balances, as replies and events write them.

Replies spell their fields out, events abbreviate them, and a field that one of the products lacks
is absent there. Amounts are base units at the venue too.
"""

from collections.abc import Sequence
from dataclasses import replace

from router.evidence import (
    ZERO,
    BalanceReport,
    Fill,
    OrderReport,
    PositionReport,
    Source,
    VenueState,
)
from router.instruments import Instrument
from workers.venue import Instruments
from workers.venues.binance.orders import WORDS
from workers.venues.binance.settings import Product
from workers.venues.fields import (
    Item,
    Malformed,
    amount,
    mapping,
    moment,
    number,
    positive,
    price,
    required,
    text,
)
from workers.venues.reading import listed

_STATES = {
    VenueState.OPEN: "NEW PENDING_NEW PARTIALLY_FILLED PENDING_CANCEL NEW_INSURANCE NEW_ADL",
    VenueState.FILLED: "FILLED",
    VenueState.CANCELED: "CANCELED",
    VenueState.EXPIRED: "EXPIRED EXPIRED_IN_MATCH",
    VenueState.REJECTED: "REJECTED",
}
STATES = {word: state for state, words in _STATES.items() for word in words.split()}
#: Our words for type and time in force; types that we never send keep both empty.
_WORDS = {"MARKET GTC": ("MARKET", "GTC"), "LIMIT_MAKER GTC": ("POST_ONLY", "GTC")} | {
    word: (str(kind), str(time_in_force))
    for (kind, time_in_force), word in WORDS[Product.FUTURES].items()
}
# "er" of ORDER_TRADE_UPDATE, since 2025-12-10: "User data streams", read 2026-11.
_EXPIRIES = """
    1 self-trade prevention|2 IOC remainder|3 IOC remainder, by self-trade prevention
    |4 reduce-only order knocked out|5 liquidation|6 GTE condition|7 delisted
    |8 initial order of a triggered stop|9 market order remainder|10 FOK could not fill whole
    |11 post-only would take
"""
EXPIRIES = {one.split()[0]: one.strip() for one in _EXPIRIES.split("|")}


# --- orders -------------------------------------------------------------------------------------

#: How an order's fields are called: the id of a cancel, the order's own, its number, state, type,
#: time in force, side, size, price, filled size, average, cost, reduce-only.
Names = tuple[str, ...]
REPLY = (
    *("clientOrderId", "origClientOrderId", "orderId", "status", "type", "timeInForce", "side"),
    *("origQty", "price", "executedQty", "avgPrice", "cummulativeQuoteQty", "reduceOnly"),
)
EVENT = ("c", "C", "i", "X", "o", "f", "S", "q", "p", "z", "ap", "Z", "R")


def order(item: Item, instrument: Instrument, source: Source = Source.QUERY) -> OrderReport:
    """Return the order of a reply; raise Malformed if it says no state (spot's ACK)."""
    ts_ms = moment(item, "updateTime") or moment(item, "transactTime") or moment(item, "time")
    return _report(item, REPLY, instrument, source, ts_ms, moment(item, "time"))


def pushed_order(event: Item, instruments: Instruments) -> OrderReport:
    """Return what ORDER_TRADE_UPDATE (futures) or executionReport (spot) says."""
    item = mapping(event.get("o"), "o") if event.get("e") == "ORDER_TRADE_UPDATE" else event
    instrument = listed(instruments, text(item, "s"))
    report = _report(item, EVENT, instrument, Source.PUSH, moment(event, "T"))
    if report.state is not VenueState.OPEN:
        report = replace(report, reason=_reason(item))
    trade_id, traded = number(item, "t"), amount(item, "l")
    if not trade_id or not traded:
        return report
    fill = Fill(
        trade_id=trade_id,
        amount=traded,
        price=positive(item, "L"),
        ts_ms=moment(item, "T"),
        fee=amount(item, "n"),
        fee_currency=text(item, "N"),
        client_id=report.client_id,
        venue_id=report.venue_id,
        symbol=instrument.symbol,
    )
    return replace(report, fill=fill)


def _report(
    item: Item, names: Names, instrument: Instrument, source: Source, ts_ms: int, made_ms: int = 0
) -> OrderReport:
    own, first, order_id, status, kind, tif, side, size, limit, done, mean, cost, rest = names
    # In spot a cancel takes the client id's place, and the order's stands beside it.
    client_id, venue_id = text(item, first) or text(item, own), number(item, order_id)
    if not client_id and not venue_id:
        raise Malformed("an order with neither id")
    state = STATES.get(text(item, status))
    if state is None:
        raise Malformed(f"unknown order state {item.get(status)!r:.60}")
    filled, average = amount(item, done), price(item, mean)
    if average is None and filled:
        average = (amount(item, cost) / filled) or None
    words = _WORDS.get(f"{text(item, kind)} {text(item, tif)}", ("", ""))
    return OrderReport(  # by position: by name it costs five times as much (docs/performance.md)
        instrument.symbol,
        client_id,
        venue_id,
        state,
        filled,
        source,
        ts_ms,
        average,
        amount(item, size) or None,
        price(item, limit),
        text(item, side),
        *words,
        item.get(rest) is True,
        made_ms,
    )


def _reason(item: Item) -> str:
    """Return why the order ended: "er" of futures, "eR" or "r" of spot; "" for neither."""
    expired = text(item, "er")
    if expired not in ("", "0"):
        return EXPIRIES.get(expired, expired)
    refused = text(item, "r")
    return text(item, "eR") or ("" if refused == "NONE" else refused)


def trade(item: Item, instruments: Instruments) -> Fill:
    """Return one trade of the trades query; it does not name the order's client id."""
    trade_id, venue_id = number(item, "id"), number(item, "orderId")
    if not trade_id or not venue_id:
        raise Malformed("a trade without id or orderId")
    return Fill(
        trade_id=trade_id,
        amount=positive(item, "qty"),
        price=positive(item, "price"),
        ts_ms=moment(item, "time"),
        fee=amount(item, "commission"),
        fee_currency=text(item, "commissionAsset"),
        venue_id=venue_id,
        symbol=listed(instruments, text(item, "symbol")).symbol,
    )


# --- positions and balances ---------------------------------------------------------------------

POSITION_ROW = ("symbol", "positionSide", "positionAmt", "entryPrice", "unRealizedProfit")
POSITION_EVENT = ("s", "ps", "pa", "ep", "up")
FUTURES_ROW, FUTURES_EVENT = ("asset", "balance", "crossWalletBalance"), ("a", "wb", "cw")
SPOT_ROW, SPOT_EVENT = ("asset", "free", "locked"), ("a", "f", "l")


def position(
    item: Item, keys: Sequence[str], instruments: Instruments, ts_ms: int
) -> PositionReport | None:
    """Return one position; None for an empty one of hedge mode."""
    symbol, side, size, entry, unrealized = keys
    instrument = listed(instruments, text(item, symbol))
    signed = amount(item, size)
    if text(item, side) not in ("BOTH", ""):
        if signed:
            raise Malformed(f"{instrument.symbol}: a position of hedge mode; one-way is required")
        return None
    # "cr" sums up what the symbol ever realized, and is pushed only: it is not this position's.
    return PositionReport(
        symbol=instrument.symbol,
        signed_amount=signed,
        entry_price=amount(item, entry),
        unrealized_pnl=amount(item, unrealized),
        realized_pnl=ZERO,
        ts_ms=ts_ms,
    )


def futures_balance(item: Item, keys: Sequence[str], ts_ms: int) -> BalanceReport:
    """Return one asset: its cross wallet is free, the margin of isolated positions locked.

    What margin leaves available is not pushed, so it is not told at all.
    """
    asset, wallet, cross = keys
    free = amount(item, cross)
    return BalanceReport(required(item, asset), free, amount(item, wallet) - free, ts_ms)


def spot_balance(item: Item, keys: Sequence[str], ts_ms: int) -> BalanceReport:
    """Return one asset."""
    asset, free, locked = keys
    return BalanceReport(required(item, asset), amount(item, free), amount(item, locked), ts_ms)
