"""Read OKX's order, fill, position and balance items, which pushes and REST share."""

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
from workers.venues.fields import Item, Malformed, amount, mapping, moment, price, text
from workers.venues.okx.words import CANCEL_SOURCES, READ_TYPES, SIDES, STATES
from workers.venues.reading import listed
from workers.venues.sizes import fill_base, filled_base, to_base


def pushed_order(item: Item, instruments: Instruments) -> OrderReport:
    """Return what a push says; fillX fields are for this update, so they are its fill."""
    instrument = listed(instruments, text(item, "instId"))
    fill = _fill(item, instrument, "fillFee", "fillFeeCcy")
    return _report(item, instrument, Source.PUSH, fill)


def queried_order(item: Item, instruments: Instruments, source: Source) -> OrderReport:
    """Return what REST says; its fillX fields are the *last* fill's, so they are left out."""
    return _report(item, listed(instruments, text(item, "instId")), source, None)


def _report(item: Item, instrument: Instrument, source: Source, fill: Fill | None) -> OrderReport:
    client_id, venue_id = text(item, "clOrdId"), text(item, "ordId")
    if not client_id and not venue_id:
        raise Malformed("an order with neither ordId nor clOrdId")
    # orders-pending lists nothing else than open orders, so a state yet unknown there is open.
    pending = source is Source.OPEN_ORDERS
    state = VenueState.OPEN if pending else STATES.get(text(item, "state"))
    if state is None:
        raise Malformed(f"unknown order state {item.get('state')!r:.60}")
    average = price(item, "avgPx")
    order_type, time_in_force = READ_TYPES.get(text(item, "ordType"), ("", ""))
    return OrderReport(  # by position: by name it costs five times as much (docs/performance.md)
        instrument.symbol,
        client_id,
        venue_id,
        state,
        filled_base(instrument, amount(item, "accFillSz"), average),
        source,
        moment(item, "uTime"),
        average,
        _order_amount(item, instrument),
        price(item, "px"),
        SIDES.get(text(item, "side"), ""),
        order_type,
        time_in_force,
        item.get("reduceOnly") in ("true", True),
        moment(item, "cTime"),
        fill,
        _end_reason(item) if state is VenueState.CANCELED else "",
        _amend_failure(item),
    )


def _order_amount(item: Item, instrument: Instrument) -> Decimal | None:
    """Return the order's size in base units; None where the venue holds it in quote units."""
    if instrument.kind == "spot" and item.get("ordType") == "market":
        # Without tgtCcy a market buy, spot or margin, is sized in quote units: "Place order",
        # sz and tgtCcy, read 2026-11.
        target = text(item, "tgtCcy")
        if target == "quote_ccy" or (target == "" and item.get("side") == "buy"):
            return None
    return to_base(instrument, amount(item, "sz")) or None


def queried_fill(item: Item, instruments: Instruments) -> Fill:
    """Return one trade of the fills queries."""
    found = _fill(item, listed(instruments, text(item, "instId")), "fee", "feeCcy")
    if found is None:
        raise Malformed("a fill without tradeId or fillSz")
    return found


def _fill(item: Item, instrument: Instrument, fee_key: str, currency_key: str) -> Fill | None:
    """Return the trade that the fillX fields tell of; None if they tell of none."""
    if not (trade_id := text(item, "tradeId")) or not (size := amount(item, "fillSz")):
        return None
    fill_price = price(item, "fillPx")
    if fill_price is None:
        raise Malformed("a fill without fillPx")
    return Fill(
        trade_id=trade_id,
        amount=fill_base(instrument, size, fill_price),
        price=fill_price,
        ts_ms=moment(item, "fillTime") or moment(item, "uTime") or moment(item, "ts"),
        fee=-amount(item, fee_key),
        fee_currency=text(item, currency_key),
        client_id=text(item, "clOrdId"),
        venue_id=text(item, "ordId"),
        symbol=instrument.symbol,
    )


def _end_reason(item: Item) -> str:
    source = text(item, "cancelSource")
    said = CANCEL_SOURCES.get(source) or text(item, "cancelSourceReason")
    if not said and item.get("state") == "mmp_canceled":
        said = "market maker protection"
    if source and not said:
        said = "canceled by the venue"
    return f"{source} {said}".strip() or _code_text(item)


def _amend_failure(item: Item) -> str:
    # "-1" failed; "1" failed and the order was canceled for it: "Order channel", read 2026-11.
    if text(item, "amendResult") not in ("-1", "1"):
        return ""
    return _code_text(item) or "the amendment failed, no reason given"


def _code_text(item: Item) -> str:
    code = text(item, "code")
    return "" if code in ("", "0") else f"{code} {text(item, 'msg')}".strip()


def position(item: Item, instruments: Instruments) -> PositionReport | None:
    """Return one position; None for margin positions, which are no position of an instrument.

    Long/short mode writes shorts as positive numbers; they are negative here. Of one contract
    there may be two, cross and isolated ("posId" tells them apart): our orders make one of them.
    """
    instrument = listed(instruments, text(item, "instId"))
    if instrument.kind == "spot":
        return None
    size = amount(item, "pos")
    side = text(item, "posSide")
    entry = price(item, "avgPx")
    at = entry or price(item, "markPx") or price(item, "last")
    return PositionReport(
        symbol=instrument.symbol,
        signed_amount=filled_base(instrument, -abs(size) if side == "short" else size, at),
        entry_price=entry or ZERO,
        unrealized_pnl=amount(item, "upl"),
        realized_pnl=amount(item, "realizedPnl"),
        ts_ms=moment(item, "uTime") or moment(item, "pTime"),
    )


def balances(account: Item) -> list[BalanceReport]:
    """Return the assets of one account item (``details`` of push and query)."""
    details = account.get("details")
    if type(details) is not list:
        raise Malformed("an account without details")
    return [_balance(mapping(detail, "a balance"), account) for detail in details]


def _balance(detail: Item, account: Item) -> BalanceReport:
    asset = text(detail, "ccy")
    if not asset:
        raise Malformed("a balance without ccy")
    # availBal is empty in some account modes, where availEq stands for it.
    free = "availBal" if text(detail, "availBal") else "availEq"
    return BalanceReport(
        asset=asset,
        free=amount(detail, free),
        locked=amount(detail, "frozenBal"),
        ts_ms=moment(detail, "uTime") or moment(account, "uTime"),
    )
