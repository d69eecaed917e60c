"""Read the instruments that OKX lists."""

import re
from decimal import Decimal

from router.enums import ExchangeType
from router.evidence import ZERO
from router.instruments import Instrument
from workers.venues.okx.fields import Item, Malformed, amount, decimal, text
from workers.venues.okx.sizes import INVERSE_STEP

_NAME = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|[0-9]{6}))?")


def symbol_of(venue_symbol: str) -> str:
    """Return our symbol: BTC-USDT-SWAP is BTCUSDT-PERP.OKX.

    Raises:
        Malformed: If the name is no pair, swap or dated future (an option, a USD_UM contract).
    """
    base, quote, rest = _parts(venue_symbol)
    tail = {"": "", "SWAP": "-PERP"}.get(rest, f"-{rest}")
    return f"{base}{quote}{tail}.OKX"


def _parts(venue_symbol: str) -> tuple[str, str, str]:
    found = _NAME.fullmatch(venue_symbol)
    if found is None:
        raise Malformed(f"{venue_symbol!r:.60} has no symbol here")
    base, quote, rest = found.groups()
    return base, quote, rest or ""


def instrument(item: Item) -> Instrument:
    """Return one listed instrument; steps and limits in base units.

    An inverse contract has no fixed base step: its lot is 0.00000001 base, its smallest size is
    ``min_cost`` in quote units, and ``venue_ids["lotSz"]`` keeps the step in contracts.

    Raises:
        Malformed: If it cannot be traded here: fields missing, or a contract of another kind.
    """
    name = text(item, "instId")
    base, quote, rest = _parts(name)
    kind = "spot" if not rest else text(item, "ctType")
    if kind not in ("spot", "linear", "inverse"):
        raise Malformed(f"{name}: contract type {kind!r}")
    size = Decimal(1) if kind == "spot" else _contract_size(item, kind, base, quote)
    lot, least = _positive(item, "lotSz"), _positive(item, "minSz")
    most = amount(item, "maxLmtSz")
    ids = {"instType": text(item, "instType"), "lotSz": text(item, "lotSz")}
    code = item.get("instIdCode")
    if type(code) is int:  # null until OKX has made one: "Get instruments", read 2026-11
        ids["instIdCode"] = str(code)
    inverse = kind == "inverse"
    return Instrument(
        symbol=symbol_of(name),
        exchange=ExchangeType.OKX,
        kind=kind,
        base=base,
        quote=quote,
        settle=text(item, "settleCcy") or quote,
        tick_size=_positive(item, "tickSz"),
        lot_size=INVERSE_STEP if inverse else lot * size,
        min_amount=INVERSE_STEP if inverse else least * size,
        min_cost=least * size if inverse else ZERO,
        max_amount=None if inverse or not most else most * size,
        contract_size=size,
        tradable=text(item, "state") == "live",
        venue_symbol=name,
        venue_ids=ids,
    )


def _contract_size(item: Item, kind: str, base: str, quote: str) -> Decimal:
    """Return what one contract holds: base units if linear, quote units if inverse."""
    counted_in = base if kind == "linear" else quote
    if text(item, "ctValCcy") != counted_in:
        raise Malformed(f"a {kind} contract counted in {item.get('ctValCcy')!r:.60}")
    return _positive(item, "ctVal") * _positive(item, "ctMult")


def _positive(item: Item, key: str) -> Decimal:
    value = item.get(key)
    number = decimal(value, key)
    if number <= 0:
        raise Malformed(f"{key} is {number}")
    return number
