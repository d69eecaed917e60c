"""Queries of the account and of what is public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.bitget.account_frames import shown_assets, shown_position
from simulator.bitget.codes import Problem
from simulator.bitget.listing import category, wire_symbol
from simulator.bitget.order_frames import ONE_WAY
from simulator.bitget.public import book_sides, instrument_item, ticker_item, trade_item
from simulator.bitget.query import Query
from simulator.exchange.book import Book
from simulator.exchange.instruments import plain
from simulator.exchange.positions import Position, PositionState

Handler = Callable[[Query], Any]

_DEPTH = 200


def _assets(query: Query) -> dict[str, Any]:
    return shown_assets(query.owner, query.venue.listing)


def _settings(query: Query) -> dict[str, Any]:
    account = query.owner
    return {
        "uid": account.uid,
        "accountMode": "unified",
        "assetMode": "union",
        "accountLevel": "advanced",
        "holdMode": ONE_WAY,
        "stpMode": "none",
        "symbolConfigList": [
            {
                "category": category(book.instrument).upper(),
                "symbol": wire_symbol(book.instrument),
                "marginMode": "crossed",
                "leverage": plain(account.leverage),
            }
            for book in query.venue.listing.books("")
            if not book.instrument.is_spot
        ],
        "coinConfigList": [],
    }


def _fee_rate(query: Query) -> dict[str, Any]:
    query.required("category")
    fees, spot = query.venue.exchange.fees, query.category() == "spot"
    return {
        "makerFeeRate": plain(fees.rate(spot, "maker")),
        "takerFeeRate": plain(fees.rate(spot, "taker")),
    }


def _positions(query: Query) -> dict[str, Any]:
    query.required("category")
    kind, symbol, then_ms = query.category(), query.get("symbol"), query.stale_ms("positions")

    def state(position: Position) -> PositionState:
        if then_ms is not None:
            return position.as_of(then_ms)
        return PositionState(position.updated_ms, position.size, position.entry, position.realized)

    items = [
        shown_position(query.owner, position, state(position), query.venue.listing)
        for position in query.owner.positions.values()
        if state(position).size
        and kind == category(position.instrument)
        and symbol in ("", wire_symbol(position.instrument))
    ]
    # Recorded 2025-09: no positions are no list.
    return {"list": items or None}


def _instruments(query: Query) -> list[Any]:
    query.required("category")
    books = query.venue.listing.books(query.category(), query.get("symbol"))
    return [instrument_item(book.instrument, query.venue.exchange) for book in books]


def _tickers(query: Query) -> list[Any]:
    query.required("category")
    books = query.venue.listing.books(query.category(), query.get("symbol"))
    return [
        {
            "category": category(book.instrument).upper(),
            "symbol": wire_symbol(book.instrument),
            "ts": str(query.now_ms),
            **ticker_item(book),
        }
        for book in books
    ]


def _order_book(query: Query) -> dict[str, Any]:
    limit = query.number("limit")
    bids, asks = book_sides(_book(query), min(limit or _DEPTH, _DEPTH))
    return {"a": asks, "b": bids, "ts": str(query.now_ms)}


def _trades(query: Query) -> list[Any]:
    return [trade_item(_book(query), query.now_ms)]


def _time(query: Query) -> dict[str, str]:
    return {"serverTime": str(query.now_ms)}


def _book(query: Query) -> Book:
    query.required("category")
    for book in query.venue.listing.books(query.category(), query.required("symbol")):
        return book
    raise Problem("40020", "symbol")


PRIVATE: dict[str, tuple[str, Handler]] = {
    "v3/account/assets": ("balance", _assets),
    "v3/account/settings": ("account-config", _settings),
    "v3/account/fee-rate": ("trade-fee", _fee_rate),
    "v3/position/current-position": ("positions", _positions),
}
PUBLIC: dict[str, tuple[str, Handler]] = {
    "v3/market/instruments": ("instruments", _instruments),
    "v3/market/tickers": ("tickers", _tickers),
    "v3/market/orderbook": ("books", _order_book),
    "v3/market/fills": ("trades", _trades),
    # UTA has no clock of its own; its clients ask the common one (ccxt 4.5.90).
    "v2/public/time": ("time", _time),
}
