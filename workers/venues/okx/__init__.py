"""OKX v5: pure codec of its WebSocket and REST protocol (documents of July to September 2026)."""

from collections.abc import Mapping
from typing import Any

from workers.venue import Venue
from workers.venues.okx.settings import read_settings
from workers.venues.okx.venue import Okx


def make(
    environment: str,
    rest_url: str | None = None,
    ws_url: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Venue:
    """Return OKX as ``workers.venues.load`` asks for it.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    return Okx(read_settings(environment, rest_url, ws_url, options or {}))
