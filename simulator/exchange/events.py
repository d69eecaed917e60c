"""What the exchange tells whoever listens (the dialects), synchronously and in order."""

from __future__ import annotations

from typing import Protocol

from simulator.exchange.accounts import Account
from simulator.exchange.book import Book
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position


class AccountListener(Protocol):
    """Hears what happens on accounts; must read what it needs at once, since orders go on."""

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """``order`` was accepted, filled (``fill``), amended (``note``) or ended."""

    def balance_changed(self, account: Account, currency: str) -> None:
        """A total or a frozen amount changed."""

    def position_changed(self, account: Account, position: Position) -> None:
        """A position changed."""


class BookListener(Protocol):
    """Hears what happens on books."""

    def book_changed(self, book: Book) -> None:
        """Resting or synthetic liquidity changed."""

    def traded(self, book: Book) -> None:
        """A trade printed; it is the book's last one."""


class Listeners:
    """Hands each event on to every listener added."""

    __slots__ = ("_accounts", "_books")

    def __init__(self) -> None:
        self._accounts: tuple[AccountListener, ...] = ()
        self._books: tuple[BookListener, ...] = ()

    def add_for_accounts(self, listener: AccountListener) -> None:
        """Tell ``listener`` all later events of accounts."""
        self._accounts = (*self._accounts, listener)

    def add_for_books(self, listener: BookListener) -> None:
        """Tell ``listener`` all later events of books."""
        self._books = (*self._books, listener)

    def order_changed(
        self, order: Order, fill: Fill | None = None, note: AmendNote | None = None
    ) -> None:
        """Pass on."""
        for listener in self._accounts:
            listener.order_changed(order, fill, note)

    def balance_changed(self, account: Account, currency: str) -> None:
        """Pass on."""
        for listener in self._accounts:
            listener.balance_changed(account, currency)

    def position_changed(self, account: Account, position: Position) -> None:
        """Pass on."""
        for listener in self._accounts:
            listener.position_changed(account, position)

    def book_changed(self, book: Book) -> None:
        """Pass on."""
        for listener in self._books:
            listener.book_changed(book)

    def traded(self, book: Book) -> None:
        """Pass on."""
        for listener in self._books:
            listener.traded(book)
