"""Parameters of a request: plain text in, checked values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from simulator.binance.codes import Problem

Words = Mapping[str, str]

_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
_MOST_ROWS = 1000


def words(params: Mapping[str, Any]) -> dict[str, str]:
    """Return each parameter as its plain text; clients send numbers and booleans in both forms."""
    found = {}
    for name, value in params.items():
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif value is not None:
            found[name] = str(value)
    return found


def required(given: Words, name: str) -> str:
    """Return a parameter that must be there."""
    value = given.get(name, "")
    if not value:
        raise Problem(-1102, name)
    return value


def number(given: Words, name: str) -> Decimal:
    """Return a decimal that must be there; it may be zero."""
    value = _plain(required(given, name))
    if value is None:
        raise Problem(-1102, name)
    return value


def integer(given: Words, name: str) -> int | None:
    """Return an integer; None if it is left out."""
    value = given.get(name, "")
    if not value:
        return None
    if not value.isdigit():
        raise Problem(-1102, name)
    return int(value)


def flag(given: Words, name: str) -> bool:
    """Return a yes-or-no parameter; left out means no."""
    value = given.get(name, "").lower()
    if value not in ("", "true", "false"):
        raise Problem(-1102, name)
    return value == "true"


def choice(given: Words, name: str, known: Mapping[str, Any], default: str = "") -> str:
    """Return a parameter that must be one of ``known``."""
    value = given.get(name) or default
    if value not in known:
        raise Problem(-1102 if not value else -1130, name)
    return value


def row_count(given: Words, default: int = 500) -> int:
    """Return the parameter ``limit`` of a list, within the venue's bounds."""
    return min(integer(given, "limit") or default, _MOST_ROWS)


@lru_cache(maxsize=8192)
def _plain(value: str) -> Decimal | None:
    return Decimal(value) if _NUMBER.fullmatch(value) else None
