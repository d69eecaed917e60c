"""Hosts of each environment, published limits, and the options an account may set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.enums import RequestKind
from workers.venue import Limits, RateLimit
from workers.venues.bitget.words import CATEGORIES
from workers.venues.options import HEARTBEAT, Endpoint, Options

# "Demo trading", read 2026-11: REST keeps its host and is told by a header.
_HOSTS = {
    "live": ("https://api.bitget.com", "wss://ws.bitget.com"),
    "demo": ("https://api.bitget.com", "wss://wspap.bitget.com"),
}

# 10 a second and user for each of place, modify and cancel, WebSocket and REST together; 10
# messages a second on a connection of whatever kind, or it is cut and the address blocked; 300 new
# connections in 5 minutes: "Place Order", "Modify Order", "Websocket intro", read 2026-11. A batch
# has no expiry ("receiveWindow" is for place-order alone), so a frame holds one order.
_A_SECOND = RateLimit(10, 1.0, per_symbol=False)
LIMITS = Limits(
    requests=dict.fromkeys(RequestKind, _A_SECOND),
    account=(),
    together=_A_SECOND,
    batch_size=1,
    connects=RateLimit(300, 300.0, per_symbol=False),
    subscriptions=_A_SECOND,
)
# Bitget wants a ping each 30 s and cuts a connection after 2 minutes without one, however busy it
# is; an older copy of the page says 30 s ("Websocket intro"). Orders leave room for it among the
# messages of a second. Silence finds a half-open socket sooner.
_HEARTBEAT = {
    **{"ping_after_s": 5.0, "dead_after_s": 10.0, "most_silent_s": 30.0},
    "ping_every_s": 20.0,
}
#: Every connection is cut after 24 hours.
ROTATE_AFTER_S = 23 * 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One account's way to reach Bitget. ``categories`` are what it trades, in REST's words."""

    endpoint: Endpoint
    demo: bool
    categories: tuple[str, ...]


def read_settings(
    environment: str, rest_url: str | None, ws_url: str | None, given: Mapping[str, Any]
) -> Settings:
    """Return the settings of ``environment`` with its options.

    Options: ``categories`` (such as "SPOT", both of them by default), ``ping_after_s``,
    ``dead_after_s``.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    options = Options("bitget", given, ("categories", *HEARTBEAT))
    urls = (rest_url, ws_url and ws_url.rstrip("/").removesuffix("/v3/ws"))
    return Settings(
        endpoint=options.endpoint(environment, _HOSTS, urls, **_HEARTBEAT),
        demo=environment == "demo",
        categories=options.choices("categories", CATEGORIES) or tuple(CATEGORIES),
    )
