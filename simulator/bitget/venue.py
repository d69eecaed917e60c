"""What the parts of the dialect share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.bitget.channels import PrivateChannels
from simulator.bitget.codes import Problem
from simulator.bitget.listing import Listing
from simulator.bitget.public import PublicChannels
from simulator.config import BitgetConfig
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.ledger import Ledger
from simulator.exchange.limits import Buckets
from simulator.exchange.orders import Order
from simulator.world import Floor


@dataclass(slots=True)
class Venue:
    """One Bitget-like venue: the exchange, and what stands around it."""

    floor: Floor
    own: BitgetConfig
    listing: Listing
    private: PrivateChannels
    public: PublicChannels
    buckets: Buckets = field(default_factory=Buckets)
    # Orders that came without a clientOid are given one: a number, as orderId is one.
    client_ids: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.client_ids = itertools.count(self.floor.clock.true_ms() * 500_000)

    @property
    def exchange(self) -> Exchange:
        """Return the exchange."""
        return self.floor.exchange

    @property
    def faults(self) -> FaultBook:
        """Return the faults armed now."""
        return self.floor.faults

    @property
    def ledger(self) -> Ledger:
        """Return the ledger."""
        return self.floor.ledger

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.floor.clock.now_ms()

    def by_key(self, api_key: str) -> Account | None:
        """Return the account with that API key; None if there is none."""
        return self.floor.by_key(api_key)

    def find(self, account: Account, venue_id: str, client_id: str) -> Order:
        """Return an order by either id; orderId wins.

        Raises:
            Problem: If there is none.
        """
        order = self.exchange.find(account, venue_id=venue_id, client_id=client_id)
        if order is None:
            raise Problem("25204")
        return order

    def throttles(self, key: tuple[str, ...], limit: int, span_ms: int = 1000) -> bool:
        """Return whether limits are on and ``key`` is used up; else spend one unit."""
        if not self.floor.config.limits.enabled:
            return False
        now_ms = self.floor.clock.true_ms()
        if self.buckets.take(key, now_ms, cost=1, limit=limit, span_ms=span_ms):
            return False
        self.ledger.throttled += 1
        return True
