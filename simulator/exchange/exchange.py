"""The exchange: takes, cancels and amends orders, moves the market, answers look-ups."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from simulator.exchange import risk
from simulator.exchange.accounts import Account
from simulator.exchange.book import Book
from simulator.exchange.clock import Clock
from simulator.exchange.events import Listeners
from simulator.exchange.instruments import ZERO, Instrument
from simulator.exchange.market import quote_around, walk
from simulator.exchange.matching import Matcher, reducible
from simulator.exchange.naming import NameOf, as_number
from simulator.exchange.orders import AmendNote, CancelSource, Order, Refusal
from simulator.exchange.settlement import Fees, Settlement


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an owner wants changed; None keeps a value."""

    size: Decimal | None = None
    price: Decimal | None = None
    request_id: str = ""
    cancel_on_fail: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """What an exchange is made of."""

    fees: Fees
    rules: risk.Rules
    seed: int
    step_bps: float
    level_count: int
    # Ids per millisecond: also how long the venue's ids are.
    id_scale: int = 1_000_000
    # How order ids look, and fill ids where they are not the trade's number.
    order_name: NameOf = as_number
    fill_name: NameOf | None = None


class Exchange:
    """One exchange in memory. Not thread-safe: everything runs in one event loop."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.clock = clock
        self.events = Listeners()
        self.settlement = Settlement(setup.fees, clock, self.events, setup.fill_name)
        self.matcher = Matcher(self.settlement, self.events, self._finish)
        self.rules = setup.rules
        self.fees = setup.fees
        self.accounts: dict[str, Account] = {}
        self.books: dict[str, Book] = {}
        self.level_sizes: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.ended: deque[Order] = deque()
        self._setup = setup
        self._random = random.Random(setup.seed)
        # Venue ids grow with the wall clock, so a restarted simulator never repeats one.
        self._last_id = clock.true_ms() * setup.id_scale

    def __repr__(self) -> str:
        return f"Exchange(accounts={len(self.accounts)}, orders={len(self.orders)})"

    def add_instrument(
        self, instrument: Instrument, mid: Decimal, *, spread_ticks: int, level_size: Decimal
    ) -> None:
        """List ``instrument`` and quote it around ``mid``."""
        book = Book(instrument, mid, first_trade_id=self.clock.true_ms())
        book.spread_ticks = spread_ticks
        self.books[instrument.symbol] = book
        self.level_sizes[instrument.symbol] = level_size
        quote_around(book, mid, size=level_size, count=self._setup.level_count)

    def find(self, account: Account, *, venue_id: str = "", client_id: str = "") -> Order | None:
        """Return an order by venue id, or else the latest by client id; None if there is none."""
        if venue_id:
            order = self.orders.get(venue_id)
            return order if order is not None and order.account is account else None
        return account.latest_by_client.get(client_id) if client_id else None

    def place(self, order: Order, *, doomed: CancelSource = "") -> Refusal | None:
        """Take ``order``: give it an id, tell that it lives, match it. Return why not, or None.

        A ``doomed`` one ends for that reason instead of being matched.
        """
        book = self.books[order.instrument.symbol]
        refusal = risk.refuse_new(order, book, self.rules)
        if refusal is not None:
            return refusal
        if order.price is None:
            need = risk.market_need(order, book, self.settlement)
        else:
            need = self.settlement.requirement(order, order.size, order.price)
        refusal = risk.refuse_funds(order, need)
        if refusal is not None:
            return refusal
        self._last_id += 1
        order.venue_id = self._setup.order_name(self._last_id, order.instrument)
        order.created_ms = order.updated_ms = self.clock.now_ms()
        self.orders[order.venue_id] = order
        order.account.opened(order)
        if order.price is not None:
            self.settlement.freeze(order, need)
        self.events.order_changed(order)
        if doomed:
            self._finish(order, doomed)
        else:
            self._start(book, order)
        return None

    def would_take(self, order: Order, price: Decimal) -> bool:
        """Return whether ``order`` would trade at once at ``price``."""
        return self._crosses(self.books[order.instrument.symbol], order, price)

    def can_fill(self, order: Order) -> bool:
        """Return whether all of ``order`` could trade at once."""
        book = self.books[order.instrument.symbol]
        return self.matcher.liquidity(book, order, self._limit(book, order)) >= order.size

    def cancel(self, order: Order, source: CancelSource = "user") -> Refusal | None:
        """End ``order``; return why not, or None."""
        if not order.is_open:
            return Refusal("not_open")
        self._finish(order, source)
        return None

    def amend(self, order: Order, change: Amendment) -> Refusal | None:
        """Change a pending order; return why the request is refused, or None.

        An amendment that only the matching refuses is told with the order's next update instead.
        """
        if not order.is_open:
            return Refusal("not_open")
        size = change.size if change.size is not None else order.size
        price = change.price if change.price is not None else order.price
        if price is None:
            return Refusal("not_open")
        book = self.books[order.instrument.symbol]
        refusal = self._refuse_amendment(order, size, price, book)
        if refusal is not None:
            if change.cancel_on_fail and refusal.reason == "insufficient_balance":
                self._amend_failed(order, change, refusal)
            return refusal
        order.updated_ms = self.clock.now_ms()
        if size <= order.filled:
            self._shrink_to_filled(order, change)
            return None
        if order.kind == "post_only" and self._crosses(book, order, price):
            self._amend_failed(order, change, Refusal("would_take"))
            return None
        self._apply_amendment(book, order, size=size, price=price, request_id=change.request_id)
        return None

    def move(
        self,
        symbol: str,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """Replace the synthetic quotes of ``symbol`` and fill the orders that they reach."""
        book = self.books[symbol]
        book.quote(bids, asks)
        if bids and asks:
            book.mid = (bids[0][0] + asks[0][0]) / 2
        self.matcher.sweep(book)
        self.events.book_changed(book)

    def tick(self) -> None:
        """Let every market that is not frozen take one random step."""
        for symbol, book in self.books.items():
            if book.frozen:
                continue
            mid = walk(book.mid, self._setup.step_bps, self._random)
            self.requote(symbol, max(mid, book.instrument.tick))

    def requote(self, symbol: str, mid: Decimal) -> None:
        """Quote ``symbol`` in full around ``mid`` and fill the orders that this reaches."""
        book = self.books[symbol]
        size, count = self.level_sizes[symbol], self._setup.level_count
        quote_around(book, mid, size=size, count=count)
        self.matcher.sweep(book)
        self.events.book_changed(book)

    def set_position(self, account: Account, instrument: Instrument, size: Decimal) -> None:
        """Set a position by hand, at the middle price; 0 flattens it."""
        position = account.position(instrument)
        position.size = size
        position.entry = self.books[instrument.symbol].mid if size else ZERO
        position.stamp(self.clock.now_ms())
        self.settlement.adjust_margin(account, position)
        self.events.position_changed(account, position)
        self.events.balance_changed(account, instrument.settle)

    def set_balance(self, account: Account, currency: str, total: Decimal) -> None:
        """Set a balance by hand."""
        balance = account.balance(currency)
        balance.total = total
        balance.updated_ms = self.clock.now_ms()
        self.events.balance_changed(account, currency)

    def _start(self, book: Book, order: Order) -> None:
        limit = self._limit(book, order)
        best = book.opposite(order.side).best()
        crosses = best is not None and (limit is None or best >= limit)
        if not crosses and limit is not None and order.kind in ("limit", "post_only"):
            # The limit on the other side, negated, is the order's own key.
            book.own_side(order.side).add(-limit, order)
            self.events.book_changed(book)
        elif order.kind == "post_only":
            self._finish(order, "post_only")
        elif order.kind == "fok" and self.matcher.liquidity(book, order, limit) < order.size:
            self._finish(order, "fok")
        else:
            self.matcher.take(book, order, limit)
            self._after_taking(book, order, limit)
            self.events.book_changed(book)

    def _after_taking(self, book: Book, order: Order, limit: int | None) -> None:
        if not order.is_open:
            return
        if order.reduce_only and not reducible(order):
            self._finish(order, "reduce_only")
        elif order.kind == "limit" and order.price is not None:
            book.own_side(order.side).add(book.key(order.side, order.price), order)
        elif order.kind == "market" and order.filled and self._has_liquidity(book, order, limit):
            # Out of money, not out of liquidity: the order bought all it could pay for.
            order.state = "filled"
            self._finish(order, "")
            self.events.order_changed(order)
        else:
            self._finish(order, "ioc")

    def _has_liquidity(self, book: Book, order: Order, limit: int | None) -> bool:
        best = book.opposite(order.side).best()
        return best is not None and (limit is None or best >= limit)

    def _limit(self, book: Book, order: Order) -> int | None:
        if order.price is not None:
            return -book.key(order.side, order.price)
        if order.instrument.is_spot:
            return None
        # A contract's market order is placed at the edge of the price limit.
        high, low = risk.band(book, self.rules)
        return -book.key(order.side, high if order.side == "buy" else low)

    def _crosses(self, book: Book, order: Order, price: Decimal) -> bool:
        best = book.opposite(order.side).best()
        return best is not None and best >= -book.key(order.side, price)

    def _finish(self, order: Order, source: CancelSource) -> None:
        """End ``order``: canceled for ``source``, or filled if ``source`` is empty."""
        book = self.books[order.instrument.symbol]
        if order.price is not None:
            book.own_side(order.side).remove(book.key(order.side, order.price), order)
        if source:
            order.state = "canceled"
            order.cancel_source = source
            order.updated_ms = self.clock.now_ms()
        order.account.ended(order)
        self.ended.append(order)
        self.settlement.release(order)
        if source:
            self.events.order_changed(order)
            self.events.book_changed(book)

    def _refuse_amendment(
        self, order: Order, size: Decimal, price: Decimal, book: Book
    ) -> Refusal | None:
        refusal = None
        if size > order.filled:
            refusal = risk.refuse_size(order, size)
        if refusal is None and price != order.price:
            refusal = risk.refuse_price(order, price, book, self.rules)
        if refusal is not None or size <= order.filled:
            return refusal
        need = self.settlement.requirement(order, size - order.filled, price)
        return risk.refuse_funds(order, need, already_frozen=order.frozen)

    def _amend_failed(self, order: Order, change: Amendment, refusal: Refusal) -> None:
        if not change.cancel_on_fail:
            note = AmendNote(change.request_id, "failed", refusal.reason)
            self.events.order_changed(order, None, note)
            return
        book = self.books[order.instrument.symbol]
        if order.price is not None:
            book.own_side(order.side).remove(book.key(order.side, order.price), order)
        order.state, order.cancel_source = "canceled", "system"
        order.updated_ms = self.clock.now_ms()
        order.account.ended(order)
        self.ended.append(order)
        self.settlement.release(order)
        note = AmendNote(change.request_id, "canceled", refusal.reason)
        self.events.order_changed(order, None, note)

    def _shrink_to_filled(self, order: Order, change: Amendment) -> None:
        order.size = order.filled
        order.state = "filled"
        self._finish(order, "")
        self.events.order_changed(order, None, AmendNote(change.request_id, "done"))

    def _apply_amendment(
        self, book: Book, order: Order, *, size: Decimal, price: Decimal, request_id: str
    ) -> None:
        side = book.own_side(order.side)
        keeps_place = price == order.price and size <= order.size
        if not keeps_place and order.price is not None:
            side.remove(book.key(order.side, order.price), order)
        order.size, order.price = size, price
        need = self.settlement.requirement(order, size - order.filled, price)
        self.settlement.freeze(order, need)
        self.events.order_changed(order, None, AmendNote(request_id, "done"))
        if not keeps_place:
            self._start(book, order)
