"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(condition: Callable[[], _T], timeout_s: float = 5.0) -> _T:
    """Return the first true answer of ``condition``.

    Raises:
        AssertionError: If there is none in time.
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.002)
    return answer
