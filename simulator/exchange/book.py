"""One instrument's book: resting orders in price-time priority and synthetic liquidity.

Prices are whole ticks. A side sorts by *key*: the ticks for bids, minus the ticks for asks, so the
best key is always the largest and stands last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from simulator.exchange.instruments import ZERO, Instrument
from simulator.exchange.orders import Order, Side


class BookSide:
    """The bids or the asks of one book."""

    __slots__ = ("keys", "queues", "synthetic")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.queues: dict[int, dict[Order, None]] = {}
        self.synthetic: list[tuple[int, Decimal]] = []

    def add(self, key: int, order: Order) -> None:
        """Queue ``order`` behind the others of its price."""
        queue = self.queues.get(key)
        if queue is None:
            self.queues[key] = {order: None}
            insort(self.keys, key)
        else:
            queue[order] = None

    def remove(self, key: int, order: Order) -> None:
        """Take ``order`` out; nothing happens if it does not rest here."""
        queue = self.queues.get(key)
        if queue is None or order not in queue:
            return
        del queue[order]
        if not queue:
            del self.queues[key]
            del self.keys[bisect_left(self.keys, key)]

    def best(self) -> int | None:
        """Return the best key; None if the side is empty."""
        if not self.keys:
            return self.synthetic[-1][0] if self.synthetic else None
        if not self.synthetic:
            return self.keys[-1]
        return max(self.keys[-1], self.synthetic[-1][0])

    def first(self, key: int) -> Order | None:
        """Return the resting order next in turn at ``key``; None if only synthetic size is."""
        queue = self.queues.get(key)
        return next(iter(queue)) if queue else None

    def take_synthetic(self, size: Decimal) -> None:
        """Use up ``size`` of the best synthetic level."""
        key, available = self.synthetic[-1]
        if size >= available:
            self.synthetic.pop()
        else:
            self.synthetic[-1] = (key, available - size)

    def levels(self, count: int) -> list[tuple[int, Decimal, int]]:
        """Return up to ``count`` best levels: key, size, number of orders."""
        merged: dict[int, tuple[Decimal, int]] = {}
        for key, size in self.synthetic[-count:]:
            merged[key] = (size, 1)
        for key in self.keys[-count:]:
            queue = self.queues[key]
            size, orders = merged.get(key, (ZERO, 0))
            rest = sum((order.leaves for order in queue), ZERO)
            merged[key] = (size + rest, orders + len(queue))
        best = sorted(merged, reverse=True)[:count]
        return [(key, *merged[key]) for key in best]


class Book:
    """The whole book of one instrument."""

    __slots__ = (
        "asks",
        "bids",
        "frozen",
        "instrument",
        "last_price",
        "last_side",
        "last_size",
        "mid",
        "spread_ticks",
        "trade_id",
    )

    def __init__(self, instrument: Instrument, mid: Decimal, first_trade_id: int) -> None:
        self.instrument = instrument
        self.bids = BookSide()
        self.asks = BookSide()
        self.mid = mid
        self.spread_ticks = 1
        self.frozen = False
        self.last_price = mid
        self.last_size = instrument.min_size
        self.last_side: Side = "buy"
        self.trade_id = first_trade_id

    def __repr__(self) -> str:
        return f"Book({self.instrument.symbol}, bid={self.best_bid()}, ask={self.best_ask()})"

    def own_side(self, side: Side) -> BookSide:
        """Return where an order of ``side`` rests."""
        return self.bids if side == "buy" else self.asks

    def opposite(self, side: Side) -> BookSide:
        """Return what an order of ``side`` takes from."""
        return self.asks if side == "buy" else self.bids

    def key(self, side: Side, price: Decimal) -> int:
        """Return the key under which an order of ``side`` rests at ``price``."""
        ticks = self.instrument.ticks(price)
        return ticks if side == "buy" else -ticks

    def best_bid(self) -> Decimal | None:
        """Return the best bid; None if there is none."""
        key = self.bids.best()
        return None if key is None else self.instrument.price(key)

    def best_ask(self) -> Decimal | None:
        """Return the best ask; None if there is none."""
        key = self.asks.best()
        return None if key is None else self.instrument.price(-key)

    def quote(
        self, bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]
    ) -> None:
        """Replace the synthetic levels; both lists are (price, size) with the best first."""
        ticks = self.instrument.ticks
        self.bids.synthetic = [(ticks(price), size) for price, size in reversed(bids) if size > 0]
        self.asks.synthetic = [(-ticks(price), size) for price, size in reversed(asks) if size > 0]

    def next_trade_id(self) -> int:
        """Return a trade id that is new in this instrument."""
        self.trade_id += 1
        return self.trade_id
