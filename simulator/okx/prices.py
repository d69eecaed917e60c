"""Marks and currency values, read off the books."""

from __future__ import annotations

from decimal import Decimal

from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import ONE, ZERO

_DOLLARS = frozenset(("USD", "USDT", "USDC"))


class Prices:
    """Tells what things are worth now."""

    def __init__(self, exchange: Exchange) -> None:
        self._books = exchange.books

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price of ``symbol``: the middle of its book."""
        return self._books[symbol].mid

    def usd(self, currency: str) -> Decimal:
        """Return one unit of ``currency`` in USD; 0 if nothing here trades it."""
        if currency in _DOLLARS:
            return ONE
        book = self._books.get(f"{currency}-USDT")
        return book.mid if book is not None else ZERO
