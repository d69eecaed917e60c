"""Hosts of each environment, published limits, and the options an account may set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.enums import RequestKind
from workers.venue import Limits, RateLimit
from workers.venues.options import HEARTBEAT, Endpoint, Options

#: What one account trades, by the venue's word, which is also ``Instrument.kind``.
CATEGORIES = ("linear", "spot", "inverse")
_SETTLE_COINS = ("USDT", "USDC")

# "Integration guidance", "Connect" and "Demo trading", read 2026-07. Demo (orders on paper at live
# prices) has no public host of its own, and no socket for orders.
_HOSTS = {
    "live": ("https://api.bybit.com", "wss://stream.bybit.com"),
    "demo": ("https://api-demo.bybit.com", "wss://stream-demo.bybit.com"),
    "testnet": ("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
}
_PUBLIC_HOSTS = _HOSTS | {"demo": _HOSTS["live"]}
_WITHOUT_TRADE_SOCKET = ("demo",)


def _a_second(create: int, cancel: int, modify: int) -> dict[RequestKind, RateLimit]:
    counts = {
        RequestKind.CREATE: create,
        RequestKind.CANCEL: cancel,
        RequestKind.MODIFY: modify,
    }
    return {kind: RateLimit(count, 1.0, per_symbol=False) for kind, count in counts.items()}


# Per account and second, whatever the symbol, at the lowest level; linear and inverse together.
# Batches are counted in orders, too, so that they would only make answers harder to read: a frame
# holds one order. "Rate limit rules", read 2026-07. 500 new connections in 5 minutes: "Connect".
LIMITS = Limits(
    requests=_a_second(10, 10, 10),
    pairs=_a_second(20, 20, 10),
    account=(),
    batch_size=1,
    connects=RateLimit(500, 300.0, per_symbol=False),
)
# Bybit wants a ping each 20 s and cuts a connection after 10 minutes without one: "Connect".
# Silence finds a half-open socket sooner.
_HEARTBEAT = {
    **{"ping_after_s": 5.0, "dead_after_s": 10.0, "most_silent_s": 60.0},
    "ping_every_s": 20.0,
}
# A canceled order was in neither realtime nor history for 2.5 s after its ack (measured in demo).
_VISIBILITY_LAG_MS = 3000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One account's way to reach Bybit. ``by_socket``: orders may go by WebSocket."""

    environment: str
    endpoint: Endpoint
    public: Endpoint
    by_socket: bool
    categories: tuple[str, ...]
    settle_coins: tuple[str, ...]
    visibility_lag_ms: int


def read_settings(
    environment: str, rest_url: str | None, ws_url: str | None, given: Mapping[str, Any]
) -> Settings:
    """Return the settings of ``environment`` with its options.

    Options: ``categories`` (such as "linear,spot", the default), ``settle_coins`` (in which linear
    orders and positions are asked for; "USDT,USDC"), ``visibility_lag_ms``, ``ping_after_s``,
    ``dead_after_s``. ``ws_url`` stands for both hosts.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    known = ("categories", "settle_coins", "visibility_lag_ms", *HEARTBEAT)
    options = Options("bybit", given, known)
    urls = (rest_url, ws_url)
    return Settings(
        environment=environment,
        endpoint=options.endpoint(environment, _HOSTS, urls, **_HEARTBEAT),
        public=options.endpoint(environment, _PUBLIC_HOSTS, urls, **_HEARTBEAT),
        by_socket=environment not in _WITHOUT_TRADE_SOCKET,
        categories=options.choices("categories", CATEGORIES) or CATEGORIES[:2],
        settle_coins=options.choices("settle_coins", _SETTLE_COINS) or _SETTLE_COINS,
        visibility_lag_ms=int(options.positive("visibility_lag_ms", _VISIBILITY_LAG_MS)),
    )
