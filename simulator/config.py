"""The simulator's settings, read from TOML or made in code."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


VenueName = Literal["okx", "binance-usdm", "binance-spot", "bitget"]


class AccountConfig(_Settings):
    """One account of one venue with its API key. Positions are held in net mode.

    A key with a ``public_key`` (Ed25519, PEM) is one whose requests that key's owner signs.
    """

    name: str
    venue: VenueName = "okx"
    api_key: str
    secret: str
    passphrase: str = ""
    public_key: str = ""
    balances: dict[str, Decimal] = Field(default_factory=dict)
    position_mode: Literal["net"] = "net"
    leverage: Decimal = Decimal(10)


class InstrumentConfig(_Settings):
    """One instrument. ``size`` is base for spot and contracts for derivatives.

    Base and quote stand in the symbol (``BTC-USDT-SWAP``) unless they are given.
    """

    symbol: str
    venue: VenueName = "okx"
    base: str = ""
    quote: str = ""
    kind: Literal["spot", "linear", "inverse"]
    code: int
    mid: Decimal
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    contract_size: Decimal = Decimal(1)
    settle: str = ""
    spread_ticks: int = 1
    level_size: Decimal
    max_limit_size: Decimal = Decimal(100_000_000)
    max_market_size: Decimal = Decimal(1_000_000)
    min_notional: Decimal = Decimal(0)


class MarketConfig(_Settings):
    """The synthetic market; ``tick_ms`` 0 means that it moves by hand only."""

    seed: int = 1
    tick_ms: int = 100
    volatility_bps: float = 0.5
    levels: int = 25
    price_band: Decimal = Decimal("0.05")


class LimitsConfig(_Settings):
    """Rate limits: OKX v5 documents, "Rate limits" and "Connect", read 2026-11."""

    enabled: bool = False
    orders_per_2s: int = 60
    batch_orders_per_2s: int = 300
    account_orders_per_2s: int = 1000
    max_open_per_symbol: int = 500
    connections_per_s: int = 3
    subscribes_per_hour: int = 480
    connections_per_channel: int = 30


class RetentionConfig(_Settings):
    """Never-filled canceled orders leave queries after 2 h; ``ledger_s`` 0 keeps all for good."""

    never_filled_s: float = 7200
    ledger_s: float = 0


class FeesConfig(_Settings):
    """Fee rates, positive when paid."""

    spot_maker: Decimal = Decimal("0.0008")
    spot_taker: Decimal = Decimal("0.001")
    swap_maker: Decimal = Decimal("0.0002")
    swap_taker: Decimal = Decimal("0.0005")


class BinanceConfig(_Settings):
    """What is Binance's own. Source of the numbers: the Binance sheet, A2, A5, A6 and part B."""

    listen_key_s: float = 3600
    # A connection is cut after a day; the server pings and wants its payload back.
    life_s: float = 86_400
    ping_s: float = 180
    pong_s: float = 600
    spot_ping_s: float = 20
    spot_pong_s: float = 60
    # Since 2026-07 replies to place, cancel and modify lack avgPrice and cumQuote: the sheet, A0.
    slim_acks: bool = True
    # Never-filled orders that ended leave queries so long after their creation; all do in the end.
    never_filled_s: float = 3 * 86_400
    spot_never_filled_s: float = 90 * 86_400
    kept_s: float = 90 * 86_400
    # Enforced if ``limits.enabled``; counted and told in any case.
    weight_per_minute: int = 2400
    orders_per_10s: int = 300
    orders_per_minute: int = 1200
    spot_weight_per_minute: int = 6000
    spot_orders_per_10s: int = 100
    spot_orders_per_day: int = 200_000
    messages_per_s: int = 10
    # So many refusals for weight within one ban's length, and the address is banned.
    ban_after: int = 10
    ban_s: float = 120


class BitgetConfig(_Settings):
    """What is Bitget's own. Source of the numbers: the Bitget sheet, and UTA documents of 2026."""

    # A connection is cut so long after its last ping, and after a day.
    ping_s: float = 120
    life_s: float = 86_400
    # By clientOid, an order that ended is found so long; by orderId until all is forgotten.
    by_client_s: float = 7200
    kept_s: float = 90 * 86_400
    # Enforced if ``limits.enabled``.
    messages_per_s: int = 10
    orders_per_s: int = 10
    batches_per_s: int = 5
    queries_per_s: int = 20
    requests_per_minute: int = 6000
    connects_per_5min: int = 300
    connections: int = 100


_FUNDS = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}
_DEMO_ACCOUNTS = (
    AccountConfig(
        name="okx-demo",
        api_key="demo-key",
        secret="demo-secret",
        passphrase="demo-pass",
        balances=_FUNDS,
    ),
    AccountConfig(
        name="binance-demo",
        venue="binance-usdm",
        api_key="demo-key",
        secret="demo-secret",
        balances={"USDT": Decimal(1_000_000)},
    ),
    AccountConfig(
        name="binance-spot-demo",
        venue="binance-spot",
        api_key="demo-key",
        secret="demo-secret",
        balances=_FUNDS,
    ),
    AccountConfig(
        name="bitget-demo",
        venue="bitget",
        api_key="demo-key",
        secret="demo-secret",
        passphrase="demo-pass",
        balances=_FUNDS,
    ),
)


def _spot(symbol: str, code: int, mid: str, tick: str, level: str) -> InstrumentConfig:
    return InstrumentConfig(
        symbol=symbol,
        kind="spot",
        code=code,
        mid=Decimal(mid),
        tick=Decimal(tick),
        lot=Decimal("0.00000001"),
        min_size=Decimal("0.00001") if symbol == "BTC-USDT" else Decimal("0.0001"),
        level_size=Decimal(level),
    )


def _swap(
    symbol: str,
    code: int,
    *,
    mid: str,
    tick: str,
    contract_size: str,
    lot: str = "0.01",
    settle: str = "USDT",
) -> InstrumentConfig:
    return InstrumentConfig(
        symbol=symbol,
        kind="linear" if settle == "USDT" else "inverse",
        code=code,
        mid=Decimal(mid),
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        contract_size=Decimal(contract_size),
        settle=settle,
        level_size=Decimal(5000),
    )


def _binance(
    base: str, code: int, *, spot: bool, mid: str, tick: str, lot: str, notional: str, level: str
) -> InstrumentConfig:
    return InstrumentConfig(
        symbol=f"{base}USDT",
        venue="binance-spot" if spot else "binance-usdm",
        base=base,
        quote="USDT",
        kind="spot" if spot else "linear",
        code=code,
        mid=Decimal(mid),
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        min_notional=Decimal(notional),
        max_limit_size=Decimal(9000 if spot else 1000),
        max_market_size=Decimal(120),
        level_size=Decimal(level),
    )


def _bitget(
    base: str, code: int, *, spot: bool, mid: str, tick: str, lot: str, level: str
) -> InstrumentConfig:
    # On the wire both are BTCUSDT; here spot has the ending that it once had at Bitget.
    return InstrumentConfig(
        symbol=f"{base}USDT_SPBL" if spot else f"{base}USDT",
        venue="bitget",
        base=base,
        quote="USDT",
        kind="spot" if spot else "linear",
        code=code,
        mid=Decimal(mid),
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        min_notional=Decimal(1 if spot else 5),
        max_limit_size=Decimal(1200),
        max_market_size=Decimal(220),
        level_size=Decimal(level),
    )


_DEMO_INSTRUMENTS = (
    _spot("BTC-USDT", 10457, "89500", "0.1", "50"),
    _spot("ETH-USDT", 10459, "3000", "0.01", "500"),
    _swap("BTC-USDT-SWAP", 10461, mid="89500", tick="0.1", contract_size="0.01"),
    _swap("ETH-USDT-SWAP", 10462, mid="3000", tick="0.01", contract_size="0.1"),
    _swap(
        "BTC-USD-SWAP",
        10458,
        mid="89500",
        tick="0.1",
        contract_size="100",
        lot="1",
        settle="BTC",
    ),
    _binance("BTC", 1, spot=False, mid="89500", tick="0.1", lot="0.001", notional="50", level="50"),
    _binance(
        "ETH", 2, spot=False, mid="3000", tick="0.01", lot="0.001", notional="20", level="500"
    ),
    _binance(
        "BTC", 3, spot=True, mid="89500", tick="0.01", lot="0.00001", notional="5", level="50"
    ),
    _binance("ETH", 4, spot=True, mid="3000", tick="0.01", lot="0.0001", notional="5", level="500"),
    _bitget("BTC", 5, spot=False, mid="89500", tick="0.1", lot="0.0001", level="50"),
    _bitget("ETH", 6, spot=False, mid="3000", tick="0.01", lot="0.01", level="500"),
    _bitget("BTC", 7, spot=True, mid="89500", tick="0.01", lot="0.000001", level="50"),
    _bitget("ETH", 8, spot=True, mid="3000", tick="0.01", lot="0.0001", level="500"),
)


def _demo_accounts(given: dict[str, Any]) -> tuple[AccountConfig, ...]:
    """Return the demo accounts of the venues that are served."""
    return tuple(one for one in _DEMO_ACCOUNTS if one.venue in given.get("venues", ()))


def _demo_instruments(given: dict[str, Any]) -> tuple[InstrumentConfig, ...]:
    """Return the demo instruments of the venues that are served."""
    return tuple(one for one in _DEMO_INSTRUMENTS if one.venue in given.get("venues", ()))


class SimulatorConfig(_Settings):
    """Everything. Port 0 takes any free one.

    The first of ``venues`` is served at ``port``, each other one at ``ports`` or any free one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    venues: tuple[VenueName, ...] = Field(default=("okx",), min_length=1)
    ports: dict[VenueName, int] = Field(default_factory=dict)
    accounts: tuple[AccountConfig, ...] = Field(default_factory=_demo_accounts)
    instruments: tuple[InstrumentConfig, ...] = Field(default_factory=_demo_instruments)
    market: MarketConfig = MarketConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    fees: FeesConfig = FeesConfig()
    binance: BinanceConfig = BinanceConfig()
    bitget: BitgetConfig = BitgetConfig()
    idle_timeout_s: float = 30.0
    periodic_push_s: float = 5.0
    notice_s: float = 60.0
    # How long a second of cancel-all-after lasts: its shortest countdown is 10 of them.
    countdown_second_s: float = 1.0
    ledger_requests: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "warning"

    def port_of(self, venue: VenueName) -> int:
        """Return where ``venue`` is to listen; 0 means any free port."""
        return self.port if venue == self.venues[0] else self.ports.get(venue, 0)

    @classmethod
    def from_toml(cls, path: Path | str) -> SimulatorConfig:
        """Return the settings in the TOML file at ``path``; what it leaves out has defaults."""
        return cls.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
