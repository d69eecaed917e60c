"""Best bids and asks: what is subscribed, from where each stream is read, and who is told.

A stream holds one entry, so a slow reader finds the latest book only. A worker keeps the books that
``wanted`` names; an entry found at subscribing counts only if somebody wanted it just before, since
otherwise it is a leftover that no worker keeps up to date.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from router.errors import ConfigError, InvalidArgument, RedisUnavailable
from router.instruments import exchange_of
from strategy_sdk import decode
from strategy_sdk.accounts import Accounts
from strategy_sdk.cache import Cache
from strategy_sdk.errors import NotReady
from strategy_sdk.gateway import Gateway
from strategy_sdk.instruments import Instruments
from strategy_sdk.schema import BookL1
from strategy_sdk.timing import Timing

WANTED_FOR_MS = 30_000
"""How long after its last mention in ``wanted`` a book still counts as kept up to date."""


@dataclass(slots=True)
class Subscription:
    """One symbol's stream; ``last_id`` is the entry last handed over."""

    symbol: str
    stream: str
    last_id: str


class Books:
    """The books of one strategy. ``places``: those that are read (``Link.place``)."""

    def __init__(
        self,
        gateway: Gateway,
        accounts: Accounts,
        instruments: Instruments,
        cache: Cache,
        timing: Timing,
        stopping: threading.Event,
        log: logging.Logger,
        places: Collection[int],
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._instruments = instruments
        self._cache = cache
        self._timing = timing
        self._stopping = stopping
        self._log = log
        self._places = places
        self._lock = threading.Lock()
        self._by_stream: dict[str, Subscription] = {}

    def __repr__(self) -> str:
        return f"Books({len(self._by_stream)} subscribed)"

    @property
    def ready(self) -> bool:
        """Whether each subscribed symbol had a first book."""
        return all(self._cache.bookl1(one.symbol) is not None for one in self.streams())

    def streams(self, place: int | None = None) -> list[Subscription]:
        """Return what to read now: all, or what is at one place (``Link.place``)."""
        link = self._gateway.link
        with self._lock:
            found = list(self._by_stream.values())
        if place is None or link.one_place:
            return found
        return [one for one in found if link.place(one.stream) == place]

    def of_stream(self, stream: str) -> Subscription | None:
        """Return the subscription that reads ``stream``; None once it has ended."""
        return self._by_stream.get(stream)

    def subscribe(self, symbols: str | Sequence[str], ready_timeout: float, *, ready: bool) -> None:
        """Deliver the symbols' books from now on; with ``ready``, return when each had one.

        Raises:
            InvalidArgument: If a symbol is malformed or not listed, or its books are not read.
            ConfigError: If no worker published the venue's instruments (in time, with ``ready``).
            NotReady: If a first book did not come in ``ready_timeout`` seconds.
        """
        names = [symbols] if isinstance(symbols, str) else list(symbols)
        ready = ready and self._timing.wait_for_books
        give_up_at = time.monotonic() + ready_timeout
        for symbol in names:
            self._check_read(symbol)
            self._wait_until_listed(symbol, give_up_at if ready else 0.0)
        new = [
            symbol for symbol in dict.fromkeys(names) if self._stream(symbol) not in self._by_stream
        ]
        started = [self._start(symbol) for symbol in new]
        with self._lock:
            self._by_stream.update((one.stream, one) for one in started)
        if ready:
            self._wait_for_first(names, give_up_at, ready_timeout)

    def unsubscribe(self, symbols: str | Sequence[str]) -> None:
        """Deliver the symbols' books no more; unknown ones are left alone."""
        names = [symbols] if isinstance(symbols, str) else symbols
        with self._lock:
            for symbol in names:
                self._by_stream.pop(self._stream(symbol), None)
        for symbol in names:
            self._cache.forget_book(symbol)

    def want(self, symbols: Iterable[str] | None = None) -> None:
        """Tell the workers which books are wanted: the given ones, or all subscribed."""
        if symbols is None:
            symbols = [one.symbol for one in self.streams()]
        now_ms = self._now_ms()
        for symbol in symbols:
            self._gateway.fetch("ZADD", self._wanted(symbol), now_ms, symbol)

    def read(
        self, subscription: Subscription, entry_id: str, fields: dict[str, str]
    ) -> BookL1 | None:
        """Return the book in an entry and keep it; None (and a log line) if it is unreadable."""
        try:
            exchange = exchange_of(subscription.symbol)
            book = decode.book_from_fields(fields, subscription.symbol, exchange, entry_id)
        except decode.UNREADABLE as error:
            self._log.error(
                "the book %s of %s is unreadable (%r) and is skipped: %s",
                *(entry_id, subscription.symbol, error, fields),
            )
            return None
        self._cache.set_book(book)
        return book

    # --- how

    def _now_ms(self) -> int:
        # The workers compare with theirs; this machine's clock may be set at any time.
        return self._gateway.now_ms(self._accounts.all[0])

    def _stream(self, symbol: str) -> str:
        return self._accounts.venue(exchange_of(symbol)).bookl1(symbol)

    def _wanted(self, symbol: str) -> str:
        return self._accounts.venue(exchange_of(symbol)).wanted

    def _check_read(self, symbol: str) -> None:
        if self._gateway.link.place(self._stream(symbol)) not in self._places:
            exchange = exchange_of(symbol).value
            raise InvalidArgument(
                "symbols",
                f"on a Redis Cluster a strategy reads the books of its accounts' exchanges only, "
                f"and it has no account of {exchange} for {symbol}; name one in `accounts`",
            )

    def _start(self, symbol: str) -> Subscription:
        stream = self._stream(symbol)
        wanted_ms = self._gateway.fetch("ZSCORE", self._wanted(symbol), symbol)
        newest = self._gateway.fetch("XREVRANGE", stream, "+", "-", "COUNT", 1)
        self.want([symbol])
        kept = wanted_ms is not None and self._now_ms() - float(wanted_ms) <= WANTED_FOR_MS
        return Subscription(symbol, stream, newest[0][0] if newest and not kept else "0-0")

    def _wait_until_listed(self, symbol: str, give_up_at: float) -> None:
        """Return once the instrument is known; a worker that is just starting is waited for."""
        while True:
            try:
                self._instruments.get(symbol)
            except ConfigError:
                if time.monotonic() >= give_up_at or self._stopping.wait(0.1):
                    raise
            else:
                return

    def _wait_for_first(self, symbols: list[str], give_up_at: float, timeout_s: float) -> None:
        """Return when each symbol had a book, or when the strategy is told to stop.

        The reader's places stay: it delivers what is found here, or something newer.
        """
        waiting = {self._stream(symbol): symbol for symbol in symbols}
        while not self._stopping.is_set():
            waiting = {
                stream: symbol
                for stream, symbol in waiting.items()
                if self._cache.bookl1(symbol) is None and stream in self._by_stream
            }
            if not waiting:
                return
            if time.monotonic() >= give_up_at:
                raise NotReady(
                    f"no book of {', '.join(waiting.values())} in {timeout_s:g} s. The "
                    "subscription stays. See that a worker of that exchange runs and is connected"
                )
            self._read_first(waiting)

    def _read_first(self, waiting: dict[str, str]) -> None:
        link = self._gateway.link
        for at in sorted({link.place(stream) for stream in waiting}):
            self._read_first_at(at, waiting)

    def _read_first_at(self, at: int, waiting: dict[str, str]) -> None:
        places = [one for one in self.streams(at) if one.stream in waiting]
        if not places:
            return
        block_ms = int(self._timing.block_s * 1000)
        try:
            reply = self._gateway.fetch(
                "XREAD",
                *("BLOCK", block_ms, "STREAMS"),
                *(one.stream for one in places),
                *(one.last_id for one in places),
            )
        except RedisUnavailable as error:
            self._log.warning("still waiting for books: %s", error)
            return
        for stream, entries in reply or ():
            subscription = self.of_stream(stream)
            if subscription is not None:
                self.read(subscription, entries[-1][0], decode.fields_of(entries[-1][1]))
