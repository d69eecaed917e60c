"""Crash points: where a process ends itself with SIGKILL, to show that nothing is lost by it.

Off, and not even imported, unless ``ORDER_ROUTER_CRASH`` is set. Then a process, as it starts,
wraps the functions that the variable names, and no others: what is not armed costs nothing.

``ORDER_ROUTER_CRASH=worker.frame_written`` ends a worker once a frame has left. ``…:2``: the second
time. Several stand between commas. ``…@FILE``: times count only while that file exists, so that one
can bring everything into place first. Names begin with the kind of process that they are for; the
others take no notice of them.
"""

import asyncio
import importlib
import itertools
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any

from router.errors import ConfigError
from router.settings import CRASH_VARIABLE

PARTS = ("worker", "jobs", "sdk")
"""The kinds of process; each has a table of points in its own package."""


class When(Enum):
    """On which side of the function the point lies; after: once it has returned, not raised."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Point:
    """One crash point.

    ``target``: the function, as ``module:name`` or ``module:Class.name``. ``says``: where that is,
    in words. ``only``: whether a pass with these arguments counts; None counts all.
    """

    when: When
    target: str
    says: str
    only: Callable[..., bool] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the variable says about one point: die at this pass of it."""

    name: str
    pass_number: int


def before(target: str, says: str, only: Callable[..., bool] | None = None) -> Point:
    """Return a point just before the function does anything."""
    return Point(When.BEFORE, target, says, only)


def after(target: str, says: str, only: Callable[..., bool] | None = None) -> Point:
    """Return a point just after the function has done its work."""
    return Point(When.AFTER, target, says, only)


def arm(part: str, points: Mapping[str, Point], text: str) -> list[str]:
    """Arm those of a part's points that ``text`` names; return their names.

    Raises:
        ConfigError: If a name is no point of this part, nor of any other, or a number is none.
    """
    orders, file = read(text)
    armed = []
    for order in orders:
        if order.name.partition(".")[0] in set(PARTS) - {part}:
            continue
        if order.name not in points:
            known = ", ".join(points)
            raise ConfigError(CRASH_VARIABLE, f"{order.name!r} is no crash point; known: {known}")
        _wrap(points[order.name], _Fuse(order, file))
        armed.append(order.name)
    return armed


def read(text: str) -> tuple[list[Order], str]:
    """Return what to do, and the file without which no pass counts ("": all do).

    Raises:
        ConfigError: If a number is none.
    """
    names, _, file = text.partition("@")
    orders = []
    for one in names.split(","):
        name, colon, number = one.strip().partition(":")
        if colon and not (number.isdecimal() and int(number) > 0):
            raise ConfigError(CRASH_VARIABLE, f"{one!r}: after the colon stands a number above 0")
        orders.append(Order(name, int(number or 1)))
    return orders, file


class _Fuse:
    """Counts the passes of one armed point and ends the process at the one that was asked for."""

    def __init__(self, order: Order, file: str) -> None:
        self._order = order
        self._file = file
        self._passes = itertools.count(1)  # its next() is one step, whichever thread passes

    def burn(self) -> None:
        """Note one pass; does not return from the one that was asked for."""
        if self._file and not os.path.exists(self._file):
            return
        if next(self._passes) == self._order.pass_number:
            end_here(self._order.name)


def end_here(name: str) -> None:
    """End this process as a power cut would; stderr says where."""
    os.write(2, f"crash point {name}: ended here\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def find(target: str) -> tuple[Any, str]:
    """Return the module or class that holds a point's function, and the name that it has there.

    Raises:
        AttributeError: If there is no such function.
    """
    module, _, path = target.partition(":")
    *outer, name = path.split(".")
    holder: Any = importlib.import_module(module)
    for part in outer:
        holder = getattr(holder, part)
    getattr(holder, name)
    return holder, name


def _wrap(point: Point, fuse: _Fuse) -> None:
    holder, name = find(point.target)
    function = getattr(holder, name)

    def passes(when: When, *args: Any, **kwargs: Any) -> None:
        if when is point.when and (point.only is None or point.only(*args, **kwargs)):
            fuse.burn()

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        passes(When.BEFORE, *args, **kwargs)
        result = function(*args, **kwargs)
        passes(When.AFTER, *args, **kwargs)
        return result

    @wraps(function)
    async def wrapped_async(*args: Any, **kwargs: Any) -> Any:
        passes(When.BEFORE, *args, **kwargs)
        result = await function(*args, **kwargs)
        passes(When.AFTER, *args, **kwargs)
        return result

    awaited = asyncio.iscoroutinefunction(function)
    setattr(holder, name, wrapped_async if awaited else wrapped)
