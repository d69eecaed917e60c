"""exchangeInfo of futures, and marks: the sheet, A6.4."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance.quotes import decimals, padded, price_digits
from simulator.binance.venue import Call
from simulator.exchange.book import Book
from simulator.exchange.instruments import Instrument, plain

_ONBOARD_MS = 1_569_398_400_000
_DELIVERY_MS = 4_133_404_800_000
_HIGHEST = "4529764"
_DIGITS = 8


def exchange_info(call: Call) -> dict[str, Any]:
    """Return limits, assets and symbols."""
    venue = call.venue
    instruments = [book.instrument for book in venue.exchange.books.values()]
    return {
        "timezone": "UTC",
        "serverTime": venue.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": [one.as_json() for one in (venue.limits.weight, *venue.limits.orders)],
        "exchangeFilters": [],
        "assets": [
            {"asset": name, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for name in sorted({instrument.settle for instrument in instruments})
        ],
        "symbols": [_symbol(call, instrument) for instrument in instruments],
    }


def marks(call: Call) -> Any:
    """Return the mark price of one symbol, or of all as a list."""
    symbol = call.given.get("symbol", "")
    if symbol:
        return _mark(call, call.venue.book(symbol))
    return [_mark(call, book) for book in call.venue.exchange.books.values()]


def _symbol(call: Call, instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _DELIVERY_MS,
        "onboardDate": _ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.settle,
        "pricePrecision": price_digits(instrument),
        "quantityPrecision": decimals(instrument.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": padded(call.venue.exchange.rules.price_band, 2),
        "maxMoveOrderLimit": 10000,
        "filters": _filters(call, instrument),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(call: Call, instrument: Instrument) -> list[dict[str, Any]]:
    band = call.venue.exchange.rules.price_band
    tick = padded(instrument.tick, price_digits(instrument))
    lot = plain(instrument.lot)
    return [
        {"filterType": "PRICE_FILTER", "tickSize": tick, "minPrice": tick, "maxPrice": _HIGHEST},
        {
            "filterType": "LOT_SIZE",
            "stepSize": lot,
            "maxQty": plain(instrument.max_limit_size),
            "minQty": plain(instrument.min_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": plain(instrument.min_size),
            "stepSize": lot,
            "maxQty": plain(instrument.max_market_size),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": call.venue.exchange.rules.max_open or 200},
        {"filterType": "MIN_NOTIONAL", "notional": plain(instrument.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": padded(Decimal(1) + band, 4),
            "multiplierDown": padded(Decimal(1) - band, 4),
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def _mark(call: Call, book: Book) -> dict[str, Any]:
    mark = padded(book.mid, _DIGITS)
    now_ms = call.venue.now_ms()
    return {
        "symbol": book.instrument.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": "0.00010000",
        "interestRate": "0.00010000",
        "nextFundingTime": now_ms,
        "time": now_ms,
    }
