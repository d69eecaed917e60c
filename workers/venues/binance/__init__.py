"""Binance USDⓈ-M futures and Spot: pure codec of their WebSocket APIs, streams and REST."""

from collections.abc import Mapping
from typing import Any

from workers.venue import Venue
from workers.venues.binance.settings import Product, read_settings
from workers.venues.binance.venue import Futures, Spot


def make(
    environment: str,
    rest_url: str | None = None,
    ws_url: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Venue:
    """Return the product that the options name; the URLs replace the environment's own.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    settings = read_settings(environment, rest_url, ws_url, options or {})
    return Futures(settings) if settings.product is Product.FUTURES else Spot(settings)
