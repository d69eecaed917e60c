"""Read Bitget's order, trade, position and balance items, which pushes and REST share.

Sizes are base units in both products. Any number may be "", "0" or left out.
"""

from decimal import Decimal

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
from workers.venues.bitget.words import CATEGORIES, READ_TYPES, SIDES, STATES
from workers.venues.fields import (
    Item,
    Malformed,
    UnknownInstrument,
    amount,
    moment,
    positive,
    price,
    required,
    text,
)
from workers.venues.reading import listed


def _instrument(item: Item, instruments: Instruments) -> Instrument:
    """Return what an item is about: a pair and its contract share their name."""
    category = text(item, "category").upper()  # pushes write it small or large
    if category not in CATEGORIES:
        raise UnknownInstrument(f"category {category!r:.60}")
    return listed(instruments, text(item, "symbol"), CATEGORIES[category])


def order(item: Item, instruments: Instruments, source: Source) -> OrderReport:
    """Return what one order item says; its trades are told apart."""
    instrument = _instrument(item, instruments)
    client_id, venue_id = _ids(item)
    state = STATES.get(text(item, "orderStatus"))
    if state is None:
        raise Malformed(f"unknown order state {item.get('orderStatus')!r:.60}")
    order_type, time_in_force = text(item, "orderType"), text(item, "timeInForce")
    word = order_type if order_type == "market" else f"{order_type} {time_in_force}"
    kind, lasts = READ_TYPES.get(word, ("", ""))
    created_ms = moment(item, "createdTime")
    return OrderReport(  # by position: by name it costs five times as much (docs/performance.md)
        instrument.symbol,
        client_id,
        venue_id,
        state,
        amount(item, "cumExecQty"),
        source,
        moment(item, "updatedTime") or created_ms,
        price(item, "avgPrice"),
        # A spot market buy has qty 0; its size is "amount", in quote units.
        amount(item, "qty") or None,
        price(item, "price"),
        SIDES.get(text(item, "side"), ""),
        kind,
        lasts,
        text(item, "reduceOnly").lower() == "yes",
        created_ms,
        None,
        text(item, "cancelReason") if state is VenueState.CANCELED else "",
    )


def _ids(item: Item) -> tuple[str, str]:
    ids = text(item, "clientOid"), text(item, "orderId")
    if not any(ids):
        raise Malformed("neither orderId nor clientOid")
    return ids


def pushed_trade(item: Item, instruments: Instruments) -> Fill:
    """Return one trade of the fill channel; what was paid is positive there."""
    fee, currency = _fee(item)
    return _trade(item, instruments, fee, currency)


def queried_trade(item: Item, instruments: Instruments) -> Fill:
    """Return one trade of the fills query.

    Captures of 2025-06 have what was paid positive there, those since 2025-09 negative. A taker
    is never paid; what a maker is, is told by the newer rule.
    """
    fee, currency = _fee(item)
    paid = abs(fee) if text(item, "tradeScope") == "taker" else -fee
    return _trade(item, instruments, paid, currency)


def _trade(item: Item, instruments: Instruments, fee: Decimal, currency: str) -> Fill:
    client_id, venue_id = _ids(item)
    return Fill(
        trade_id=required(item, "execId"),
        amount=positive(item, "execQty"),
        price=positive(item, "execPrice"),
        ts_ms=moment(item, "execTime") or moment(item, "createdTime"),
        fee=fee,
        fee_currency=currency,
        client_id=client_id,
        venue_id=venue_id,
        symbol=_instrument(item, instruments).symbol,
    )


def _fee(item: Item) -> tuple[Decimal, str]:
    details = item.get("feeDetail")
    if type(details) is not list or not details or type(details[0]) is not dict:
        return ZERO, ""
    return amount(details[0], "fee"), text(details[0], "feeCoin")


def position(item: Item, instruments: Instruments) -> PositionReport:
    """Return one position; pushes call its size ``size`` and name no category, replies do."""
    instrument = listed(instruments, text(item, "symbol"), "linear")
    if text(item, "holdMode") == "hedge_mode":
        raise Malformed(f"{instrument.venue_symbol}: hedge mode; one-way is required")
    size = amount(item, "size") or amount(item, "total")
    return PositionReport(
        symbol=instrument.symbol,
        signed_amount=-abs(size) if text(item, "posSide") == "short" else size,
        # An older copy of the channel's page has openPriceAvg.
        entry_price=price(item, "avgPrice") or amount(item, "openPriceAvg"),
        unrealized_pnl=amount(item, "unrealisedPnl"),
        realized_pnl=amount(item, "curRealisedPnl"),
        ts_ms=moment(item, "updatedTime"),
    )


def balance(item: Item, ts_ms: int) -> BalanceReport:
    """Return one coin; what orders and positions bind of it is locked."""
    free = amount(item, "available")
    locked = max(amount(item, "balance") - free, ZERO)
    return BalanceReport(asset=required(item, "coin"), free=free, locked=locked, ts_ms=ts_ms)
