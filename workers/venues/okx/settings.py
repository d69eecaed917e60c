"""Hosts of each environment, published limits, and the options an account may set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.enums import RequestKind
from workers.venue import Limits, RateLimit
from workers.venues.options import HEARTBEAT, Endpoint, Options

# Hosts: OKX v5 documents, "Overview" and "Demo trading services", read 2026-11. A key works only
# in the region where it was made (50119 / 60032 elsewhere).
_HOSTS = {
    "live": ("https://openapi.okx.com", "wss://ws.okx.com:8443"),
    "demo": ("https://openapi.okx.com", "wss://wspap.okx.com:8443"),
    "eea": ("https://eea.okx.com", "wss://wseea.okx.com:8443"),
    "eea-demo": ("https://eea.okx.com", "wss://wseeapap.okx.com:8443"),
    "us": ("https://us.okx.com", "wss://wsus.okx.com:8443"),
    "us-demo": ("https://us.okx.com", "wss://wsuspap.okx.com:8443"),
}

# 60 requests per 2 s for each of place, amend and cancel, by user and instrument, WS and REST
# together; 300 orders per 2 s in batches of two and more, counted apart; 1000 creates and amends
# per 2 s over all instruments of a sub-account; 20 orders in a batch; 3 new connections per second
# and IP: OKX v5 documents, "Place order", "Place multiple orders", "Rate limits" and "Connection
# count limit", read 2026-11. 480 subscriptions, unsubscriptions and logins per hour and
# connection: "Connect", read 2026-11.
LIMITS = Limits(
    requests=dict.fromkeys(RequestKind, RateLimit(60, 2.0, per_symbol=True)),
    batches=dict.fromkeys(RequestKind, RateLimit(300, 2.0, per_symbol=True)),
    account=(RateLimit(1000, 2.0, per_symbol=False),),
    batch_size=20,
    connects=RateLimit(3, 1.0, per_symbol=False),
    subscriptions=RateLimit(480, 3600.0, per_symbol=False),
)

# OKX closes a connection that is silent for 30 s ("Connect", read 2026-11). 5 s until our ping,
# then 5 s for the pong, far above any healthy round trip.
_HEARTBEAT = {"ping_after_s": 5.0, "dead_after_s": 10.0, "most_silent_s": 30.0}
_TD_MODES = ("cash", "cross", "isolated", "spot_isolated")
_INST_TYPES = ("SPOT", "SWAP", "FUTURES")


@dataclass(frozen=True, slots=True)
class Settings:
    """One account's way to reach OKX. ``required_types`` are instrument types it must trade."""

    endpoint: Endpoint
    demo: bool
    td_mode: str | None
    inst_types: tuple[str, ...]
    required_types: tuple[str, ...]


def read_settings(
    environment: str, rest_url: str | None, ws_url: str | None, given: Mapping[str, Any]
) -> Settings:
    """Return the settings of ``environment`` with its options.

    Options: ``td_mode`` (of every order), ``inst_types`` (such as "SPOT,SWAP"; naming them also
    makes the account check insist that they can be traded), ``ping_after_s``, ``dead_after_s``.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    options = Options("okx", given, ("td_mode", "inst_types", *HEARTBEAT))
    urls = (rest_url, ws_url and ws_url.rstrip("/").removesuffix("/ws/v5"))
    required = options.choices("inst_types", _INST_TYPES)
    return Settings(
        endpoint=options.endpoint(environment, _HOSTS, urls, **_HEARTBEAT),
        demo=environment.endswith("demo"),
        td_mode=options.choice("td_mode", _TD_MODES),
        inst_types=required or ("SPOT", "SWAP"),
        required_types=required,
    )
