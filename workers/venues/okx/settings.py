"""Hosts of each environment, published limits, and the options an account may set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.enums import RequestKind
from router.errors import ConfigError
from workers.venue import Limits, RateLimit, Timing

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
# together; 1000 creates and amends per 2 s over all instruments of a sub-account; 20 orders in a
# batch; 3 new connections per second and IP: OKX v5 documents, "Place order", "Rate limits" and
# "Connection count limit", read 2026-11.
LIMITS = Limits(
    requests=dict.fromkeys(RequestKind, RateLimit(60, 2.0, per_symbol=True)),
    account=(RateLimit(1000, 2.0, per_symbol=False),),
    batch_size=20,
    connects=RateLimit(3, 1.0, per_symbol=False),
)

# The venue cuts a connection that is silent for 30 s ("Connect", read 2026-11). A text ping costs
# nothing and counts against no limit, so a half-open socket is found after 10 s: 5 s of silence,
# then 5 s for the pong, far above any healthy round trip.
# How soon a query shows a placed order is nowhere documented; 1 s is a judgement.
_NUMBERS = {
    "ping_after_s": 5.0,
    "dead_after_s": 10.0,
    "visibility_lag_ms": 1000.0,
    "clock_skew_ms": 500.0,
    "expiry_ms": 2000.0,
}
_TD_MODES = ("cash", "cross", "isolated", "spot_isolated")
_INST_TYPES = ("SPOT", "SWAP", "FUTURES")
OPTIONS = ("td_mode", "inst_types", *_NUMBERS)


@dataclass(frozen=True, slots=True)
class Settings:
    """One account's way to reach OKX. ``required_types`` are instrument types it must trade."""

    rest_url: str
    ws_url: str
    demo: bool
    td_mode: str | None
    inst_types: tuple[str, ...]
    required_types: tuple[str, ...]
    ping_after_s: float
    dead_after_s: float
    timing: Timing


def read_settings(
    environment: str, rest_url: str | None, ws_url: str | None, options: Mapping[str, Any]
) -> Settings:
    """Return the settings of ``environment`` with its options.

    Options: ``td_mode`` (for every order that names none), ``inst_types`` (such as "SPOT,SWAP";
    naming them also makes the account check insist that they can be traded),
    ``ping_after_s``, ``dead_after_s``, ``visibility_lag_ms``, ``clock_skew_ms``, ``expiry_ms``.

    Raises:
        ConfigError: If the environment or an option is unknown or wrong.
    """
    if environment not in _HOSTS:
        problem = f"{environment!r} is unknown; known: {', '.join(_HOSTS)}"
        raise ConfigError("okx environment", problem)
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ConfigError("okx options", f"unknown: {unknown}; known: {', '.join(OPTIONS)}")
    td_mode = options.get("td_mode")
    if td_mode not in (None, *_TD_MODES):
        raise ConfigError("okx option td_mode", f"{td_mode!r} is none of {', '.join(_TD_MODES)}")
    numbers = _numbers(options)
    rest, ws = _HOSTS[environment]
    ws_root = (ws_url or ws).rstrip("/").removesuffix("/ws/v5")
    required = _types(options.get("inst_types"))
    return Settings(
        rest_url=(rest_url or rest).rstrip("/"),
        ws_url=f"{ws_root}/ws/v5",
        demo=environment.endswith("demo"),
        td_mode=td_mode,
        inst_types=required or ("SPOT", "SWAP"),
        required_types=required,
        ping_after_s=numbers["ping_after_s"],
        dead_after_s=numbers["dead_after_s"],
        timing=Timing(
            visibility_lag_ms=int(numbers["visibility_lag_ms"]),
            clock_skew_ms=int(numbers["clock_skew_ms"]),
            expiry_ms=int(numbers["expiry_ms"]),
        ),
    )


def _numbers(options: Mapping[str, Any]) -> dict[str, float]:
    found = {name: _positive(name, options.get(name, _NUMBERS[name])) for name in _NUMBERS}
    if not found["ping_after_s"] < found["dead_after_s"] <= 30:
        raise ConfigError("okx options", "ping_after_s < dead_after_s <= 30 must hold")
    return found


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"okx option {name}", f"{value!r} is not a positive number")
    return float(value)


def _types(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    named = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(named, list | tuple) or not named or set(named) - set(_INST_TYPES):
        problem = f"{value!r} names something else than {', '.join(_INST_TYPES)}"
        raise ConfigError("okx option inst_types", problem)
    return tuple(named)
