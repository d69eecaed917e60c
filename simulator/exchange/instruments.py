"""What can be traded: sizes, ticks and the arithmetic of spot, linear and inverse contracts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Literal

Kind = Literal["spot", "linear", "inverse"]

ZERO = Decimal(0)
ONE = Decimal(1)
# How far quotients are carried: what is added up has digits to spare, so that sums are exact.
_PRECISION = Decimal("0.0000000001")


def money(value: Decimal) -> Decimal:
    """Return a sum of money that a division may have left with endless digits, as it is booked."""
    return value.quantize(_PRECISION)


def plain(value: Decimal) -> str:
    """Return ``value`` as digits without exponent and without trailing zeros."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if text[-1] != "0" or "." not in text:
        return text
    return text.rstrip("0").rstrip(".") or "0"


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """One tradable symbol. ``size`` means base for spot and contracts for derivatives."""

    symbol: str
    kind: Kind
    base: str
    quote: str
    settle: str
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    contract_size: Decimal
    code: int
    max_limit_size: Decimal
    max_market_size: Decimal
    min_notional: Decimal = ZERO

    @property
    def is_spot(self) -> bool:
        """Return whether this is a spot pair."""
        return self.kind == "spot"

    def ticks(self, price: Decimal) -> int:
        """Return ``price`` in whole ticks, rounded down."""
        return int(price / self.tick)

    def price(self, ticks: int) -> Decimal:
        """Return the price that ``ticks`` stand for."""
        return self.tick * ticks

    def whole_lots(self, size: Decimal) -> Decimal:
        """Return ``size`` rounded down to whole lots."""
        return (size / self.lot).to_integral_value(ROUND_DOWN) * self.lot

    def cost(self, size: Decimal, price: Decimal) -> Decimal:
        """Return what ``size`` is worth at ``price`` in the settlement currency."""
        if self.kind == "spot":
            return size * price
        if self.kind == "linear":
            return size * self.contract_size * price
        return money(size * self.contract_size / price)

    def base_amount(self, size: Decimal, price: Decimal) -> Decimal:
        """Return ``size`` in units of the base currency; inverse contracts need the price.

        An inverse amount without a price (a market order not yet filled) is 0.
        """
        if self.kind == "spot":
            return size
        if self.kind == "linear":
            return size * self.contract_size
        return money(size * self.contract_size / price) if price else ZERO

    def size_of(self, amount: Decimal, price: Decimal) -> Decimal:
        """Return the size, in the venue's units, of an ``amount`` in base currency."""
        if self.kind == "spot":
            return amount
        if self.kind == "linear":
            return amount / self.contract_size
        return amount * price / self.contract_size

    def profit(self, size: Decimal, entry: Decimal, leave: Decimal) -> Decimal:
        """Return the gain of a closed position of signed ``size``, in the settlement currency."""
        if self.kind == "inverse":
            return money(size * self.contract_size * (ONE / entry - ONE / leave))
        return money(size * self.contract_size * (leave - entry))
