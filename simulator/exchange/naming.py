"""How venues write the numbers of orders and fills: as they are, or as UUIDs."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from simulator.exchange.instruments import Instrument

NameOf = Callable[[int, Instrument], str]

# Odd, so that no two numbers give the same product: ids look random and never meet.
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835


def as_number(number: int, instrument: Instrument) -> str:
    """Return the number itself."""
    return str(number)


def uuid_of_contracts(number: int, instrument: Instrument) -> str:
    """Return a UUID for what belongs to a contract, the number itself for spot."""
    if instrument.is_spot:
        return str(number)
    return str(UUID(int=number * _SPREAD % (1 << 128), version=4))
