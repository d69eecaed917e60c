"""The one way into a user's code: one at a time, and what it raises stays there."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

SLOW_S = 1.0


class Callbacks:
    """Runs a strategy's functions under one lock, so that none runs beside another."""

    def __init__(self, log: logging.Logger) -> None:
        self.lock = threading.RLock()
        self.raised = 0
        """How many calls raised; for tests and for the log's reader."""
        self._log = log
        self._ended = False

    def __repr__(self) -> str:
        return f"Callbacks({self.raised} raised)"

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function``; log what it raises, and that it was slow, and go on."""
        with self.lock:
            if self._ended:
                return
            began = time.monotonic()
            try:
                function(*args)
            # A defect in one callback must not take the strategy's other callbacks with it.
            # KeyboardInterrupt and SystemExit are no Exceptions: they pass and end the run.
            except Exception:  # noqa: BLE001
                self.raised += 1
                self._log.exception("%s raised; the strategy goes on", _name(function))
            took_s = time.monotonic() - began
        if took_s > SLOW_S:
            self._log.warning(
                "%s took %.1f s; this strategy's later callbacks waited", _name(function), took_s
            )

    def end(self) -> None:
        """Let nothing begin any more, not what waits for the lock either.

        Who holds the lock knows that nothing is under way; without it, a function may be.
        """
        self._ended = True


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", repr(function))
