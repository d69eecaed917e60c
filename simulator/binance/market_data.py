"""Public queries that futures and spot share: books, tickers, prices."""

from __future__ import annotations

from typing import Any

from simulator.binance.params import integer
from simulator.binance.quotes import padded, top
from simulator.binance.venue import Call
from simulator.exchange.book import Book

_MOST_LEVELS = 1000


def book_tickers(call: Call) -> Any:
    """Return best bid and offer of one symbol, or of all as a list."""
    return _one_or_all(call, _book_ticker)


def prices(call: Call) -> Any:
    """Return the last price of one symbol, or of all as a list."""
    return _one_or_all(call, _price)


def depth(call: Call) -> dict[str, Any]:
    """Return the book of one symbol."""
    book = call.venue.book(call.instrument.symbol)
    count = min(integer(call.given, "limit") or 100, _MOST_LEVELS)
    prices_to, sizes_to = call.venue.quotes.digits(book.instrument)
    price = book.instrument.price
    bids, asks = (
        [
            [padded(price(abs(key)), prices_to), padded(size, sizes_to)]
            for key, size, _ in side.levels(count)
        ]
        for side in (book.bids, book.asks)
    )
    now_ms = call.venue.now_ms()
    return {"lastUpdateId": now_ms, "E": now_ms, "T": now_ms, "bids": bids, "asks": asks}


def _one_or_all(call: Call, shown: Any) -> Any:
    symbol = call.given.get("symbol", "")
    if symbol:
        return shown(call, call.venue.book(symbol))
    return [shown(call, book) for book in call.venue.exchange.books.values()]


def _book_ticker(call: Call, book: Book) -> dict[str, Any]:
    digits = call.venue.quotes.digits(book.instrument)
    bid, bid_size, ask, ask_size = top(book, *digits)
    return {
        "symbol": book.instrument.symbol,
        "bidPrice": bid,
        "bidQty": bid_size,
        "askPrice": ask,
        "askQty": ask_size,
        "time": call.venue.now_ms(),
    }


def _price(call: Call, book: Book) -> dict[str, Any]:
    digits, _ = call.venue.quotes.digits(book.instrument)
    last = padded(book.last_price, digits)
    return {"symbol": book.instrument.symbol, "price": last, "time": call.venue.now_ms()}
