"""Price-time matching of orders against each other and against synthetic liquidity.

Rules:
1. A better price trades first; at one price, resting orders trade before synthetic size.
2. A trade prints at the resting side's price.
3. Each fill is told when it happened; the order's state then already counts it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from simulator.exchange.book import Book, BookSide
from simulator.exchange.events import Listeners
from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import CancelSource, Order, Side
from simulator.exchange.settlement import Settlement

Finish = Callable[[Order, CancelSource], None]


class Matcher:
    """Executes taking orders and walks; ``finish`` ends an order (canceled, or filled)."""

    def __init__(self, settlement: Settlement, events: Listeners, finish: Finish) -> None:
        self._settlement = settlement
        self._events = events
        self._finish = finish

    def take(self, book: Book, order: Order, limit: int | None) -> None:
        """Fill ``order`` as taker while the opposite key is not worse than ``limit``."""
        side = book.opposite(order.side)
        budget = _budget(order)
        while order.is_open:
            key = side.best()
            if key is None or (limit is not None and key < limit):
                return
            maker = side.first(key)
            if maker is not None and _is_self_trade(order, maker):
                self._prevent_self_trade(order, maker)
                continue
            price = book.instrument.price(abs(key))
            offered = _offered(side, maker)
            if maker is not None and not offered:
                self._finish(maker, "reduce_only")
                continue
            size = min(offered, _wanted(order, price, budget))
            if size <= 0:
                return
            if budget is not None:
                budget -= size * price
            self._print(book, order.side, size, price, taker=order, maker=maker)
            if maker is None:
                side.take_synthetic(size)

    def walk(self, book: Book, side: Side, size: Decimal, limit: int | None) -> Decimal:
        """Let nobody in particular take ``size``; return how much was taken."""
        opposite = book.opposite(side)
        left = size
        while left > 0:
            key = opposite.best()
            if key is None or (limit is not None and key < limit):
                break
            maker = opposite.first(key)
            offered = _offered(opposite, maker)
            if maker is not None and not offered:
                self._finish(maker, "reduce_only")
                continue
            part = min(left, offered)
            price = book.instrument.price(abs(key))
            self._print(book, side, part, price, taker=None, maker=maker)
            if maker is None:
                opposite.take_synthetic(part)
            left -= part
        return size - left

    def sweep(self, book: Book) -> None:
        """Fill, as makers, the resting orders that the synthetic quotes have reached."""
        self._sweep_side(book, book.bids, book.asks, "sell")
        self._sweep_side(book, book.asks, book.bids, "buy")

    def fill_by_hand(self, book: Book, order: Order, size: Decimal, price: Decimal) -> None:
        """Fill ``order`` as maker now, whatever the book says."""
        taker: Side = "sell" if order.side == "buy" else "buy"
        self._print(book, taker, size, price, taker=None, maker=order)

    def liquidity(self, book: Book, order: Order, limit: int | None) -> Decimal:
        """Return how much ``order`` could take at once without trading with itself."""
        side = book.opposite(order.side)
        total = ZERO
        for key, size in side.synthetic:
            if limit is None or key >= limit:
                total += size
        for key, queue in side.queues.items():
            if limit is None or key >= limit:
                total += sum((o.leaves for o in queue if not _is_self_trade(order, o)), ZERO)
        return total

    def _sweep_side(self, book: Book, side: BookSide, against: BookSide, taker: Side) -> None:
        while side.keys and against.synthetic and side.keys[-1] >= -against.synthetic[-1][0]:
            key = side.keys[-1]
            maker = side.first(key)
            if maker is None:
                return
            offered = _offered(side, maker)
            if not offered:
                self._finish(maker, "reduce_only")
                continue
            size = min(offered, against.synthetic[-1][1])
            price = book.instrument.price(abs(key))
            self._print(book, taker, size, price, taker=None, maker=maker)
            against.take_synthetic(size)

    def _prevent_self_trade(self, taker: Order, maker: Order) -> None:
        # The mode of the taking order decides: OKX v5 documents, "Place order" stpMode, 2026-07.
        if taker.stp != "cancel_taker":
            self._finish(maker, "self_trade")
        if taker.stp != "cancel_maker":
            self._finish(taker, "self_trade")

    def _print(
        self,
        book: Book,
        side: Side,
        size: Decimal,
        price: Decimal,
        *,
        taker: Order | None,
        maker: Order | None,
    ) -> None:
        trade_id = book.next_trade_id()
        book.last_price, book.last_size, book.last_side = price, size, side
        if maker is not None:
            self._book_fill(maker, size, price, trade_id)
        if taker is not None:
            self._book_fill(taker, size, price, trade_id, taking=True)
        self._events.traded(book)

    def _book_fill(
        self, order: Order, size: Decimal, price: Decimal, trade_id: int, *, taking: bool = False
    ) -> None:
        fill, position = self._settlement.fill(
            order, size, price, role="taker" if taking else "maker", trade_id=trade_id
        )
        done = order.filled >= order.size and not order.quote_sized
        if done:
            order.state = "filled"
            self._finish(order, "")
        else:
            order.state = "partially_filled"
        self._events.order_changed(order, fill)
        if position is not None:
            self._events.position_changed(order.account, position)


def _is_self_trade(taker: Order, maker: Order) -> bool:
    """Return whether the two must not trade with each other."""
    return maker.account is taker.account and taker.stp != "none"


def reducible(order: Order) -> Decimal:
    """Return how much of the position a reduce-only ``order`` may still close."""
    held = order.account.held(order.instrument)
    against = -held if order.side == "buy" else held
    return max(against, ZERO)


def _offered(side: BookSide, maker: Order | None) -> Decimal:
    """Return what ``maker``, or else the best synthetic level, offers; 0 ends a reduce-only one."""
    if maker is None:
        return side.synthetic[-1][1]
    return min(maker.leaves, reducible(maker)) if maker.reduce_only else maker.leaves


def _budget(order: Order) -> Decimal | None:
    """Return the quote currency a spot market order may spend or earn; None if it is not bound."""
    if order.quote_sized:
        return order.size
    if order.kind == "market" and order.instrument.is_spot and order.side == "buy":
        return order.account.balance(order.instrument.quote).available
    return None


def _wanted(order: Order, price: Decimal, budget: Decimal | None) -> Decimal:
    size = order.leaves
    if budget is not None:
        affordable = order.instrument.whole_lots(budget / price)
        size = affordable if order.quote_sized else min(size, affordable)
    if order.reduce_only:
        size = min(size, reducible(order))
    return size
