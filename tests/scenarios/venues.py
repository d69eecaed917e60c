"""What a scenario must know of a venue: names, prices, paths, and what the venue cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from simulator.config import VenueName


@dataclass(frozen=True, kw_only=True)
class VenueUnderTest:
    """One venue of the simulator, as scenarios meet it.

    ``name`` is the simulator's, and ``product`` what of it is traded. ``trade_path`` and
    ``private_path`` are in the handshake of those sockets. ``refusal`` and ``cancel_refusal`` are
    codes by which it refuses a create for want of money, and a cancel of what it says it does not
    know.
    """

    name: VenueName
    product: str = ""
    exchange: str
    environment: str = "demo"
    symbol: str
    other_symbol: str
    venue_symbol: str
    trade_path: str
    private_path: str
    refusal: str
    cancel_refusal: str
    options: Mapping[str, Any] = field(default_factory=dict)
    far_price: Decimal = Decimal("85500")  # rests: the simulator's market stands at about 89 500
    modifies: bool = True
    positions: bool = True
    one_socket: bool = False  # it pushes on the trade socket
    market_buys: bool = True  # of an amount
    own_end: str = "expired"  # how an order that ends by its own terms is told
    quick_part: tuple[str, ...] = ()
    """The modules in which it is met by ``make test``; in others by ``make test-long``. (): all."""

    @property
    def key(self) -> str:
        """What tests call it."""
        return f"{self.name}-{self.product}" if self.product else self.name

    def is_quick(self, module: str) -> bool:
        """Whether the tests of a module meet this venue in ``make test``."""
        return not self.quick_part or module.rpartition(".")[2] in self.quick_part

    def roles(self, played: str) -> list[str]:
        """Return which of the router's sockets a connection is, by what it could be used for.

        One that pushes may take orders at some venues, but we have another for them.
        """
        roles = played.split("+")
        return ["private"] if "private" in roles and not self.one_socket else roles

    def __str__(self) -> str:
        return self.key


OKX = VenueUnderTest(
    name="okx",
    exchange="okx",
    symbol="BTCUSDT-PERP.OKX",
    other_symbol="ETHUSDT-PERP.OKX",
    venue_symbol="BTC-USDT-SWAP",
    trade_path="/ws/v5/private",
    private_path="/ws/v5/private",
    refusal="51008",
    cancel_refusal="51400",
    own_end="canceled",
)
# The simulator's queries lag when they are told to; Binance's own lag of seconds would only be
# waited for.
USDM = VenueUnderTest(
    name="binance-usdm",
    exchange="binance",
    symbol="BTCUSDT-PERP.BINANCE",
    other_symbol="ETHUSDT-PERP.BINANCE",
    venue_symbol="BTCUSDT",
    trade_path="/ws-fapi/",
    private_path="/private/",
    refusal="-2019",
    cancel_refusal="-2011",
    options={"product": "usd_m_future", "visibility_lag_ms": 100},
)
SPOT = VenueUnderTest(
    name="binance-spot",
    exchange="binance",
    symbol="BTCUSDT.BINANCE",
    other_symbol="ETHUSDT.BINANCE",
    venue_symbol="BTCUSDT",
    trade_path="/ws-api/",
    private_path="/ws-api/",
    refusal="-2010",
    cancel_refusal="-2011",
    options={"product": "spot", "visibility_lag_ms": 100},
    modifies=False,
    positions=False,
    one_socket=True,
)
# Bybit's demo has no trade socket.
BYBIT = VenueUnderTest(
    name="bybit",
    product="linear",
    exchange="bybit",
    environment="testnet",
    symbol="BTCUSDT-PERP.BYBIT",
    other_symbol="ETHUSDT-PERP.BYBIT",
    venue_symbol="BTCUSDT",
    trade_path="/v5/trade",
    private_path="/v5/private",
    refusal="110007",
    cancel_refusal="110001",
    options={"visibility_lag_ms": 100},
    own_end="canceled",
    quick_part=("test_bybit", "test_c_outcomes", "test_d_reconnect", "test_first_order"),
)
BYBIT_SPOT = replace(
    BYBIT,
    product="spot",
    quick_part=("test_bybit", "test_first_order"),
    symbol="BTCUSDT.BYBIT",
    other_symbol="ETHUSDT.BYBIT",
    venue_symbol="BTCUSDT-SPOT",
    refusal="170131",
    cancel_refusal="170213",
    positions=False,
)
BITGET = VenueUnderTest(
    name="bitget",
    product="linear",
    exchange="bitget",
    symbol="BTCUSDT-PERP.BITGET",
    other_symbol="ETHUSDT-PERP.BITGET",
    venue_symbol="BTCUSDT",
    trade_path="/v3/ws/private",
    private_path="/v3/ws/private",
    refusal="25203",
    cancel_refusal="25204",
    own_end="canceled",
    quick_part=("test_bitget", "test_first_order"),
)
BITGET_SPOT = replace(
    BITGET,
    product="spot",
    symbol="BTCUSDT.BITGET",
    other_symbol="ETHUSDT.BITGET",
    venue_symbol="BTCUSDT_SPBL",
    refusal="25202",
    positions=False,
    market_buys=False,
)
VENUES = {one.key: one for one in (OKX, USDM, SPOT, BYBIT, BYBIT_SPOT, BITGET, BITGET_SPOT)}

#: The test runs once for each venue; without a mark it runs for OKX. (``conftest.py`` marks as
#: long what is beside a venue's quick part.)
every_venue = pytest.mark.venues(*VENUES)
#: For what only derivatives have: positions, reduce-only; and for what Binance's spot cannot do.
every_derivative = pytest.mark.venues(*(one.key for one in VENUES.values() if one.positions))
