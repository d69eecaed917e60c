"""Everything that exists: the exchange as configured, its faults, ledger and connections."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.config import AccountConfig, InstrumentConfig, SimulatorConfig
from simulator.exchange.accounts import Account
from simulator.exchange.book import BookSide
from simulator.exchange.clock import Clock
from simulator.exchange.exchange import Exchange, Setup
from simulator.exchange.faults import Fault, FaultBook
from simulator.exchange.instruments import Instrument
from simulator.exchange.ledger import Ledger
from simulator.exchange.retention import Retention
from simulator.exchange.risk import Rules
from simulator.exchange.settlement import Fees
from simulator.sockets import SocketBook

_FIRST_UID = 770_000_000_000_000_000


@dataclass(slots=True)
class World:
    """What dialects and the control API share."""

    config: SimulatorConfig
    clock: Clock
    exchange: Exchange
    ledger: Ledger
    retention: Retention
    faults: FaultBook = field(default_factory=FaultBook)
    sockets: SocketBook = field(default_factory=SocketBook)
    accounts: dict[str, AccountConfig] = field(default_factory=dict)

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
            uid=str(_FIRST_UID + len(self.accounts)),
            api_key=config.api_key,
            secret=config.secret,
            passphrase=config.passphrase,
            leverage=config.leverage,
        )
        self.accounts[config.name] = config
        self.exchange.accounts[config.name] = account
        self._fund(account)
        return account

    def reset(self) -> None:
        """Forget all orders, fills, positions, rows and faults; restore balances and markets."""
        self.forget_faults()
        exchange = self.exchange
        exchange.orders.clear()
        exchange.ended.clear()
        exchange.settlement.fills.clear()
        for account in exchange.accounts.values():
            _empty(account)
            self._fund(account)
        for settings in self.config.instruments:
            book = exchange.books[settings.symbol]
            book.bids, book.asks, book.frozen = BookSide(), BookSide(), False
            exchange.requote(settings.symbol, settings.mid)
        self.ledger.requests.clear()
        self.ledger.queries.clear()
        self.ledger.throttled = 0

    def forget_faults(self, fault_id: str | None = None) -> list[Fault]:
        """Disarm one fault, or all; the clock goes right again if one had skewed it."""
        gone = self.faults.disarm(fault_id)
        if any(fault.name == "clock_skew" for fault in gone):
            self.clock.skew_us = 0
        return gone

    def _fund(self, account: Account) -> None:
        for currency, total in self.accounts[account.name].balances.items():
            balance = account.balance(currency)
            balance.total = total
            balance.updated_ms = self.clock.now_ms()


def build(config: SimulatorConfig, clock: Clock | None = None) -> World:
    """Return a world as ``config`` says."""
    clock = clock or Clock()
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
    )
    exchange = Exchange(setup, clock)
    for settings in config.instruments:
        exchange.add_instrument(
            instrument(settings),
            settings.mid,
            spread_ticks=settings.spread_ticks,
            level_size=settings.level_size,
        )
    retention = Retention(
        never_filled_ms=int(config.retention.never_filled_s * 1000),
        ledger_ms=int(config.retention.ledger_s * 1000),
    )
    world = World(config, clock, exchange, Ledger(clock, config.ledger_requests), retention)
    for account in config.accounts:
        world.add_account(account)
    return world


def instrument(settings: InstrumentConfig) -> Instrument:
    """Return the instrument that ``settings`` describe; its currencies stand in its symbol."""
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
    )


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
