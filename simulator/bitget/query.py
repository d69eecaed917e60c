"""What a REST query handler is given."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.bitget.codes import Problem
from simulator.bitget.listing import CATEGORIES
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context
from simulator.exchange.ledger import RequestRow
from simulator.exchange.orders import Order


@dataclass(slots=True)
class Query:
    """One query: its parameters, and whose it is (None for public ones)."""

    venue: Venue
    account: Account | None
    params: dict[str, str]
    now_ms: int
    rows: list[RequestRow] = field(default_factory=list)

    @property
    def owner(self) -> Account:
        """Return the account; private queries always have one."""
        if self.account is None:
            raise Problem("40001")
        return self.account

    def get(self, name: str) -> str:
        """Return a parameter; "" if it is left out."""
        return self.params.get(name, "")

    def required(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.get(name)
        if not value:
            raise Problem("40019", name)
        return value

    def number(self, name: str) -> int | None:
        """Return a parameter that must be a whole number; None if it is left out."""
        value = self.get(name)
        if value and not value.isdigit():
            raise Problem("40020", name)
        return int(value) if value else None

    def category(self) -> str:
        """Return the category, spelt as on WebSocket; "" if it is left out."""
        value = self.get("category")
        spelt = rest_category(value)
        if value and spelt not in CATEGORIES:
            raise Problem("40020", "category")
        return spelt

    def name(self, order: Order) -> None:
        """Complete the ledger's rows of a query by one of the order's ids."""
        for row in self.rows:
            row.venue_id, row.client_id = order.venue_id, order.client_id
            row.symbol = order.instrument.symbol

    def stale_ms(self, op: str) -> int | None:
        """Return the time as of which a fault has this query answered; None: as of now."""
        faults = self.venue.faults
        if not faults:
            return None
        context = Context(op=op, group="query", transport="rest", account=self.owner.name)
        stale = faults.take(("stale_snapshot",), context, self.venue.floor.clock.true_ms())
        if stale is None:
            return None
        return int(stale.number("as_of_ms", self.now_ms - stale.number("delay_ms", 1000)))


def rest_category(value: object) -> str:
    """Return a category of REST, in capitals there, as WebSocket spells it; "" if it is none."""
    return value.lower() if isinstance(value, str) and value.isupper() else ""
