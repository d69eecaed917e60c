"""Public data: instruments, books, tickers and trades, for REST and for the public channels."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from simulator.bitget.listing import category, wire_symbol
from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import Instrument, plain
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

Level = list[str]

# books1 is pushed as it changes; here what changes within 10 ms is pushed once.
_PACE_S = 0.01
_DEPTHS = {"books1": 1, "books5": 5, "books50": 50, "books": 400}
TOPICS = frozenset((*_DEPTHS, "ticker", "publicTrade"))
_LAUNCHED_MS = "1606468572000"


def instrument_item(instrument: Instrument, exchange: Exchange) -> dict[str, Any]:
    """Return an instrument as market/instruments shows it."""
    band = plain(exchange.rules.price_band)
    shared = {
        "symbol": wire_symbol(instrument),
        "category": category(instrument).upper(),
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "buyLimitPriceRatio": band,
        "sellLimitPriceRatio": band,
        "minOrderQty": plain(instrument.min_size),
        "maxOrderQty": plain(instrument.max_limit_size),
        "maxMarketOrderQty": plain(instrument.max_market_size),
        "pricePrecision": str(decimals(instrument.tick)),
        "quantityPrecision": str(decimals(instrument.lot)),
        "minOrderAmount": plain(instrument.min_notional),
        "maxSymbolOrderNum": "400",
        "maxProductOrderNum": "400",
        "status": "online",
        "maintainTime": "",
        "launchTime": _LAUNCHED_MS,
    }
    if instrument.is_spot:
        return shared | {"quotePrecision": "8", "areaSymbol": "no", "isReality": "no"}
    return shared | {
        "quotePrecision": None,
        "feeRateUpRatio": "0.005",
        "makerFeeRate": plain(exchange.fees.swap_maker),
        "takerFeeRate": plain(exchange.fees.swap_taker),
        "openCostUpRatio": "0.01",
        "priceMultiplier": plain(instrument.tick),
        "quantityMultiplier": plain(instrument.lot),
        "type": "perpetual",
        "maxPositionNum": "150",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryPeriod": "",
        "fundInterval": "8",
        "minLeverage": "1",
        "maxLeverage": "125",
    }


def decimals(step: Decimal) -> int:
    """Return how many decimals multiples of ``step`` need."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def book_sides(book: Book, depth: int) -> tuple[list[Level], list[Level]]:
    """Return (bids, asks), each level a price and a size, the best first."""
    price = book.instrument.price
    bids, asks = (
        [[plain(price(abs(key))), plain(size)] for key, size, _ in side.levels(depth)]
        for side in (book.bids, book.asks)
    )
    return bids, asks


def ticker_item(book: Book) -> dict[str, str]:
    """Return a ticker; the 24 h figures are constant."""
    bids, asks = book_sides(book, 1)
    last, mark = plain(book.last_price), plain(book.mid)
    (bid, bid_size), (ask, ask_size) = (bids or [["", ""]])[0], (asks or [["", ""]])[0]
    item = {
        "highPrice24h": last,
        "lowPrice24h": last,
        "openPrice24h": last,
        "lastPrice": last,
        "turnover24h": "0",
        "volume24h": "0",
        "bid1Price": bid,
        "ask1Price": ask,
        "bid1Size": bid_size,
        "ask1Size": ask_size,
        "price24hPcnt": "0",
    }
    if book.instrument.is_spot:
        return item
    return item | {
        "indexPrice": mark,
        "markPrice": mark,
        "fundingRate": "0.0001",
        "openInterest": "0",
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryStatus": "",
        "nextFundingTime": "",
    }


def trade_item(book: Book, now_ms: int) -> dict[str, str]:
    """Return the book's last trade as market/fills shows it."""
    return {
        "execId": str(book.trade_id),
        "price": plain(book.last_price),
        "size": plain(book.last_size),
        "side": book.last_side,
        "ts": str(now_ms),
    }


@dataclass(slots=True, eq=False)
class PublicSubscription:
    """One topic of one public connection."""

    socket: Socket
    topic: str
    arg: dict[str, Any]
    symbol: str
    sent: tuple[list[Level], list[Level]] | None = None
    sequence: int = 0


class PublicChannels:
    """Listens to the books and pushes to whoever subscribed."""

    def __init__(self, exchange: Exchange, faults: FaultBook) -> None:
        self._exchange = exchange
        self._subscribers: dict[str, list[PublicSubscription]] = {}
        self._dirty: dict[str, Book] = {}
        self._scheduled = False
        self._sequence = exchange.clock.true_ms()
        self._pushes = PushQueue(faults, exchange.clock, lambda payload, _: payload, lambda: None)
        self.loop: asyncio.AbstractEventLoop | None = None

    def add(self, subscription: PublicSubscription) -> None:
        """Push to ``subscription`` from now on, its present state at once."""
        self._subscribers.setdefault(subscription.symbol, []).append(subscription)
        if subscription.topic != "publicTrade":
            self._push_state(subscription, self._exchange.books[subscription.symbol])

    def remove(self, subscription: PublicSubscription) -> None:
        """Push to ``subscription`` no more."""
        subscribers = self._subscribers.get(subscription.symbol, [])
        if subscription in subscribers:
            subscribers.remove(subscription)
        if not subscribers:
            self._subscribers.pop(subscription.symbol, None)

    def book_changed(self, book: Book) -> None:
        """Note that ``book`` is to be pushed within the channel's pace."""
        if book.instrument.symbol not in self._subscribers:
            return
        self._dirty[book.instrument.symbol] = book
        if not self._scheduled and self.loop is not None:
            self._scheduled = True
            self.loop.call_later(_PACE_S, self._flush)

    def traded(self, book: Book) -> None:
        """Push the book's last trade."""
        now_ms = self._exchange.clock.now_ms()
        for subscription in list(self._subscribers.get(book.instrument.symbol, ())):
            if subscription.topic == "publicTrade":
                trade = trade_item(book, now_ms)
                item = {"i": trade["execId"], "p": trade["price"], "v": trade["size"]}
                self._send(subscription, item | {"S": trade["side"], "T": trade["ts"]})
        self.book_changed(book)

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for symbol, book in dirty.items():
            for subscription in list(self._subscribers.get(symbol, ())):
                if subscription.topic != "publicTrade":
                    self._push_state(subscription, book)

    def _push_state(self, to: PublicSubscription, book: Book) -> None:
        if to.topic == "ticker":
            self._send(to, ticker_item(book))
            return
        bids, asks = book_sides(book, _DEPTHS[to.topic])
        if to.sent == (bids, asks):
            return
        before = to.sent if to.topic == "books" else None
        self._sequence += 1
        item = {
            "a": _changed(before[1], asks) if before else asks,
            "b": _changed(before[0], bids) if before else bids,
            "pseq": to.sequence,
            "seq": self._sequence,
            "ts": str(self._exchange.clock.now_ms()),
        }
        to.sent, to.sequence = (bids, asks), self._sequence
        self._send(to, item, "update" if before else "snapshot")

    def _send(self, to: PublicSubscription, item: dict[str, Any], action: str = "snapshot") -> None:
        frame = {
            "action": action,
            "arg": to.arg,
            "data": [item],
            "ts": self._exchange.clock.now_ms(),
        }
        payload = orjson.dumps(frame)
        self._pushes.send(Push(to.socket, payload, to.topic, "", to.symbol, word=to.topic))


def _changed(before: list[Level], after: list[Level]) -> list[Level]:
    """Return the levels that changed; a level that is gone has size 0."""
    old = {level[0]: level for level in before}
    new = {level[0]: level for level in after}
    gone = [[price, "0"] for price in old if price not in new]
    return [level for price, level in new.items() if old.get(price) != level] + gone
