"""Read the instruments that exchangeInfo lists; their amounts are base units already."""

import re
from collections.abc import Mapping
from decimal import Decimal

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venues.binance.orders import CLIENT_ID
from workers.venues.binance.settings import Product
from workers.venues.fields import Item, Malformed, amount, mapping, positive, required, rows, text

_NAME = re.compile(r"([A-Z0-9]{1,30})(?:_([0-9]{6}))?")


def instrument(item: Item, product: Product) -> Instrument:
    """Return one listed instrument.

    Raises:
        Malformed: If it cannot be traded here: fields missing, or a name without a symbol.
    """
    filters = _filters(item)
    prices, lots = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    allowed = product is Product.FUTURES or item.get("isSpotTradingAllowed") is not False
    quote = required(item, "quoteAsset")
    return Instrument(
        symbol=_symbol(required(item, "symbol"), product),
        exchange=ExchangeType.BINANCE,
        kind="linear" if product is Product.FUTURES else "spot",
        base=required(item, "baseAsset"),
        quote=quote,
        settle=text(item, "marginAsset") or quote,
        tick_size=positive(prices, "tickSize"),
        lot_size=positive(lots, "stepSize"),
        min_amount=positive(lots, "minQty"),
        min_cost=_least_cost(filters),
        max_amount=amount(lots, "maxQty") or None,
        tradable=allowed and text(item, "status") == "TRADING",
        client_id_pattern=CLIENT_ID,
        venue_symbol=required(item, "symbol"),
    )


def _symbol(name: str, product: Product) -> str:
    """Return our symbol: BTCUSDT is BTCUSDT-PERP.BINANCE or, in spot, BTCUSDT.BINANCE."""
    found = _NAME.fullmatch(name)
    if found is None or (found[2] and product is Product.SPOT):
        raise Malformed(f"{name!r:.60} has no symbol here")
    perpetual = "-PERP" if product is Product.FUTURES else ""
    return f"{found[1]}{'-' + found[2] if found[2] else perpetual}.BINANCE"


def _filters(item: Item) -> Mapping[str, Item]:
    filters = [mapping(one, "a filter") for one in rows(item, "filters")]
    return {text(one, "filterType"): one for one in filters}


def _least_cost(filters: Mapping[str, Item]) -> Decimal:
    """Return the least value of an order: "notional" in futures, "minNotional" in spot."""
    row = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    return amount(row, "notional") or amount(row, "minNotional")
