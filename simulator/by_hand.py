"""Acting by hand through the control API: markets, orders, positions, balances."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.exchange.accounts import Account
from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import plain
from simulator.exchange.ledger import order_json
from simulator.exchange.market import quote_at
from simulator.exchange.orders import CancelSource, Order, OrderKind, Side
from simulator.world import Floor, World

Body = dict[str, Any]

_KINDS: dict[str, OrderKind] = {
    "limit": "limit",
    "market": "market",
    "post_only": "post_only",
    "fok": "fok",
    "ioc": "ioc",
}
_ID = re.compile(r"[A-Za-z0-9]{0,32}")
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_SOURCES: dict[str, CancelSource] = {"user": "user", "system": "system"}


class BadRequest(ValueError):
    """What was asked of the control API makes no sense; the text says why."""


class ByHand:
    """Changes the world as an operator or another program of the account's owner would."""

    def __init__(self, world: World) -> None:
        self._world = world

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Do ``act`` after ``delay_s``."""
        asyncio.get_running_loop().call_later(delay_s, act)

    def market(self, body: Body) -> Body:
        """Move a price, set liquidity, let somebody trade through the book, freeze it."""
        exchange = self._floor(body).exchange
        book = _book(exchange, body)
        if "freeze" in body:
            book.frozen = bool(body["freeze"])
        if "bids" in body or "asks" in body:
            exchange.move(book.instrument.symbol, _levels(body, "bids"), _levels(body, "asks"))
        if "liquidity" in body:
            exchange.level_sizes[book.instrument.symbol] = _decimal(body, "liquidity")
        if "bid" in body or "ask" in body or "liquidity" in body:
            self._quote(exchange, book, body)
        taken = Decimal(0)
        if "trade" in body:
            taken = _trade(exchange, book, body["trade"])
        bid, ask = book.best_bid(), book.best_ask()
        return {
            "symbol": book.instrument.symbol,
            "bid": None if bid is None else plain(bid),
            "ask": None if ask is None else plain(ask),
            "traded": plain(taken),
        }

    def place(self, body: Body) -> Body:
        """Place an order by hand: to the strategies an external one."""
        floor = self._floor(body)
        account, book = _account(floor.exchange, body), _book(floor.exchange, body)
        instrument = book.instrument
        side = _SIDES.get(str(body.get("side")))
        kind = _KINDS.get(str(body.get("type", "limit")))
        if side is None or kind is None:
            raise BadRequest("side: buy or sell; type: " + ", ".join(_KINDS))
        price = None if kind == "market" else _decimal(body, "price")
        spot = instrument.is_spot
        for name in ("client_id", "tag"):
            if not _ID.fullmatch(str(body.get(name) or "")):
                raise BadRequest(f"{name}: at most 32 letters and digits")
        order = Order(
            account,
            instrument,
            side,
            kind,
            _size(body, book, price),
            price,
            str(body.get("client_id") or floor.external_id()),
            str(body.get("tag") or ""),
            kind,
            "cash" if spot else "cross",
            position_word="" if spot else "net",
            target_word="base_ccy" if spot and kind == "market" else "",
            reduce_only=bool(body.get("reduce_only", False)),
            transport="control",
            external=True,
        )
        refusal = floor.exchange.place(order)
        if refusal is not None:
            raise BadRequest(f"{refusal.reason} {' '.join(refusal.detail)}".strip())
        return order_json(order)

    def cancel(self, body: Body) -> Body:
        """Cancel an order as its owner or the venue's system does."""
        exchange, order = self._order(body)
        source = _SOURCES.get(str(body.get("source", "user")))
        if source is None:
            raise BadRequest("source: user or system")
        refusal = exchange.cancel(order, source)
        if refusal is not None:
            raise BadRequest(f"the order is {order.state}")
        return order_json(order)

    def fill(self, body: Body) -> Body:
        """Fill an order as maker now, in part or in full."""
        exchange, order = self._order(body)
        if not order.is_open:
            raise BadRequest(f"the order is {order.state}")
        price = _decimal(body, "price") if body.get("price") else order.price
        if price is None:
            raise BadRequest("price: the order has none of its own")
        size = order.leaves
        if body.get("amount") or body.get("size"):
            size = _size(body, exchange.books[order.instrument.symbol], price)
        if not 0 < size <= order.leaves:
            raise BadRequest(f"amount: at most {order.leaves} is left (in the venue's units)")
        book = exchange.books[order.instrument.symbol]
        exchange.matcher.fill_by_hand(book, order, size, price)
        return order_json(order)

    def set_position(self, body: Body) -> Body:
        """Set or flatten a position; ``size`` or ``amount`` is signed."""
        exchange = self._floor(body).exchange
        account, book = _account(exchange, body), _book(exchange, body)
        if book.instrument.is_spot:
            raise BadRequest("symbol: spot has no positions")
        size = Decimal(0)
        if body.get("amount") or body.get("size"):
            size = _size(body, book, book.mid)
        exchange.set_position(account, book.instrument, size)
        return {"account": account.name, "symbol": book.instrument.symbol, "size": plain(size)}

    def set_balance(self, body: Body) -> Body:
        """Set a currency's total."""
        exchange = self._floor(body).exchange
        account, currency = _account(exchange, body), str(body.get("currency", ""))
        if not currency:
            raise BadRequest("currency: missing")
        total = _decimal(body, "total")
        exchange.set_balance(account, currency, total)
        return {"account": account.name, "currency": currency, "total": plain(total)}

    def _quote(self, exchange: Exchange, book: Book, body: Body) -> None:
        symbol, instrument = book.instrument.symbol, book.instrument
        bid = _decimal(body, "bid") if "bid" in body else None
        ask = _decimal(body, "ask") if "ask" in body else None
        spread = instrument.tick * max(book.spread_ticks, 1)
        if bid is None:
            bid = (
                (ask - spread) if ask is not None else instrument.price(instrument.ticks(book.mid))
            )
        if ask is None:
            ask = bid + spread
        if not 0 < bid < ask:
            raise BadRequest("bid and ask: 0 < bid < ask")
        size, count = exchange.level_sizes[symbol], self._world.config.market.levels
        quote_at(book, bid, ask, size=size, count=count)
        exchange.matcher.sweep(book)
        exchange.events.book_changed(book)

    def _floor(self, body: Body) -> Floor:
        """Return the venue that is named, or else the only one that has account and symbol."""
        floors = self._world.floors
        venue = str(body.get("venue") or "")
        if venue:
            for name, floor in floors.items():
                if name == venue:
                    return floor
            raise BadRequest(f"venue: one of {list(floors)}")
        account, symbol = str(body.get("account") or ""), str(body.get("symbol") or "")
        fitting = [
            floor
            for floor in floors.values()
            if (not account or account in floor.exchange.accounts)
            and (not symbol or symbol in floor.exchange.books)
        ]
        if len(fitting) > 1:
            raise BadRequest(f"venue: which of {[floor.venue for floor in fitting]}?")
        # Without one that fits, the first says what is wrong.
        return fitting[0] if fitting else next(iter(floors.values()))

    def _order(self, body: Body) -> tuple[Exchange, Order]:
        venue_id, client_id = str(body.get("venue_id") or ""), str(body.get("client_id") or "")
        account, venue = str(body.get("account") or ""), str(body.get("venue") or "")
        for floor in self._world.floors.values():
            if venue not in ("", floor.venue):
                continue
            found = floor.exchange.orders.get(venue_id)
            for owner in floor.exchange.accounts.values():
                if found is None and client_id and account in ("", owner.name):
                    found = owner.latest_by_client.get(client_id)
            if found is not None:
                return floor.exchange, found
        raise BadRequest(f"no order {venue_id or client_id!r}")


def _trade(exchange: Exchange, book: Book, trade: Any) -> Decimal:
    if not isinstance(trade, dict) or str(trade.get("side")) not in _SIDES:
        raise BadRequest("trade: {side, amount or size, price?}")
    side = _SIDES[str(trade["side"])]
    price = _decimal(trade, "price") if trade.get("price") else None
    limit = None if price is None else -book.key(side, price)
    size = _size(trade, book, price or book.mid)
    taken = exchange.matcher.walk(book, side, size, limit)
    exchange.events.book_changed(book)
    return taken


def _size(body: Body, book: Book, price: Decimal | None) -> Decimal:
    if body.get("size"):
        return _decimal(body, "size")
    return book.instrument.size_of(_decimal(body, "amount"), price or book.mid).normalize()


def _account(exchange: Exchange, body: Body) -> Account:
    account = exchange.accounts.get(str(body.get("account", "")))
    if account is None:
        raise BadRequest(f"account: one of {sorted(exchange.accounts)}")
    return account


def _book(exchange: Exchange, body: Body) -> Book:
    book = exchange.books.get(str(body.get("symbol", "")))
    if book is None:
        raise BadRequest(f"symbol: one of {sorted(exchange.books)}")
    return book


def _decimal(body: Body, name: str) -> Decimal:
    try:
        return Decimal(str(body.get(name)))
    except InvalidOperation:
        raise BadRequest(f"{name}: a number is needed, not {body.get(name)!r}") from None


def _levels(body: Body, name: str) -> list[tuple[Decimal, Decimal]]:
    rows = body.get(name) or []
    try:
        return [(Decimal(str(price)), Decimal(str(size))) for price, size in rows]
    except (InvalidOperation, TypeError, ValueError):
        raise BadRequest(f"{name}: a list of [price, size], the best first") from None
