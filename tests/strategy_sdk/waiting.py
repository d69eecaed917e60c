"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

DEADLINE_S = 60.0
"""For what must come; only a failing test waits that long."""


def wait_for(condition: Callable[[], _T], timeout_s: float = DEADLINE_S) -> _T:
    """Return the first true answer of ``condition``.

    Raises:
        AssertionError: If there is none in time.
    """
    deadline, pause_s = time.monotonic() + timeout_s, 0.001
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(pause_s)
        pause_s = min(0.02, pause_s * 1.2)
    return answer
