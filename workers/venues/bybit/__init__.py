"""Bybit v5, linear, inverse and spot of one unified account: pure codec of its sockets and REST."""

from collections.abc import Mapping
from typing import Any

from workers.venue import Venue
from workers.venues.bybit.settings import read_settings
from workers.venues.bybit.venue import Bybit


def make(
    environment: str,
    rest_url: str | None = None,
    ws_url: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Venue:
    """Return Bybit with the categories that the options name; the URLs replace its hosts.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    return Bybit(read_settings(environment, rest_url, ws_url, options or {}))
