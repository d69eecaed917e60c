"""Stamps of a clock that all processes of one machine share, and wrappers that take them.

The router's own code is left as it is: a method is wrapped on one object or class of this run.
"""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any


class Stamps:
    """What happened when, in order."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, int]] = []

    def take(self, name: str) -> None:
        """Note that ``name`` happens now."""
        self._taken.append((name, time.perf_counter_ns()))

    def taken(self) -> list[tuple[str, int]]:
        """Return all stamps so far and forget them."""
        taken, self._taken = self._taken, []
        return taken

    def watch(self, owner: Any, method: str, before: str, after: str = "") -> None:
        """Take ``before`` at each call of the method, and ``after`` when it has returned."""
        setattr(owner, method, self._watched(getattr(owner, method), before, after))

    def _watched(self, function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched_async(*args: Any, **options: Any) -> Any:
                self.take(before)
                found = await function(*args, **options)
                if after:
                    self.take(after)
                return found

            return watched_async

        @functools.wraps(function)
        def watched(*args: Any, **options: Any) -> Any:
            self.take(before)
            found = function(*args, **options)
            if after:
                self.take(after)
            return found

        return watched
