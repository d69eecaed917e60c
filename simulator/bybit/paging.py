"""Pages of a list: a limit, and a cursor that names the row to go on after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from simulator.bybit.codes import Problem

T = TypeVar("T")


def page(
    rows: Iterable[T],
    given: Mapping[str, Any],
    name: Callable[[T], str],
    *,
    default: int,
    most: int,
) -> tuple[list[T], str]:
    """Return one page, and the cursor of the next; "" if this is the last.

    The cursor names the page's first and last row, percent-encoded as the venue's own is.
    """
    limit = min(integer(given, "limit") or default, most)
    after = unquote(unquote(str(given.get("cursor") or ""))).rpartition(",")[2]
    shown: list[T] = []
    begun, more = not after, False
    for row in rows:
        if not begun:
            begun = name(row) == after
        elif len(shown) == limit:
            more = True
            break
        else:
            shown.append(row)
    if not begun:
        raise Problem(10001, "cursor")
    return shown, f"{name(shown[0])}%2C{name(shown[-1])}" if more else ""


def integer(given: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number; None if it is left out."""
    value = str(given.get(name) or "")
    if not value:
        return None
    if not value.isdigit():
        raise Problem(10001, name)
    return int(value)


def within(given: Mapping[str, Any], now_ms: int, span_ms: int) -> tuple[int, int]:
    """Return the times asked for, ``span_ms`` apart at most; without any, the last ``span_ms``."""
    start_ms, end_ms = integer(given, "startTime"), integer(given, "endTime")
    if end_ms is None:
        end_ms = now_ms if start_ms is None else start_ms + span_ms
    if start_ms is None:
        start_ms = end_ms - span_ms
    if not 0 <= end_ms - start_ms <= span_ms:
        raise Problem(10001, "the interval between startTime and endTime is incorrect")
    return start_ms, end_ms
