"""How venues write the numbers of orders and fills: as they are, or as UUIDs."""

from __future__ import annotations

from collections.abc import Callable

from simulator.exchange.instruments import Instrument

NameOf = Callable[[int, Instrument], str]

# Odd, so that no two numbers give the same product: ids look random and never meet.
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835
# RFC 4122: which bits of a UUID tell its version and variant.
_VERSION_4 = 0x4 << 76 | 0x2 << 62
_FREE_BITS = (1 << 128) - 1 ^ (0xF << 76 | 0x3 << 62)


def as_number(number: int, instrument: Instrument) -> str:
    """Return the number itself."""
    return str(number)


def uuid_of_contracts(number: int, instrument: Instrument) -> str:
    """Return a UUID for what belongs to a contract, the number itself for spot."""
    if instrument.is_spot:
        return str(number)
    bits = (number * _SPREAD % (1 << 128)) & _FREE_BITS | _VERSION_4
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
