"""Accounts: credentials, balances, positions, and the indexes their orders are found by."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from simulator.exchange.instruments import ZERO, Instrument
from simulator.exchange.orders import Fill, Order
from simulator.exchange.positions import Position


@dataclass(slots=True, eq=False)
class Balance:
    """One currency of one account: total, tied up in orders, tied up in positions."""

    total: Decimal = ZERO
    frozen: Decimal = ZERO
    margin: Decimal = ZERO
    updated_ms: int = 0

    @property
    def available(self) -> Decimal:
        """Return what new orders may use."""
        return self.total - self.frozen - self.margin


@dataclass(slots=True, eq=False)
class Account:
    """One exchange account. Orders are kept after their end: they are the ledger."""

    name: str
    uid: str
    api_key: str
    secret: str
    passphrase: str
    leverage: Decimal
    public_key: str = ""
    balances: dict[str, Balance] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    open: dict[str, Order] = field(default_factory=dict)
    open_by_client: dict[str, Order] = field(default_factory=dict)
    latest_by_client: dict[str, Order] = field(default_factory=dict)
    open_count: dict[str, int] = field(default_factory=dict)
    fills: deque[Fill] = field(default_factory=deque)

    def __repr__(self) -> str:
        return f"Account({self.name}, open={len(self.open)}, orders={len(self.orders)})"

    def balance(self, currency: str) -> Balance:
        """Return the balance of ``currency``, created empty if there was none."""
        found = self.balances.get(currency)
        if found is None:
            found = self.balances[currency] = Balance()
        return found

    def position(self, instrument: Instrument) -> Position:
        """Return the position in ``instrument``, created flat if there was none."""
        found = self.positions.get(instrument.symbol)
        if found is None:
            position_id = f"{self.uid}{instrument.code}"
            found = self.positions[instrument.symbol] = Position(instrument, position_id)
        return found

    def held(self, instrument: Instrument) -> Decimal:
        """Return the signed size of the position in ``instrument``; 0 if flat."""
        found = self.positions.get(instrument.symbol)
        return found.size if found is not None else ZERO

    def opened(self, order: Order) -> None:
        """Index a new pending order."""
        symbol = order.instrument.symbol
        self.orders[order.venue_id] = self.open[order.venue_id] = order
        self.open_count[symbol] = self.open_count.get(symbol, 0) + 1
        if order.client_id:
            self.open_by_client[order.client_id] = order
            self.latest_by_client[order.client_id] = order

    def ended(self, order: Order) -> None:
        """Take an ended order out of the pending ones; its client id is free again."""
        del self.open[order.venue_id]
        self.open_count[order.instrument.symbol] -= 1
        if order.client_id:
            del self.open_by_client[order.client_id]

    def forget(self, order: Order) -> None:
        """Drop an ended order from memory altogether."""
        self.orders.pop(order.venue_id, None)
        if self.latest_by_client.get(order.client_id) is order:
            del self.latest_by_client[order.client_id]
