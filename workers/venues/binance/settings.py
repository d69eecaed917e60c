"""Hosts of each product and environment, published limits, and the options an account may set."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from router.enums import RequestKind
from workers.venue import Limits, RateLimit
from workers.venues.options import HEARTBEAT, Endpoint, Options


class Product(StrEnum):
    """What one account trades; wallets, hosts and keys are apart."""

    FUTURES = "usd_m_future"
    SPOT = "spot"


# REST, WebSocket API, streams: "General Info" of both products, "Demo Mode" (spot), and the notice
# on routed stream hosts of 2026-03-06, all read 2026-11. Futures have no demo host for the
# WebSocket API: the testnet's serves it.
_HOSTS = {
    Product.FUTURES: {
        "live": "https://fapi.binance.com wss://ws-fapi.binance.com wss://fstream.binance.com",
        "demo": "https://demo-fapi.binance.com wss://testnet.binancefuture.com "
        "wss://demo-fstream.binance.com",
    },
    Product.SPOT: {
        "live": "https://api.binance.com wss://ws-api.binance.com:443 "
        "wss://stream.binance.com:9443",
        "demo": "https://demo-api.binance.com wss://demo-ws-api.binance.com "
        "wss://demo-stream.binance.com",
    },
}


def _limits(cancels: int, *account: tuple[int, float]) -> Limits:
    both = tuple(RateLimit(count, period_s, per_symbol=False) for count, period_s in account)
    cancel = {RequestKind.CANCEL: RateLimit(cancels, 60.0, per_symbol=False)}
    requests = dict.fromkeys(RequestKind, both[0]) | cancel
    return Limits(requests, both, batch_size=1, connects=RateLimit(300, 300.0, per_symbol=False))


# Orders and modifies of an account: futures 300 in 10 s and 1200 a minute (exchangeInfo, read
# 2026-09), spot 100 in 10 s and 200,000 a day ("Limits", 2026-07). A cancel costs none of them but
# IP weight, of which queries need the other half: 2400 and 6000 a minute. 300 connections in 5
# minutes are documented for spot and assumed for futures. A frame holds one order.
LIMITS = {
    Product.FUTURES: _limits(1200, (300, 10.0), (1200, 60.0)),
    Product.SPOT: _limits(3000, (100, 10.0), (200_000, 86_400.0)),
}
ROTATE_AFTER_S = 23 * 3600.0  # the venue cuts a connection after 24 h
# Spot cuts a connection that owes its pong for a minute, futures after ten. Our own ping frames,
# of which 5 a second are allowed, find a half-open socket sooner.
_HEARTBEAT = {"ping_after_s": 5.0, "dead_after_s": 10.0, "most_silent_s": 60.0}
# A listenKey lives 60 min, and asking again extends it: three times an hour survives two failures.
_RENEW_LISTEN_KEY_S = 1200.0
# Queries read a store that lags behind the engine: "does not exist" was seen for seconds after an
# ack (ccxt issues 1786 and 6615; hummingbot believes it the third time).
_VISIBILITY_LAG_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One account's way to reach Binance; both endpoints have the same REST host."""

    product: Product
    account_type: str
    api: Endpoint
    streams: Endpoint
    renew_listen_key_s: float
    visibility_lag_ms: int


def read_settings(
    environment: str, rest_url: str | None, ws_url: str | None, given: Mapping[str, Any]
) -> Settings:
    """Return the settings of ``environment`` with its options.

    Options: ``product`` ("usd_m_future", the default, or "spot"), ``renew_listen_key_s``,
    ``visibility_lag_ms``, ``ping_after_s``, ``dead_after_s``. ``ws_url`` stands for the host of
    the WebSocket API and for that of the streams.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    known = ("product", "renew_listen_key_s", "visibility_lag_ms", *HEARTBEAT)
    options = Options("binance", given, known)
    product = Product(options.choice("product", tuple(Product)) or Product.FUTURES)

    def endpoint(which: int) -> Endpoint:
        split = {name: hosts.split() for name, hosts in _HOSTS[product].items()}
        hosts = {name: (parts[0], parts[which]) for name, parts in split.items()}
        return options.endpoint(environment, hosts, (rest_url, ws_url), **_HEARTBEAT)

    return Settings(
        product=product,
        account_type=product if environment == "live" else f"{product}_testnet",
        api=endpoint(1),
        streams=endpoint(2),
        renew_listen_key_s=options.positive("renew_listen_key_s", _RENEW_LISTEN_KEY_S),
        visibility_lag_ms=int(options.positive("visibility_lag_ms", _VISIBILITY_LAG_MS)),
    )
