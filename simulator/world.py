"""Everything that exists: each venue's exchange as configured, its faults, ledger, connections."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from simulator.config import AccountConfig, InstrumentConfig, SimulatorConfig, VenueName
from simulator.exchange.accounts import Account
from simulator.exchange.book import BookSide
from simulator.exchange.clock import Clock
from simulator.exchange.exchange import Exchange, Setup
from simulator.exchange.faults import Fault, FaultBook
from simulator.exchange.instruments import Instrument
from simulator.exchange.ledger import Ledger
from simulator.exchange.orders import Fill, Order
from simulator.exchange.retention import Retention
from simulator.exchange.risk import Rules
from simulator.exchange.settlement import Fees
from simulator.sockets import SocketBook

_FIRST_UID = 770_000_000_000_000_000
# Ids have the venue's own length, and no two venues here ever give the same one.
_ID_SCALES: dict[VenueName, int] = {"okx": 1_000_000, "binance-usdm": 1000, "binance-spot": 100}


@dataclass(slots=True)
class Floor:
    """One venue: its exchange, the accounts configured there, and what its dialect shares."""

    venue: VenueName
    config: SimulatorConfig
    clock: Clock
    exchange: Exchange
    retention: Retention
    ledger: Ledger
    faults: FaultBook
    sockets: SocketBook
    uids: Iterator[int]
    accounts: dict[str, AccountConfig] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Floor({self.venue}, {self.exchange!r})"

    def by_key(self, api_key: str) -> Account | None:
        """Return the account with that API key; None if there is none."""
        for account in self.exchange.accounts.values():
            if account.api_key == api_key:
                return account
        return None

    def add_account(self, config: AccountConfig) -> Account:
        """Open an account.

        Raises:
            ValueError: If its name or its API key is taken.
        """
        for other in self.exchange.accounts.values():
            if config.name == other.name or config.api_key == other.api_key:
                raise ValueError(f"account {config.name!r} or its API key already exists")
        account = Account(
            name=config.name,
            uid=str(next(self.uids)),
            api_key=config.api_key,
            secret=config.secret,
            passphrase=config.passphrase,
            leverage=config.leverage,
            public_key=config.public_key,
        )
        self.accounts[config.name] = config
        self.exchange.accounts[config.name] = account
        self._fund(account)
        return account

    def external_id(self) -> str:
        """Return a client id for an order that was given none; "" where venues invent none."""
        return "" if self.venue == "okx" else f"web_{uuid4().hex[:22]}"

    def reset(self) -> None:
        """Forget all orders, fills and positions; restore balances and markets."""
        exchange = self.exchange
        exchange.orders.clear()
        exchange.ended.clear()
        exchange.settlement.fills.clear()
        for account in exchange.accounts.values():
            _empty(account)
            self._fund(account)
        for settings in _instruments(self.config, self.venue):
            book = exchange.books[settings.symbol]
            book.bids, book.asks, book.frozen = BookSide(), BookSide(), False
            exchange.requote(settings.symbol, settings.mid)

    def _fund(self, account: Account) -> None:
        for currency, total in self.accounts[account.name].balances.items():
            balance = account.balance(currency)
            balance.total = total
            balance.updated_ms = self.clock.now_ms()


@dataclass(slots=True)
class World:
    """All venues that are served, and what they share."""

    config: SimulatorConfig
    clock: Clock
    ledger: Ledger
    faults: FaultBook = field(default_factory=FaultBook)
    sockets: SocketBook = field(default_factory=SocketBook)
    floors: dict[VenueName, Floor] = field(default_factory=dict)

    def orders(self) -> Iterator[Order]:
        """Yield every order of every venue."""
        for floor in self.floors.values():
            yield from floor.exchange.orders.values()

    def fills(self) -> Iterator[Fill]:
        """Yield every fill of every venue."""
        for floor in self.floors.values():
            yield from floor.exchange.settlement.fills

    def reset(self) -> None:
        """Forget all orders, fills, positions, rows and faults; restore balances and markets."""
        self.forget_faults()
        for floor in self.floors.values():
            floor.reset()
        self.ledger.requests.clear()
        self.ledger.queries.clear()
        self.ledger.throttled = 0

    def forget_faults(self, fault_id: str | None = None) -> list[Fault]:
        """Disarm one fault, or all; the clock goes right again if one had skewed it."""
        gone = self.faults.disarm(fault_id)
        if any(fault.name == "clock_skew" for fault in gone):
            self.clock.skew_us = 0
        return gone


def build(config: SimulatorConfig, clock: Clock | None = None) -> World:
    """Return a world as ``config`` says."""
    clock = clock or Clock()
    world = World(config, clock, Ledger(clock, config.ledger_requests))
    uids = itertools.count(_FIRST_UID)
    for venue in config.venues:
        floor = Floor(
            venue,
            config,
            clock,
            _exchange(config, venue, clock),
            _retention(config, venue),
            world.ledger,
            world.faults,
            world.sockets,
            uids,
        )
        world.floors[venue] = floor
        for account in config.accounts:
            if account.venue == venue:
                floor.add_account(account)
    return world


def instrument(settings: InstrumentConfig) -> Instrument:
    """Return the instrument that ``settings`` describe."""
    base, quote = settings.base, settings.quote
    if not base:
        base, quote = settings.symbol.split("-")[:2]
    return Instrument(
        symbol=settings.symbol,
        kind=settings.kind,
        base=base,
        quote=quote,
        settle=settings.settle or (base if settings.kind == "inverse" else quote),
        tick=settings.tick,
        lot=settings.lot,
        min_size=settings.min_size,
        contract_size=settings.contract_size,
        code=settings.code,
        max_limit_size=settings.max_limit_size,
        max_market_size=settings.max_market_size,
        min_notional=settings.min_notional,
    )


def _exchange(config: SimulatorConfig, venue: VenueName, clock: Clock) -> Exchange:
    fees = Fees(
        spot_maker=config.fees.spot_maker,
        spot_taker=config.fees.spot_taker,
        swap_maker=config.fees.swap_maker,
        swap_taker=config.fees.swap_taker,
    )
    limits = config.limits
    setup = Setup(
        fees=fees,
        rules=Rules(config.market.price_band, limits.max_open_per_symbol if limits.enabled else 0),
        seed=config.market.seed,
        step_bps=config.market.volatility_bps,
        level_count=config.market.levels,
        id_scale=_ID_SCALES[venue],
    )
    exchange = Exchange(setup, clock)
    for settings in _instruments(config, venue):
        exchange.add_instrument(
            instrument(settings),
            settings.mid,
            spread_ticks=settings.spread_ticks,
            level_size=settings.level_size,
        )
    return exchange


def _retention(config: SimulatorConfig, venue: VenueName) -> Retention:
    ledger_ms = int(config.retention.ledger_s * 1000)
    if venue == "okx":
        return Retention(int(config.retention.never_filled_s * 1000), ledger_ms)
    own = config.binance
    never_filled_s = own.spot_never_filled_s if venue == "binance-spot" else own.never_filled_s
    return Retention(
        int(never_filled_s * 1000),
        ledger_ms,
        from_creation=True,
        kept_ms=0 if venue == "binance-spot" else int(own.kept_s * 1000),
    )


def _instruments(config: SimulatorConfig, venue: VenueName) -> list[InstrumentConfig]:
    return [settings for settings in config.instruments if settings.venue == venue]


def _empty(account: Account) -> None:
    for table in (
        account.balances,
        account.positions,
        account.orders,
        account.open,
        account.open_by_client,
        account.latest_by_client,
        account.open_count,
    ):
        table.clear()
    account.fills.clear()
