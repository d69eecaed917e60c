"""Turn base units into a venue's sizes (units, or contracts of base or quote value) and back.

Invariants:
1. Spot and linear sizes convert exactly, both ways, or not at all.
2. An inverse contract is worth quote units, so its base amount needs a price. A fill is rounded
   up at 12 decimals and an order's total down at 8: the total never exceeds the sum of its
   fills by rounding alone, so rounding never looks like a fill that was missed.
"""

import decimal
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal, Inexact, InvalidOperation
from typing import NamedTuple

from router.evidence import ZERO
from router.instruments import Instrument
from workers.venue import CannotEncode

#: Where an inverse instrument's ``venue_ids`` keep the step of its sizes, in contracts.
SIZE_STEP = "size_step"

_INVERSE_STEP = Decimal("0.00000001")
_INVERSE_FILL_STEP = Decimal("0.000000000001")
_EXACT = decimal.Context(
    prec=60, traps=[Inexact, InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
)


class Steps(NamedTuple):
    """Steps and limits in base units, by the names that they have in ``Instrument``."""

    contract_size: Decimal
    lot_size: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_cost: Decimal


def base_steps(
    kind: str, contract: Decimal, *, lot: Decimal, least: Decimal, most: Decimal
) -> Steps:
    """Return what a venue lists in its own sizes, in base units.

    ``kind`` is one of ``Instrument.kind``; ``contract`` is what one of the sizes holds; ``most`` is
    0 where the venue names no limit. An inverse contract has no fixed base step: its lot is
    0.00000001 base, its smallest size is ``min_cost`` in quote units.
    """
    if kind == "inverse":
        return Steps(contract, _INVERSE_STEP, _INVERSE_STEP, None, least * contract)
    return Steps(contract, lot * contract, least * contract, most * contract or None, ZERO)


def to_size(instrument: Instrument, amount: Decimal, price: Decimal | None) -> Decimal:
    """Return the venue's size of ``amount`` base units; ``price`` is read for inverse only.

    Raises:
        CannotEncode: If no exact size exists, or an inverse contract has no price to size it by.
    """
    if not amount.is_finite() or amount <= 0:
        raise CannotEncode("amount", f"{amount} is not a positive number")
    if instrument.kind == "spot":
        return amount
    if instrument.kind == "inverse":
        return _inverse_size(instrument, amount, price)
    try:
        return _EXACT.divide(amount, instrument.contract_size)
    except Inexact:
        raise CannotEncode(
            "amount",
            f"{amount} {instrument.base} is no exact number of contracts of "
            f"{instrument.contract_size} {instrument.base}",
        ) from None


def _inverse_size(instrument: Instrument, amount: Decimal, price: Decimal | None) -> Decimal:
    if price is None or price <= 0:
        raise CannotEncode("price", "an inverse contract is sized by a price, and none is known")
    step = Decimal(instrument.venue_ids.get(SIZE_STEP, "1"))
    # An amount cut to its base step must still make the contracts that it came from.
    worth = (amount + _INVERSE_STEP) * price / instrument.contract_size
    size = (worth / step).to_integral_value(ROUND_FLOOR) * step
    if size <= 0:
        raise CannotEncode("amount", f"{amount} {instrument.base} is less than the smallest size")
    return size


def to_base(instrument: Instrument, size: Decimal) -> Decimal | None:
    """Return the base units of ``size``; None for inverse, where no price says them."""
    if instrument.kind == "spot":
        return size
    if instrument.kind == "inverse":
        return None
    return _EXACT.multiply(size, instrument.contract_size)


def filled_base(instrument: Instrument, size: Decimal, average: Decimal | None) -> Decimal:
    """Return the base units of a cumulative filled ``size`` at its average price."""
    if not size:
        return ZERO
    if instrument.kind == "inverse":
        return _at_price(instrument, size, average, _INVERSE_STEP, ROUND_DOWN)
    return to_base(instrument, size) or ZERO


def fill_base(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Return the base units of one fill of ``size`` at ``price``."""
    if instrument.kind == "inverse":
        return _at_price(instrument, size, price, _INVERSE_FILL_STEP, ROUND_CEILING)
    return to_base(instrument, size) or ZERO


def _at_price(
    instrument: Instrument, size: Decimal, price: Decimal | None, step: Decimal, rounding: str
) -> Decimal:
    if price is None:
        raise InvalidOperation(f"{instrument.venue_symbol}: an inverse size without a price")
    base = size * instrument.contract_size / price
    return base.quantize(step, rounding=rounding)
