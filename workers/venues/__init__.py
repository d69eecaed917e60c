"""Find and build venues: a venue is a folder here, and adding one changes no other file."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, cast

from router.errors import ConfigError
from workers.venue import Venue

_URLS = ("rest_url", "ws_url")


def names() -> list[str]:
    """Return the names of the venues that can be loaded, sorted."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)


def load(name: str, environment: str = "live", overrides: Mapping[str, Any] | None = None) -> Venue:
    """Return the venue ``name`` for ``environment`` ("live", "demo" or a region of the venue's).

    ``overrides`` may hold ``rest_url`` and ``ws_url`` (both or neither: half of a simulator and
    half of the real venue would be worse than either); its other keys are the venue's own options.

    Raises:
        ConfigError: If the venue, the environment or an option is unknown or wrong.
    """
    if name not in names():
        raise ConfigError("venue", f"{name!r} is unknown; known: {', '.join(names())}")
    options = dict(overrides or {})
    urls = {key: options.pop(key, None) or None for key in _URLS}
    if (urls["rest_url"] is None) != (urls["ws_url"] is None):
        raise ConfigError(f"venue {name}", "give rest_url and ws_url together, or neither")
    folder = importlib.import_module(f"{__name__}.{name}")
    return cast(Venue, folder.make(environment, **urls, options=options))
