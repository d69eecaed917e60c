"""Public queries: instruments, time, books, tickers, system status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.exchange.book import Book
from simulator.okx.codes import Problem, envelope
from simulator.okx.public import book_sides, instrument_item, ticker_item
from simulator.okx.rest_query import Query

Handler = Callable[[Query], dict[str, Any]]

_KINDS = frozenset(("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"))
_MAX_LEVELS = 400


def _instruments(query: Query) -> dict[str, Any]:
    kind, wanted = query.required("instType"), query.get("instId")
    if kind not in _KINDS:
        raise Problem("51000", "instType")
    items = [instrument_item(one) for one in query.venue.listing.by_id.values()]
    data = [item for item in items if item["instType"] == kind and wanted in ("", item["instId"])]
    return envelope("0", data=data)


def _time(query: Query) -> dict[str, Any]:
    return envelope("0", data=[{"ts": str(query.now_ms)}])


def _books(query: Query) -> dict[str, Any]:
    size = query.get("sz") or "1"
    if not size.isdigit():
        raise Problem("51000", "sz")
    bids, asks = book_sides(_book(query), min(int(size), _MAX_LEVELS))
    return envelope("0", data=[{"asks": asks, "bids": bids, "ts": str(query.now_ms)}])


def _ticker(query: Query) -> dict[str, Any]:
    return envelope("0", data=[ticker_item(_book(query), query.now_ms)])


def _tickers(query: Query) -> dict[str, Any]:
    kind = query.required("instType")
    items = [ticker_item(book, query.now_ms) for book in query.venue.exchange.books.values()]
    return envelope("0", data=[item for item in items if item["instType"] == kind])


def _status(query: Query) -> dict[str, Any]:
    """Return no maintenance: none is ever planned here."""
    return envelope("0", data=[])


def _book(query: Query) -> Book:
    book = query.venue.exchange.books.get(query.required("instId"))
    if book is None:
        raise Problem("51001")
    return book


HANDLERS: dict[str, tuple[str, Handler]] = {
    "public/instruments": ("instruments", _instruments),
    "public/time": ("time", _time),
    "market/books": ("books", _books),
    "market/ticker": ("ticker", _ticker),
    "market/tickers": ("tickers", _tickers),
    "system/status": ("status", _status),
}
