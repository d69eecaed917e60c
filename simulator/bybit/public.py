"""Public topics: books and tickers: the sheet, 9."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.bybit.listing import name_of
from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import plain
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

_PACE_S = 0.01
_DEPTHS = ("1", "50", "200", "1000")
# The venue's restart is told by 1, the first number of a book.
_FIRST_UPDATE = 1

Level = list[str]


def levels(book: Book, depth: int) -> tuple[list[Level], list[Level]]:
    """Return (bids, asks): price and size, the best first."""
    price = book.instrument.price
    bids, asks = (
        [[plain(price(abs(key))), plain(size)] for key, size, _ in side.levels(depth)]
        for side in (book.bids, book.asks)
    )
    return bids, asks


def ticker(book: Book) -> dict[str, str]:
    """Return a ticker; spot's has no best prices, and the 24 h figures are constant."""
    last = plain(book.last_price)
    shown = {
        "symbol": name_of(book.instrument),
        "lastPrice": last,
        "highPrice24h": last,
        "lowPrice24h": last,
        "prevPrice24h": last,
        "volume24h": "0",
        "turnover24h": "0",
        "price24hPcnt": "0",
    }
    if book.instrument.is_spot:
        return shown | {"usdIndexPrice": last}
    bids, asks = levels(book, 1)
    bid, ask = bids[0] if bids else ["", ""], asks[0] if asks else ["", ""]
    return shown | {
        "tickDirection": "ZeroPlusTick",
        "prevPrice1h": last,
        "markPrice": plain(book.mid),
        "indexPrice": plain(book.mid),
        "openInterest": "0",
        "openInterestValue": "0",
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
        "nextFundingTime": "0",
        "fundingRate": "0.0001",
        "bid1Price": bid[0],
        "bid1Size": bid[1],
        "ask1Price": ask[0],
        "ask1Size": ask[1],
    }


@dataclass(slots=True, eq=False)
class Subscription:
    """One topic of one connection."""

    socket: Socket
    topic: str
    book: Book
    depth: int = 0
    told: Any = None
    update: int = 0
    told_s: float = 0.0


@dataclass(slots=True)
class PublicTopics:
    """Listens to the books and pushes to whoever subscribed."""

    exchange: Exchange
    faults: FaultBook
    repeat_s: float
    loop: asyncio.AbstractEventLoop | None = None
    pushes: PushQueue = field(init=False)
    _subscriptions: dict[str, list[Subscription]] = field(default_factory=dict)
    _dirty: dict[str, Book] = field(default_factory=dict)
    _scheduled: bool = False
    _sequence: int = 0

    def __post_init__(self) -> None:
        self.pushes = PushQueue(self.faults, self.exchange.clock, lambda raw, _: raw, lambda: None)
        self._sequence = self.exchange.clock.true_ms()

    def open(self, socket: Socket, topic: str, book: Book) -> Subscription | None:
        """Return a subscription, its present state pushed later; None if no such topic is."""
        name, _, rest = topic.partition(".")
        depth, _, _ = rest.partition(".")
        if name == "orderbook" and depth in _DEPTHS:
            return self._add(Subscription(socket, topic, book, int(depth)))
        return self._add(Subscription(socket, topic, book)) if name == "tickers" else None

    def close(self, subscription: Subscription) -> None:
        """Push to ``subscription`` no more."""
        symbol = subscription.book.instrument.symbol
        kept = self._subscriptions.get(symbol, [])
        if subscription in kept:
            kept.remove(subscription)
        if not kept:
            self._subscriptions.pop(symbol, None)

    def begin(self, subscription: Subscription) -> None:
        """Push the present state."""
        self._push(subscription)

    def book_changed(self, book: Book) -> None:
        """Note that ``book`` may have to be pushed."""
        if book.instrument.symbol not in self._subscriptions or self.loop is None:
            return
        self._dirty[book.instrument.symbol] = book
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_later(_PACE_S, self._flush)

    def traded(self, book: Book) -> None:
        """Note that ``book`` may have to be pushed."""
        self.book_changed(book)

    def repeat(self, now_s: float) -> None:
        """Tell again what first levels have not changed for long, by the same number."""
        for kept in list(self._subscriptions.values()):
            for one in list(kept):
                if one.depth == 1 and now_s - one.told_s >= self.repeat_s:
                    self._send_book(one, "snapshot", *one.told)

    def _add(self, subscription: Subscription) -> Subscription:
        symbol = subscription.book.instrument.symbol
        self._subscriptions.setdefault(symbol, []).append(subscription)
        return subscription

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for symbol in dirty:
            for subscription in list(self._subscriptions.get(symbol, ())):
                self._push(subscription)

    def _push(self, to: Subscription) -> None:
        now: Any = levels(to.book, to.depth) if to.depth else ticker(to.book)
        if now == to.told:
            return
        before, to.told = to.told, now
        if not to.depth:
            self._send_ticker(to, now, before)
            return
        to.update += 1
        if to.depth == 1 or before is None:
            # Only snapshots of the first level since 2025-03-20.
            self._send_book(to, "snapshot", *now)
        else:
            changed = [_changed(old, new) for old, new in zip(before, now, strict=True)]
            self._send_book(to, "delta", *changed)

    def _send_ticker(self, to: Subscription, now: dict[str, str], before: Any) -> None:
        kind, shown = "snapshot", now
        if before is not None and not to.book.instrument.is_spot:
            kind = "delta"
            shown = {key: value for key, value in now.items() if before[key] != value}
            shown["symbol"] = now["symbol"]
        self._sequence += 1
        frame = {"topic": to.topic, "type": kind, "data": shown}
        self._send(to, frame | {"cs": self._sequence, "ts": self.exchange.clock.now_ms()})

    def _send_book(self, to: Subscription, kind: str, bids: list[Level], asks: list[Level]) -> None:
        now_ms = self.exchange.clock.now_ms()
        if self.loop is not None:
            to.told_s = self.loop.time()
        self._sequence += 1
        data = {
            "s": name_of(to.book.instrument),
            "b": bids,
            "a": asks,
            "u": to.update + _FIRST_UPDATE,
            "seq": self._sequence,
        }
        head: dict[str, Any] = {"topic": to.topic}
        # The key ``ts`` stands before ``type`` in the first level's frames, after it in others.
        stamp = {"ts": now_ms, "type": kind} if to.depth == 1 else {"type": kind, "ts": now_ms}
        self._send(to, head | stamp | {"data": data, "cts": now_ms})

    def _send(self, to: Subscription, frame: dict[str, Any]) -> None:
        word, _, _ = to.topic.rpartition(".")
        payload, symbol = orjson.dumps(frame), to.book.instrument.symbol
        self.pushes.send(Push(to.socket, payload, word, "", symbol, word=to.topic))


def _changed(before: list[Level], after: list[Level]) -> list[Level]:
    """Return the levels that changed; one that is gone has size 0."""
    old, new = dict(before), dict(after)
    gone = [[price, "0"] for price in old if price not in new]
    return [[price, size] for price, size in new.items() if old.get(price) != size] + gone
