"""Read Bybit's order, trade, position and balance items, which pushes and REST share.

Any number may be "", "0", "0.00" or left out. A canceled order's leavesQty is 0 whatever was left,
so what was filled is the only quantity read beside the order's own.
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
from workers.venues.bybit.words import NO_REASON, READ_TYPES, SIDES, STATES
from workers.venues.fields import Item, Malformed, amount, moment, positive, price, required, text
from workers.venues.reading import listed
from workers.venues.sizes import fill_base, filled_base, to_base


def order(item: Item, category: str, instruments: Instruments, source: Source) -> OrderReport:
    """Return what one order item says; its trades are told apart."""
    instrument = listed(instruments, text(item, "symbol"), category)
    client_id, venue_id = text(item, "orderLinkId"), text(item, "orderId")
    if not client_id and not venue_id:
        raise Malformed("an order with neither orderId nor orderLinkId")
    filled = _filled(item, instrument)
    order_type = text(item, "orderType")
    kind, time_in_force = READ_TYPES.get(f"{order_type} {text(item, 'timeInForce')}", ("", ""))
    created_ms = moment(item, "createdTime")
    state = _state(item, filled)
    return OrderReport(  # by position: by name it costs five times as much (docs/performance.md)
        instrument.symbol,
        client_id,
        venue_id,
        state,
        filled,
        source,
        moment(item, "updatedTime") or created_ms,
        price(item, "avgPrice"),
        _amount(item, instrument),
        # A market order's is the venue's own bound against slippage: FAQ, read 2026-07.
        None if order_type == "Market" else price(item, "price"),
        SIDES.get(text(item, "side"), ""),
        kind,
        time_in_force,
        item.get("reduceOnly") is True,
        created_ms,
        None,
        "" if state in (VenueState.OPEN, VenueState.FILLED) else _end_reason(item),
    )


def _state(item: Item, filled: Decimal) -> VenueState:
    state = STATES.get(text(item, "orderStatus"))
    if state is None:
        raise Malformed(f"unknown order state {item.get('orderStatus')!r:.60}")
    # Rejected with trades was seen (nautilus_trader, read 2026-07): they stand, the rest does not.
    return VenueState.CANCELED if state is VenueState.REJECTED and filled else state


def _end_reason(item: Item) -> str:
    words = text(item, "rejectReason"), text(item, "cancelType")
    return " ".join(word for word in words if word not in NO_REASON)


def _filled(item: Item, instrument: Instrument) -> Decimal:
    size, average = amount(item, "cumExecQty"), price(item, "avgPrice")
    filled = filled_base(instrument, size, average)
    if instrument.kind != "inverse":
        return filled
    # The rounded average of many trades may make more of them than they are; their value in base
    # coin is rounded otherwise. More than the trades' sum would look like a trade that was missed.
    return min(filled, amount(item, "cumExecValue") or filled)


def _amount(item: Item, instrument: Instrument) -> Decimal | None:
    """Return the order's size in base units; None where the venue holds it in quote units."""
    if instrument.kind == "spot" and text(item, "orderType") == "Market":
        unit = text(item, "marketUnit")
        if unit == "quoteCoin" or (not unit and text(item, "side") == "Buy"):
            return None
    return to_base(instrument, amount(item, "qty")) or None


def trade(item: Item, category: str, instruments: Instruments) -> Fill | None:
    """Return one trade of an order; None for what is none of ours (funding, liquidation)."""
    instrument = listed(instruments, text(item, "symbol"), category)
    if text(item, "execType") not in ("", "Trade"):
        return None
    client_id, venue_id = text(item, "orderLinkId"), text(item, "orderId")
    if not client_id and not venue_id:
        raise Malformed("a trade with neither orderId nor orderLinkId")
    at = positive(item, "execPrice")
    return Fill(
        trade_id=required(item, "execId"),
        amount=fill_base(instrument, positive(item, "execQty"), at),
        price=at,
        ts_ms=moment(item, "execTime"),
        fee=amount(item, "execFee"),
        # Said of pairs always, of contracts not in every frame: they are paid in what settles.
        fee_currency=text(item, "feeCurrency") or ("" if category == "spot" else instrument.settle),
        client_id=client_id,
        venue_id=venue_id,
        symbol=instrument.symbol,
    )


def position(item: Item, category: str, instruments: Instruments) -> PositionReport:
    """Return one position; pushes call its price entryPrice, replies avgPrice."""
    instrument = listed(instruments, text(item, "symbol"), category)
    if item.get("positionIdx") in (1, 2):
        raise Malformed(f"{instrument.venue_symbol}: a side of hedge mode; one-way is required")
    size = amount(item, "size")
    entry = price(item, "entryPrice") or price(item, "avgPrice")
    held = filled_base(instrument, size, entry or price(item, "markPrice"))
    return PositionReport(
        symbol=instrument.symbol,
        signed_amount=-held if text(item, "side") == "Sell" else held,
        entry_price=entry or ZERO,
        unrealized_pnl=amount(item, "unrealisedPnl"),
        realized_pnl=amount(item, "curRealisedPnl"),
        ts_ms=moment(item, "updatedTime"),
    )


def balance(item: Item, ts_ms: int) -> BalanceReport:
    """Return one coin of the wallet; what orders and positions bind of it is locked."""
    locked = sum((amount(item, key) for key in _LOCKED), ZERO)
    free = amount(item, "walletBalance") - locked
    return BalanceReport(asset=required(item, "coin"), free=free, locked=locked, ts_ms=ts_ms)


_LOCKED = ("locked", "totalOrderIM", "totalPositionIM")
