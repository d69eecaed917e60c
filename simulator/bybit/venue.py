"""What the parts of the dialect share, and what one of its operations is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from simulator.bybit.codes import Problem
from simulator.bybit.disconnects import Disconnects
from simulator.bybit.limits import Limits, Spent
from simulator.bybit.listing import CATEGORIES, Listing
from simulator.bybit.private import PrivateTopics
from simulator.bybit.public import PublicTopics
from simulator.bybit.recent import RecentlyClosed
from simulator.bybit.signing import Stamp
from simulator.config import BybitConfig
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.ledger import RequestRow
from simulator.exchange.orders import Transport
from simulator.world import Floor

_NO_STAMP = Stamp()


class OpenSession(Protocol):
    """A connection's protocol state, as the dialect sees it."""

    idle_s: float
    restarting: bool


@dataclass(slots=True)
class Venue:
    """One Bybit-like venue: the exchange, and what stands around it."""

    floor: Floor
    own: BybitConfig
    listing: Listing
    limits: Limits
    private: PrivateTopics
    public: PublicTopics
    recent: RecentlyClosed
    disconnects: Disconnects
    sessions: dict[str, OpenSession] = field(default_factory=dict)

    @property
    def exchange(self) -> Exchange:
        """Return the exchange."""
        return self.floor.exchange

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.floor.clock.now_ms()


class Operation(NamedTuple):
    """One operation. ``op`` is its name in words all venues share, ``word`` the venue's own."""

    op: str
    group: str
    word: str
    handler: Callable[[Call], Any]
    private: bool = True
    batch: bool = False
    # The text of success: it varies, and nobody should read it. The sheet, 5.
    said: str = "OK"


@dataclass(slots=True, eq=False)
class Call:
    """One request of an operation. ``given`` is its body, or a query's parameters."""

    venue: Venue
    operation: Operation
    given: dict[str, Any]
    account: Account | None
    transport: Transport
    stamp: Stamp = _NO_STAMP
    rows: list[RequestRow] = field(default_factory=list)
    spent: Spent | None = None
    # A fault's doing: acknowledged, then refused for this reason; "" for calls that succeed.
    doom: str = ""

    @property
    def op(self) -> str:
        """Return the operation in the words all venues share; one list serves two of them."""
        one = self.operation.op == "orders-pending"
        if one and (self.given.get("orderId") or self.given.get("orderLinkId")):
            return "query-order"
        return self.operation.op

    @property
    def owner(self) -> Account:
        """Return the account; operations that are not public always have one."""
        if self.account is None:
            raise Problem(10007)
        return self.account

    @property
    def spot(self) -> bool:
        """Return whether this is about spot."""
        return self.given.get("category") == "spot"

    @property
    def category(self) -> str:
        """Return the category, which must be there."""
        category = self.given.get("category")
        if category not in CATEGORIES:
            if self.transport == "ws":
                raise Problem(10404, message="`category` is not correct/supported")
            raise Problem(10001, "Illegal category")
        return str(category)

    @property
    def items(self) -> list[dict[str, Any]]:
        """Return what the call is about: its body, or each order of a batch."""
        if not self.operation.batch:
            return [self.given]
        listed = self.given.get("request")
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            return [self.given]
        category = self.given.get("category")
        return [{**one, "category": category} for one in listed] or [self.given]

    def left(self) -> None:
        """Note that the reply left the server."""
        for row in self.rows:
            row.replied = True
