"""Amounts that an instrument takes, and the look at those that a venue states."""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from router.instruments import Instrument


def lots(instrument: Instrument, count: int, price: Decimal) -> Decimal:
    """Return ``count`` of the instrument's smallest amounts, in base units."""
    if instrument.kind == "inverse":
        return count * instrument.contract_size / price
    return count * max(instrument.lot_size, instrument.min_amount)


def numbers(thing: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each number inside an event, with the name of its field."""
    if dataclasses.is_dataclass(thing):
        for one in dataclasses.fields(thing):
            yield from numbers(getattr(thing, one.name), one.name)
    elif isinstance(thing, tuple | list):
        for item in thing:
            yield from numbers(item, name)
    elif isinstance(thing, int | float | Decimal) and not isinstance(thing, bool):
        yield name, thing
