"""Public data: instruments, books, tickers and trades, for REST and for the public channels."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.exchange.book import Book
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import Context, FaultBook
from simulator.exchange.instruments import Instrument, plain
from simulator.sockets import Socket

Level = list[str]

# Every change at a pace of 10 ms: OKX v5 documents, "Order book channel" bbo-tbt, 2026-07.
_PACE_S = 0.01
_DEPTHS = {"bbo-tbt": 1, "books5": 5, "books": 400}
CHANNELS = frozenset((*_DEPTHS, "tickers", "trades", "instruments", "status"))
_EMPTY_KEYS = (
    "alias auctionEndTime contTdSwTime expTime openType optType ruleType stk preMktSwTime "
    "futureSettlement posLmtAmt posLmtPct"
)
_INSTRUMENT_EMPTY = dict.fromkeys(_EMPTY_KEYS.split(), "")
_LISTED_MS = "1606468572000"


def instrument_item(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as public/instruments and account/instruments show it."""
    spot = instrument.is_spot
    family = "" if spot else f"{instrument.base}-{instrument.quote}"
    return {
        **_INSTRUMENT_EMPTY,
        "baseCcy": instrument.base if spot else "",
        "category": "1",
        "ctMult": "" if spot else "1",
        "ctType": "" if spot else instrument.kind,
        "ctVal": "" if spot else plain(instrument.contract_size),
        "ctValCcy": ""
        if spot
        else (instrument.quote if instrument.kind == "inverse" else instrument.base),
        "instFamily": family,
        "instId": instrument.symbol,
        "instIdCode": instrument.code,
        "instType": "SPOT" if spot else "SWAP",
        "lever": "" if spot else "100",
        "listTime": _LISTED_MS,
        "lotSz": plain(instrument.lot),
        "maxIcebergSz": plain(instrument.max_limit_size),
        "maxLmtAmt": "20000000",
        "maxLmtSz": plain(instrument.max_limit_size),
        "maxMktAmt": "1000000" if spot else "",
        "maxMktSz": plain(instrument.max_market_size),
        "maxStopSz": plain(instrument.max_market_size),
        "maxTriggerSz": plain(instrument.max_limit_size),
        "maxTwapSz": plain(instrument.max_limit_size),
        "minSz": plain(instrument.min_size),
        "quoteCcy": instrument.quote if spot else "",
        "settleCcy": "" if spot else instrument.settle,
        "state": "live",
        "tickSz": plain(instrument.tick),
        "tradeQuoteCcyList": [instrument.quote] if spot else [],
        "uly": family,
        "upcChg": [],
    }


def book_sides(book: Book, depth: int) -> tuple[list[Level], list[Level]]:
    """Return (bids, asks) as OKX shows them: price, size, always "0", number of orders."""
    price = book.instrument.price
    sides = (
        [
            [plain(price(abs(key))), plain(size), "0", str(orders)]
            for key, size, orders in side.levels(depth)
        ]
        for side in (book.bids, book.asks)
    )
    bids, asks = sides
    return bids, asks


def ticker_item(book: Book, now_ms: int) -> dict[str, str]:
    """Return a ticker; the 24 h figures are constant."""
    bids, asks = book_sides(book, 1)
    last = plain(book.last_price)
    return {
        "instType": "SPOT" if book.instrument.is_spot else "SWAP",
        "instId": book.instrument.symbol,
        "last": last,
        "lastSz": plain(book.last_size),
        "askPx": asks[0][0] if asks else "",
        "askSz": asks[0][1] if asks else "",
        "bidPx": bids[0][0] if bids else "",
        "bidSz": bids[0][1] if bids else "",
        "open24h": last,
        "high24h": last,
        "low24h": last,
        "volCcy24h": "0",
        "vol24h": "0",
        "sodUtc0": last,
        "sodUtc8": last,
        "ts": str(now_ms),
    }


@dataclass(slots=True, eq=False)
class PublicSubscription:
    """One argument of one public connection."""

    socket: Socket
    channel: str
    arg: dict[str, Any]
    symbol: str
    sent: tuple[list[Level], list[Level]] | None = None
    sequence: int = -1


class PublicChannels:
    """Listens to the books and pushes to whoever subscribed."""

    def __init__(self, exchange: Exchange, faults: FaultBook) -> None:
        self._exchange = exchange
        self._faults = faults
        self._subscribers: dict[str, list[PublicSubscription]] = {}
        self._dirty: dict[str, Book] = {}
        self._scheduled = False
        self._sequence = 1_000_000
        self.loop: asyncio.AbstractEventLoop | None = None

    def add(self, subscription: PublicSubscription) -> None:
        """Push to ``subscription`` from now on, its present state at once."""
        self._subscribers.setdefault(subscription.symbol, []).append(subscription)
        book = self._exchange.books.get(subscription.symbol)
        if subscription.channel == "instruments":
            self._push_instruments(subscription)
        elif book is not None and subscription.channel != "trades":
            self._push_book(subscription, book)

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
        for subscription in self._subscribers.get(book.instrument.symbol, ()):
            if subscription.channel == "trades":
                item = {
                    "instId": book.instrument.symbol,
                    "tradeId": str(book.trade_id),
                    "px": plain(book.last_price),
                    "sz": plain(book.last_size),
                    "side": book.last_side,
                    "ts": str(self._exchange.clock.now_ms()),
                    "count": "1",
                    "source": "0",
                }
                self._send(subscription, {"arg": subscription.arg, "data": [item]})
        self.book_changed(book)

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for symbol, book in dirty.items():
            for subscription in list(self._subscribers.get(symbol, ())):
                if subscription.channel not in ("trades", "instruments", "status"):
                    self._push_book(subscription, book)

    def _push_book(self, to: PublicSubscription, book: Book) -> None:
        now_ms = self._exchange.clock.now_ms()
        if to.channel == "tickers":
            self._send(to, {"arg": to.arg, "data": [ticker_item(book, now_ms)]})
            return
        if to.channel not in _DEPTHS:
            return
        bids, asks = book_sides(book, _DEPTHS[to.channel])
        if to.sent == (bids, asks):
            return
        self._sequence += 1
        item: dict[str, Any] = {"ts": str(now_ms), "seqId": self._sequence}
        frame: dict[str, Any] = {"arg": to.arg}
        if to.channel == "books":
            frame["action"] = "snapshot" if to.sent is None else "update"
            # Deprecated and fixed at 0 since 2026-06-23: the sheet, section 7.
            item |= {"prevSeqId": to.sequence, "checksum": 0}
        elif to.channel == "books5":
            item["instId"] = to.symbol
        before = to.sent if to.channel == "books" else None
        item["bids"] = _changed(before[0], bids) if before else bids
        item["asks"] = _changed(before[1], asks) if before else asks
        to.sent, to.sequence = (bids, asks), self._sequence
        self._send(to, frame | {"data": [item]})

    def _push_instruments(self, to: PublicSubscription) -> None:
        kind = to.arg.get("instType")
        items = [instrument_item(book.instrument) for book in self._exchange.books.values()]
        self._send(to, {"arg": to.arg, "data": [i for i in items if i["instType"] == kind]})

    def _send(self, to: PublicSubscription, frame: dict[str, Any]) -> None:
        if self._faults:
            context = Context(
                op=to.channel, transport="ws", socket=to.socket.role, symbols=(to.symbol,)
            )
            now_ms = self._exchange.clock.true_ms()
            garbage = self._faults.take(("garbage_frame",), context, now_ms)
            if garbage is not None:
                to.socket.send(garbage.text("text", "{not json").encode())
            if self._faults.take(("lose_push",), context, now_ms) is not None:
                return
        to.socket.send(orjson.dumps(frame))


def _changed(before: list[Level], after: list[Level]) -> list[Level]:
    """Return the levels that changed; a level that is gone has size 0."""
    old = {level[0]: level for level in before}
    new = {level[0]: level for level in after}
    gone = [[price, "0", "0", "0"] for price in old if price not in new]
    return [level for price, level in new.items() if old.get(price) != level] + gone
