"""What is listed: instruments by category and symbol, marks and currency values."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from simulator.bitget.codes import Problem
from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import ONE, ZERO, Instrument, Kind

_CATEGORIES: dict[Kind, str] = {
    "spot": "spot",
    "linear": "usdt-futures",
    "inverse": "coin-futures",
}
# Known to the venue, though nothing of them is listed here.
_OTHERS = frozenset(("margin", "usdc-futures"))
CATEGORIES = frozenset((*_CATEGORIES.values(), *_OTHERS))
_DOLLARS = frozenset(("USD", "USDT", "USDC"))


def category(instrument: Instrument) -> str:
    """Return the category as WebSocket frames spell it; REST has it in capitals."""
    return _CATEGORIES[instrument.kind]


def wire_symbol(instrument: Instrument) -> str:
    """Return the venue's own symbol: the same for spot and futures of one pair."""
    return f"{instrument.base}{instrument.quote}"


class Listing:
    """The instruments of one account system: BTCUSDT is one thing in spot, another in futures."""

    def __init__(self, exchange: Exchange) -> None:
        self._books = exchange.books
        self._found = {
            (category(book.instrument), wire_symbol(book.instrument)): book.instrument
            for book in exchange.books.values()
        }

    def find(self, wanted: str, symbol: object) -> Instrument:
        """Return what ``symbol`` is in category ``wanted``, spelt as on WebSocket.

        Raises:
            Problem: If there is none.
        """
        found = self._found.get((wanted, symbol)) if isinstance(symbol, str) else None
        if found is None:
            raise Problem("41101", f"symbol={symbol}")
        return found

    def named(self, symbol: str) -> Instrument | None:
        """Return any instrument of that symbol; None if there is none."""
        for (_, name), instrument in self._found.items():
            if name == symbol:
                return instrument
        return None

    def books(self, wanted: str, symbol: str = "") -> Iterable[Book]:
        """Return the books of a category ("" = all), or that of one symbol there."""
        return [
            self._books[instrument.symbol]
            for (kind, name), instrument in self._found.items()
            if wanted in ("", kind) and symbol in ("", name)
        ]

    def mark(self, instrument: Instrument) -> Decimal:
        """Return the mark price: the middle of the book."""
        return self._books[instrument.symbol].mid

    def usd(self, currency: str) -> Decimal:
        """Return one unit of ``currency`` in USD; 0 if nothing here trades it."""
        if currency in _DOLLARS:
            return ONE
        instrument = self.named(f"{currency}USDT")
        return ZERO if instrument is None else self.mark(instrument)
