"""Read the instruments that Bitget lists; their sizes are base units already."""

import re
from decimal import Decimal

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venues.bitget.orders import CLIENT_ID
from workers.venues.bitget.words import CATEGORIES
from workers.venues.fields import Item, Malformed, amount, positive, required, text

_COIN = re.compile(r"[A-Z0-9]{1,15}")
_DIGITS = re.compile(r"[0-9]{1,2}")


def instrument(item: Item) -> Instrument:
    """Return one listed instrument.

    Raises:
        Malformed: If it cannot be traded here: fields missing, or a contract of another kind.
    """
    category, base, quote = (required(item, key) for key in ("category", "baseCoin", "quoteCoin"))
    if category not in CATEGORIES or not _COIN.fullmatch(base) or not _COIN.fullmatch(quote):
        raise Malformed(f"{category:.60}: {base:.60} and {quote:.60} make no symbol here")
    kind = CATEGORIES[category]
    lot = _step(item, "quantityMultiplier", "quantityPrecision")
    return Instrument(
        symbol=f"{base}{quote}{'' if kind == 'spot' else _term(item)}.BITGET",
        exchange=ExchangeType.BITGET,
        kind=kind,
        base=base,
        quote=quote,
        settle=quote,
        tick_size=_step(item, "priceMultiplier", "pricePrecision"),
        lot_size=lot,
        min_amount=amount(item, "minOrderQty") or lot,
        min_cost=amount(item, "minOrderAmount"),
        max_amount=amount(item, "maxOrderQty") or None,
        tradable=text(item, "status") == "online",
        client_id_pattern=CLIENT_ID,
        venue_symbol=required(item, "symbol"),
        venue_ids={"category": category},
    )


def _term(item: Item) -> str:
    # The page calls it symbolType, the venue's replies type: "Get Instruments", captured 2026.
    term = text(item, "symbolType") or text(item, "type")
    if term != "perpetual":
        raise Malformed(f"a contract that is {term!r:.60}")
    return "-PERP"


def _step(item: Item, step: str, digits: str) -> Decimal:
    """Return the step of contracts, or that of so many digits, which is all that pairs have."""
    if text(item, step):
        return positive(item, step)
    if not _DIGITS.fullmatch(found := text(item, digits)):
        raise Malformed(f"{digits} is {found!r:.60}")
    return Decimal(1).scaleb(-int(found))
