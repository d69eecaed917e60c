"""Instruments by category and name: a contract and a spot pair may bear the same name.

A spot pair's symbol in the simulator (ledger, control API) is its name with ``-SPOT``.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.exchange.instruments import Instrument

CATEGORIES = ("linear", "inverse", "spot")
_SPOT = "-SPOT"


def name_of(instrument: Instrument) -> str:
    """Return what the venue calls ``instrument``."""
    return instrument.symbol.removesuffix(_SPOT) if instrument.is_spot else instrument.symbol


class Listing:
    """What is listed, by category."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_name: dict[tuple[str, str], Instrument] = {
            (one.kind, name_of(one)): one for one in instruments
        }

    def get(self, category: object, name: object) -> Instrument | None:
        """Return the instrument of that category and name; None if there is none."""
        if not isinstance(category, str) or not isinstance(name, str):
            return None
        return self._by_name.get((category, name))

    def of(self, category: str) -> list[Instrument]:
        """Return all instruments of a category."""
        return [one for (kind, _), one in self._by_name.items() if kind == category]
