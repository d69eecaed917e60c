"""What the parts of the dialect share."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.config import SimulatorConfig
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.ledger import Ledger
from simulator.exchange.limits import Buckets
from simulator.exchange.retention import Retention
from simulator.okx.channels import PrivateChannels
from simulator.okx.prices import Prices
from simulator.okx.public import PublicChannels
from simulator.okx.requests import Listing
from simulator.sockets import SocketBook
from simulator.world import Floor


@dataclass(slots=True)
class Venue:
    """One OKX-like venue: the exchange, and what stands around it."""

    floor: Floor
    config: SimulatorConfig
    exchange: Exchange
    faults: FaultBook
    ledger: Ledger
    sockets: SocketBook
    retention: Retention
    listing: Listing
    prices: Prices
    private: PrivateChannels
    public: PublicChannels
    buckets: Buckets = field(default_factory=Buckets)

    def by_key(self, api_key: str) -> Account | None:
        """Return the account with that API key; None if there is none."""
        return self.floor.by_key(api_key)

    def throttles(self, key: tuple[str, ...], limit: int, span_ms: int) -> bool:
        """Return whether limits are on and ``key`` is used up; else spend one unit."""
        if not self.config.limits.enabled:
            return False
        now_ms = self.exchange.clock.true_ms()
        if self.buckets.take(key, now_ms, cost=1, limit=limit, span_ms=span_ms):
            return False
        self.ledger.throttled += 1
        return True
