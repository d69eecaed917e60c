"""One reader kept going: read and tell, and after an outage come back with growing pauses.

Where all keys are on one server, one reading serves a strategy. On a Cluster each slot has one of
its own, in a thread of its own, so that a server that is away delays no results of the others.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from router.errors import RedisUnavailable, RouterError
from strategy_sdk.accounts import Account
from strategy_sdk.gateway import Gateway
from strategy_sdk.link import backoff_s
from strategy_sdk.reader import Reader
from strategy_sdk.timing import Timing


class Reading:
    """What one reader reads, for as long as the strategy runs."""

    def __init__(
        self,
        reader: Reader,
        accounts: Sequence[Account],
        gateway: Gateway,
        timing: Timing,
        stopping: threading.Event,
        log: logging.Logger,
    ) -> None:
        self.reader = reader
        self.accounts = accounts
        self._gateway = gateway
        self._timing = timing
        self._stopping = stopping
        self._log = log
        self._pauses: Iterator[float] | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Reading({self.reader!r})"

    def start(self, name: str, ended: Callable[[BaseException], None]) -> None:
        """Read in a thread of its own until the strategy stops; ``ended`` gets what ends it."""

        def read() -> None:
            try:
                self.run()
            except BaseException as error:  # noqa: BLE001  # the run's own thread raises it
                ended(error)

        self._thread = threading.Thread(target=read, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Return when its thread, if it has one, has ended."""
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Read until the strategy stops."""
        while not self._stopping.is_set():
            if not self.reader.has_streams:
                self._stopping.wait(self._timing.block_s)  # no book is subscribed yet
                continue
            self.turn()

    def turn(self, *, block: bool = True) -> bool:
        """Read and tell once; return whether anything came."""
        try:
            came = self.reader.turn(block=block)
        except RedisUnavailable as error:
            self._reconnect(error)
            return False
        self._pauses = None
        return came

    def _reconnect(self, error: RedisUnavailable) -> None:
        self._log.warning("Redis is away, orders cannot be sent: %s", error)
        if self._pauses is None:  # they go on growing until a read has worked
            timing = self._timing
            self._pauses = backoff_s(timing.reconnect_first_s, timing.reconnect_most_s)
        for pause_s in self._pauses:
            if self._stopping.wait(pause_s):
                return
            try:
                for account in self.accounts:
                    self._gateway.register(account, wake=True)
                self.reader.look_back()
            except RouterError as trouble:
                self._log.debug("Redis is still away: %s", trouble)
            else:
                self._log.warning("Redis is back; going on with %r", self.reader)
                return
