"""Bitget v3 (unified trading account): pure codec of its WebSocket and REST protocol."""

from collections.abc import Mapping
from typing import Any

from workers.venue import Venue
from workers.venues.bitget.settings import read_settings
from workers.venues.bitget.venue import Bitget


def make(
    environment: str,
    rest_url: str | None = None,
    ws_url: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Venue:
    """Return Bitget as ``workers.venues.load`` asks for it.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    return Bitget(read_settings(environment, rest_url, ws_url, options or {}))
