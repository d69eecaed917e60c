"""What the parts of the dialect share, and what one of its operations is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from simulator.binance.codes import Problem
from simulator.binance.countdown import Countdown
from simulator.binance.limits import Limits
from simulator.binance.listen_keys import ListenKeys
from simulator.binance.params import Words, required
from simulator.binance.quotes import Quotes
from simulator.binance.user_streams import UserStreams
from simulator.config import BinanceConfig
from simulator.exchange.accounts import Account
from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import Instrument
from simulator.exchange.ledger import RequestRow
from simulator.exchange.orders import Order, Transport
from simulator.world import Floor

if TYPE_CHECKING:
    from simulator.binance.api_session import ApiSession

Security = Literal["public", "key", "signed"]


@dataclass(slots=True)
class Venue:
    """One Binance-like venue: the exchange, and what stands around it."""

    floor: Floor
    own: BinanceConfig
    limits: Limits
    users: UserStreams
    quotes: Quotes
    # Spot has had no listen keys since 2026-02-20; nothing there starts one.
    keys: ListenKeys = field(init=False)
    countdown: Countdown = field(init=False)
    # Orders that the venue ends by itself at their time.
    timed: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        life_ms = int(self.own.listen_key_s * 1000)
        self.keys = ListenKeys(self.floor.clock, life_ms, self.users.expired)
        self.countdown = Countdown(self.exchange)

    @property
    def exchange(self) -> Exchange:
        """Return the exchange."""
        return self.floor.exchange

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.floor.clock.now_ms()

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        self.users.pushes.loop = self.quotes.loop = self.countdown.loop = loop

    def end_timed(self) -> None:
        """End the orders whose own time is over."""
        now_ms = self.now_ms()
        due = [order for order in self.timed if now_ms >= order.expires_ms or not order.is_open]
        for order in due:
            self.timed.remove(order)
            self.exchange.cancel(order, "expired")

    def book(self, symbol: str) -> Book:
        """Return the book of ``symbol``; -1121 if there is none."""
        book = self.exchange.books.get(symbol)
        if book is None:
            raise Problem(-1121)
        return book


class Operation(NamedTuple):
    """One operation. ``op`` is its name in words all venues share, ``word`` the venue's own.

    ``orders`` is what it costs of each of the venue's order limits.
    """

    op: str
    group: str
    word: str
    handler: Callable[[Call], Any]
    security: Security = "signed"
    weight: int = 1
    orders: tuple[int, ...] = ()
    # What it costs where no symbol is given; 0 means the same.
    weight_without_symbol: int = 0
    # What a refusal costs on top.
    weight_of_refusal: int = 0

    def cost(self, given: Words) -> int:
        """Return the weight of one call."""
        if self.weight_without_symbol and not given.get("symbol"):
            return self.weight_without_symbol
        return self.weight


@dataclass(slots=True, eq=False)
class Call:
    """One request of an operation, on its way through a handler."""

    venue: Venue
    operation: Operation
    given: dict[str, str]
    account: Account | None
    transport: Transport
    address: str
    received_ms: int
    rows: list[RequestRow] = field(default_factory=list)
    session: ApiSession | None = None

    @property
    def owner(self) -> Account:
        """Return the account; operations that are not public always have one."""
        if self.account is None:
            raise Problem(-2015)
        return self.account

    @property
    def instrument(self) -> Instrument:
        """Return what the parameter ``symbol`` names."""
        return self.venue.book(required(self.given, "symbol")).instrument

    def left(self) -> None:
        """Note that the reply left the server."""
        for row in self.rows:
            row.replied = True
