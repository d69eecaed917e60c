"""Functions run by time, under the same lock as the callbacks."""

import inspect
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from router.errors import InvalidArgument
from strategy_sdk.callbacks import Callbacks

TRIGGERS = ("interval", "cron", "date")
THREADS = 4
UNITS = ("weeks", "days", "hours", "minutes", "seconds")


class Schedule:
    """The strategy's timed functions; its thread starts with the first of them."""

    def __init__(self, callbacks: Callbacks, stopping: threading.Event) -> None:
        self._callbacks = callbacks
        self._stopping = stopping
        self._scheduler: Any = None
        self._lock = threading.Lock()
        self._ended = False

    def add(self, function: Callable[..., object], trigger: str, arguments: dict[str, Any]) -> None:
        """Run ``function`` by ``trigger``; ``arguments`` are APScheduler's (times are UTC).

        A run that comes due while the last one waits or runs is left out.

        Raises:
            InvalidArgument: If the trigger or an argument is wrong, or ``function`` is async.
        """
        if trigger not in TRIGGERS:
            raise InvalidArgument("trigger", f"{trigger!r} is none of {', '.join(TRIGGERS)}")
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise InvalidArgument(
                "func", f"{function!r} is no plain function; async ones cannot run"
            )
        with self._lock:
            if self._ended:
                return
            if self._scheduler is None:
                self._scheduler = BackgroundScheduler(
                    executors={"default": ThreadPoolExecutor(THREADS)},
                    job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
                    timezone=UTC,
                )
                self._scheduler.start()
            args, kwargs = arguments.pop("args", ()), arguments.pop("kwargs", {})
            try:
                if trigger == "interval":
                    _check_interval(arguments)
                bound = self._bound(function, args, kwargs)
                self._scheduler.add_job(self._callbacks.run, trigger, (bound,), **arguments)
            except (TypeError, ValueError, LookupError, OverflowError) as error:
                raise InvalidArgument("schedule", f"{error}") from error

    def stop(self) -> None:
        """Start nothing more; what waits, for a thread or the lock, returns without running."""
        with self._lock:
            self._ended = True
            if self._scheduler is not None:
                self._scheduler.shutdown(wait=False)
                self._scheduler = None

    def _bound(
        self, function: Callable[..., object], args: Any, kwargs: Any
    ) -> Callable[[], object]:
        def scheduled() -> object:
            if self._stopping.is_set():  # since it came due
                return None
            return function(*args, **kwargs)

        scheduled.__qualname__ = getattr(function, "__qualname__", repr(function))
        return scheduled


def _check_interval(arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for an interval not above 0, on which APScheduler would never rest."""
    given = {unit: arguments[unit] for unit in UNITS if unit in arguments}
    if given and timedelta(**given) <= timedelta(0):
        raise ValueError(f"an interval of {given} is not above 0")
