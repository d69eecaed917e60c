"""The simulator's settings, read from TOML or made in code."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountConfig(_Settings):
    """One account with its API key. Positions are held in net mode."""

    name: str
    api_key: str
    secret: str
    passphrase: str = ""
    balances: dict[str, Decimal] = Field(default_factory=dict)
    position_mode: Literal["net"] = "net"
    leverage: Decimal = Decimal(10)


class InstrumentConfig(_Settings):
    """One instrument. ``size`` is base for spot and contracts for derivatives."""

    symbol: str
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


def _demo_accounts() -> tuple[AccountConfig, ...]:
    balances = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}
    return (
        AccountConfig(
            name="okx-demo",
            api_key="demo-key",
            secret="demo-secret",
            passphrase="demo-pass",
            balances=balances,
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


def _demo_instruments() -> tuple[InstrumentConfig, ...]:
    return (
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
    )


class SimulatorConfig(_Settings):
    """Everything. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    accounts: tuple[AccountConfig, ...] = Field(default_factory=_demo_accounts)
    instruments: tuple[InstrumentConfig, ...] = Field(default_factory=_demo_instruments)
    market: MarketConfig = MarketConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    fees: FeesConfig = FeesConfig()
    idle_timeout_s: float = 30.0
    periodic_push_s: float = 5.0
    notice_s: float = 60.0
    # How long a second of cancel-all-after lasts: its shortest countdown is 10 of them.
    countdown_second_s: float = 1.0
    ledger_requests: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "warning"

    @classmethod
    def from_toml(cls, path: Path | str) -> SimulatorConfig:
        """Return the settings in the TOML file at ``path``; what it leaves out has defaults."""
        return cls.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
