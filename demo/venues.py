"""The venues that a demo can route on: their accounts, and what the strategies trade there."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from router.errors import ConfigError
from simulator.config import VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVenue:
    """One venue of the simulator. ``symbol_by_hand`` is where somebody else trades, too."""

    name: VenueName
    exchange: str
    account: str
    """The router's name of the account."""
    venue_account: str
    """The simulator's name of the same account."""
    amounts: Mapping[str, Decimal]
    symbol_by_hand: str
    options: Mapping[str, str]
    environment: str = "demo"
    modifies: bool = True


_PERPETUALS = {"BTCUSDT-PERP": Decimal("0.002"), "ETHUSDT-PERP": Decimal("0.02")}
_PAIRS = {"BTCUSDT": Decimal("0.001"), "ETHUSDT": Decimal("0.01")}


def _at(exchange: str, *amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {f"{name}.{exchange}": size for one in amounts for name, size in one.items()}


OKX = DemoVenue(
    name="okx",
    exchange="okx",
    account="okx-main",
    venue_account="okx-demo",
    amounts=_at("OKX", _PERPETUALS, _PAIRS),
    symbol_by_hand="ETH-USDT",
    options={},
)
_ALL = (
    OKX,
    DemoVenue(
        name="binance-usdm",
        exchange="binance",
        account="binance-futures",
        venue_account="binance-demo",
        amounts=_at("BINANCE", _PERPETUALS),
        symbol_by_hand="ETHUSDT",
        options={"product": "usd_m_future"},
    ),
    DemoVenue(
        name="binance-spot",
        exchange="binance",
        account="binance-spot",
        venue_account="binance-spot-demo",
        amounts=_at("BINANCE", _PAIRS),
        symbol_by_hand="ETHUSDT",
        options={"product": "spot"},
        modifies=False,
    ),
    DemoVenue(
        name="bybit",
        exchange="bybit",
        account="bybit-main",
        venue_account="bybit-demo",
        amounts=_at("BYBIT", _PERPETUALS, _PAIRS),
        symbol_by_hand="ETHUSDT",
        options={"categories": "linear,spot"},
        environment="testnet",  # its demo has no socket for orders
    ),
    DemoVenue(
        name="bitget",
        exchange="bitget",
        account="bitget-main",
        venue_account="bitget-demo",
        amounts=_at("BITGET", _PERPETUALS, _PAIRS),
        symbol_by_hand="ETHUSDT",
        options={},
    ),
)


def venues_named(names: str) -> tuple[DemoVenue, ...]:
    """Return the venues of a list such as ``okx,binance``, OKX first.

    The name of an exchange stands for all its products, that of an account for itself.

    Raises:
        ConfigError: If a name is unknown, or OKX is missing.
    """
    wanted = {name.strip() for name in names.split(",")}
    known = {name for one in _ALL for name in (one.name, one.exchange)}
    if unknown := sorted(wanted - known):
        raise ConfigError("--venues", f"{unknown[0]!r} is none of {', '.join(sorted(known))}")
    if OKX.name not in wanted:
        raise ConfigError("--venues", "okx is missing; the guide's example trades there")
    return tuple(one for one in _ALL if {one.name, one.exchange} & wanted)
