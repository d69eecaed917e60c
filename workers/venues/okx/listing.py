"""Read the instruments that OKX lists."""

import re
from decimal import Decimal

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venues.fields import Item, Malformed, amount, positive, required, text
from workers.venues.sizes import SIZE_STEP, base_steps

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

    Raises:
        Malformed: If it cannot be traded here: fields missing, or a contract of another kind.
    """
    name = text(item, "instId")
    base, quote, rest = _parts(name)
    kind = text(item, "ctType") if rest else "spot"
    if kind not in ("spot", "linear", "inverse"):
        raise Malformed(f"{name}: contract type {kind!r}")
    steps = base_steps(
        kind,
        _contract_size(item, kind, base, quote),
        lot=positive(item, "lotSz"),
        least=positive(item, "minSz"),
        most=amount(item, "maxLmtSz"),
    )
    ids = {"instType": required(item, "instType"), SIZE_STEP: required(item, "lotSz")}
    code = item.get("instIdCode")
    if type(code) is int:  # null until OKX has made one: "Get instruments", read 2026-11
        ids["instIdCode"] = str(code)
    return Instrument(
        symbol=symbol_of(name),
        exchange=ExchangeType.OKX,
        kind=kind,
        base=base,
        quote=quote,
        settle=text(item, "settleCcy") or quote,
        tick_size=positive(item, "tickSz"),
        tradable=text(item, "state") == "live",
        venue_symbol=name,
        venue_ids=ids,
        **steps._asdict(),
    )


def _contract_size(item: Item, kind: str, base: str, quote: str) -> Decimal:
    """Return what one size unit holds: base units, or quote units if the contract is inverse."""
    if kind == "spot":
        return Decimal(1)
    if text(item, "ctValCcy") != (base if kind == "linear" else quote):
        raise Malformed(f"a {kind} contract counted in {item.get('ctValCcy')!r:.60}")
    return positive(item, "ctVal") * positive(item, "ctMult")
