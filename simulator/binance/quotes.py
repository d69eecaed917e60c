"""Best bid and offer as a stream: pushed whenever either changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import Instrument
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

# The venue pushes in real time; here what changes within this time is pushed once.
_PACE_S = 0.01
_ALL = "!bookTicker"

Top = tuple[str, str, str, str]


@dataclass(slots=True, eq=False)
class QuoteStream:
    """One stream of one connection; ``wrapped`` frames name the stream that they are of."""

    socket: Socket
    name: str
    wrapped: bool
    symbol: str


def padded(value: Any, digits: int) -> str:
    """Return ``value`` with exactly so many decimals."""
    return f"{value:.{digits}f}"


@lru_cache(maxsize=256)
def decimals(step: Any) -> int:
    """Return how many decimals multiples of ``step`` need."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def top(book: Book, price_digits: int, size_digits: int) -> Top:
    """Return best bid, its size, best offer, its size; zeros where a side is empty."""
    shown = []
    for side in (book.bids, book.asks):
        levels = side.levels(1)
        key, size = (levels[0][0], levels[0][1]) if levels else (0, 0)
        shown += [padded(book.instrument.price(abs(key)), price_digits), padded(size, size_digits)]
    return (shown[0], shown[1], shown[2], shown[3])


class Quotes:
    """Listens to the books and pushes to whoever subscribed."""

    def __init__(self, exchange: Exchange, faults: FaultBook, *, spot: bool) -> None:
        self._exchange = exchange
        self._spot = spot
        self._streams: dict[str, list[QuoteStream]] = {}
        self._sent: dict[str, Top] = {}
        self._numbers: dict[str, int] = {}
        self._dirty: dict[str, Book] = {}
        self._scheduled = False
        self._pushes = PushQueue(faults, exchange.clock, lambda raw, _: raw, lambda: None)
        self.loop: asyncio.AbstractEventLoop | None = None

    def open(self, socket: Socket, name: str, *, wrapped: bool) -> QuoteStream | None:
        """Return a stream of that name, its present state pushed; None if no such stream is."""
        symbol, _, kind = name.partition("@")
        book = self._exchange.books.get(symbol.upper())
        if name != _ALL and (kind != "bookTicker" or book is None or symbol != symbol.lower()):
            return None
        stream = QuoteStream(socket, name, wrapped, "" if name == _ALL else symbol.upper())
        self._streams.setdefault(stream.symbol, []).append(stream)
        if book is not None:
            self._push(stream, book)
        return stream

    def close(self, stream: QuoteStream) -> None:
        """Push to ``stream`` no more."""
        streams = self._streams.get(stream.symbol, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._streams.pop(stream.symbol, None)

    def book_changed(self, book: Book) -> None:
        """Note that ``book`` may have to be pushed."""
        if not self._streams or self.loop is None:
            return
        self._dirty[book.instrument.symbol] = book
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_later(_PACE_S, self._flush)

    def traded(self, book: Book) -> None:
        """Note that ``book`` may have to be pushed."""
        self.book_changed(book)

    def digits(self, instrument: Instrument) -> tuple[int, int]:
        """Return the decimals of prices and of sizes."""
        if self._spot:
            return 8, 8
        return price_digits(instrument), decimals(instrument.lot)

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for symbol, book in dirty.items():
            now = top(book, *self.digits(book.instrument))
            if self._sent.get(symbol) == now:
                continue
            self._sent[symbol] = now
            for key in (symbol, ""):
                for stream in list(self._streams.get(key, ())):
                    self._push(stream, book)

    def _push(self, stream: QuoteStream, book: Book) -> None:
        symbol = book.instrument.symbol
        number = self._numbers[symbol] = self._numbers.get(symbol, self._first_number()) + 1
        bid, bid_size, ask, ask_size = top(book, *self.digits(book.instrument))
        quote: dict[str, Any] = {"u": number, "s": symbol, "b": bid, "B": bid_size}
        quote |= {"a": ask, "A": ask_size}
        if not self._spot:
            now_ms = self._exchange.clock.now_ms()
            # Order of keys, st and ps: the sheet, A7.
            head = {"e": "bookTicker", "u": number, "E": now_ms, "T": now_ms}
            quote = {**head, **quote, "st": 1, "ps": symbol}
        frame = {"stream": stream.name, "data": quote} if stream.wrapped else quote
        socket = stream.socket
        payload = orjson.dumps(frame)
        self._pushes.send(Push(socket, payload, "bookTicker", "", symbol, word=stream.name))

    def _first_number(self) -> int:
        return self._exchange.clock.true_ms()


def price_digits(instrument: Instrument) -> int:
    """Return the decimals that replies pad futures prices to (``pricePrecision``)."""
    return max(2, decimals(instrument.tick))
