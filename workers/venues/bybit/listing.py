"""Read the instruments that Bybit lists. Linear sizes are base units, inverse ones US dollars."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venues.bybit.orders import CLIENT_ID
from workers.venues.fields import Item, Malformed, amount, mapping, moment, positive, required, text
from workers.venues.sizes import SIZE_STEP, Steps, base_steps

_COIN = re.compile(r"[A-Z0-9]{1,15}")


def instrument(item: Item, category: str) -> Instrument:
    """Return one listed instrument; steps and limits in base units.

    Raises:
        Malformed: If it cannot be traded here: fields missing, or a contract of another kind.
    """
    base, quote = required(item, "baseCoin"), required(item, "quoteCoin")
    if not _COIN.fullmatch(base) or not _COIN.fullmatch(quote):
        raise Malformed(f"{base!r:.60} and {quote!r:.60} make no symbol here")
    lots = mapping(item.get("lotSizeFilter"), "lotSizeFilter")
    steps = _pair(lots) if category == "spot" else _contract(lots, category)
    return Instrument(
        symbol=f"{base}{quote}{_term(item, category)}.BYBIT",
        exchange=ExchangeType.BYBIT,
        kind=category,
        base=base,
        quote=quote,
        settle=text(item, "settleCoin") or quote,
        tick_size=positive(mapping(item.get("priceFilter"), "priceFilter"), "tickSize"),
        tradable=text(item, "status") == "Trading",
        client_id_pattern=CLIENT_ID,
        venue_symbol=required(item, "symbol"),
        venue_ids={} if category == "spot" else {SIZE_STEP: required(lots, "qtyStep")},
        **steps._asdict(),
    )


def _pair(lots: Item) -> Steps:
    step = positive(lots, "basePrecision")
    most = amount(lots, "maxLimitOrderQty") or amount(lots, "maxOrderQty") or None
    least = amount(lots, "minOrderQty") or step
    return Steps(Decimal(1), step, least, most, amount(lots, "minOrderAmt"))


def _contract(lots: Item, category: str) -> Steps:
    steps = base_steps(
        category,
        Decimal(1),
        lot=positive(lots, "qtyStep"),
        least=positive(lots, "minOrderQty"),
        most=amount(lots, "maxOrderQty"),
    )
    if category == "inverse":
        return steps
    return steps._replace(min_cost=amount(lots, "minNotionalValue"))


def _term(item: Item, category: str) -> str:
    """Return the tail of our symbol: none for a pair, -PERP, or the day of delivery."""
    if category == "spot":
        return ""
    kind = text(item, "contractType")
    if kind not in (f"{category.title()}Perpetual", f"{category.title()}Futures"):
        raise Malformed(f"contract type {kind!r:.60} in {category}")
    return "-PERP" if kind.endswith("Perpetual") else f"-{_day(moment(item, 'deliveryTime'))}"


def _day(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms // 1000, UTC):%y%m%d}"
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"no day of delivery: {ms}") from None
