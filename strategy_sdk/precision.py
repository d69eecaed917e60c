"""Numbers of any kind on an instrument's grids. Pure."""

from decimal import Decimal, InvalidOperation
from typing import Any

from router.errors import InvalidArgument
from router.instruments import Instrument, to_step


def exact(name: str, value: Any) -> Decimal:
    """Return ``value`` as a Decimal; a float as it prints (0.1 is 0.1), since it is rounded next.

    Raises:
        InvalidArgument: If it is no finite number.
    """
    try:
        read = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise InvalidArgument(name, f"{value!r} is no number") from None
    if not read.is_finite():
        raise InvalidArgument(name, f"{value!r} is not a finite number")
    return read


def least_amount(instrument: Instrument, price: Any = None) -> Decimal:
    """Return the least legal amount in base units; at ``price``, the least order value counts too.

    Raises:
        InvalidArgument: If ``price`` is no finite number above 0.
    """
    least = to_step(instrument.min_amount, instrument.lot_size, "ceil")
    if price is None or instrument.kind == "inverse":
        return least
    at = exact("px", price)
    if at <= 0:
        raise InvalidArgument("px", f"{price!r} is not above 0")
    return max(least, to_step(instrument.min_cost / at, instrument.lot_size, "ceil"))
