"""Net positions: average entry, realized profit, and a short journal for stale snapshots."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from simulator.exchange.instruments import ONE, ZERO, Instrument

_JOURNAL = 256


class PositionState(NamedTuple):
    """A position as it was at one moment."""

    ts_ms: int
    size: Decimal
    entry: Decimal
    realized: Decimal


@dataclass(slots=True, eq=False)
class Position:
    """One account's net position in one instrument; ``size`` is signed, in contracts."""

    instrument: Instrument
    position_id: str
    size: Decimal = ZERO
    entry: Decimal = ZERO
    realized: Decimal = ZERO
    fee: Decimal = ZERO
    margin: Decimal = ZERO
    margin_word: str = "cross"
    trade_id: int = 0
    created_ms: int = 0
    updated_ms: int = 0
    journal: deque[PositionState] = field(default_factory=lambda: deque(maxlen=_JOURNAL))

    def trade(self, size: Decimal, price: Decimal) -> Decimal:
        """Add signed ``size`` at ``price``; return the profit that this realized."""
        held = self.size
        total = held + size
        profit = ZERO
        if held == 0 or (held > 0) == (size > 0):
            self.entry = self._average(held, size, price)
        else:
            closed = -size if abs(size) <= abs(held) else held
            profit = self.instrument.profit(closed, self.entry, price)
            self.realized += profit
            if total == 0:
                self.entry = ZERO
            elif (total > 0) != (held > 0):
                self.entry = price
        self.size = total
        return profit

    def stamp(self, ts_ms: int) -> None:
        """Note the present state in the journal."""
        if not self.created_ms or not self.journal:
            self.created_ms = ts_ms
        self.updated_ms = ts_ms
        self.journal.append(PositionState(ts_ms, self.size, self.entry, self.realized))

    def as_of(self, ts_ms: int) -> PositionState:
        """Return the state at ``ts_ms``; flat if the journal does not reach back so far."""
        state = PositionState(ts_ms, ZERO, ZERO, ZERO)
        for entry in self.journal:
            if entry.ts_ms > ts_ms:
                break
            state = entry
        return state

    def _average(self, held: Decimal, size: Decimal, price: Decimal) -> Decimal:
        if held == 0:
            return price
        if self.instrument.kind == "inverse":
            # Contracts are worth a fixed sum of quote currency, so entries average harmonically.
            return (held + size) / (held * (ONE / self.entry) + size * (ONE / price))
        return (held * self.entry + size * price) / (held + size)
