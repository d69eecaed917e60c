"""exchangeInfo of spot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance.quotes import padded
from simulator.binance.spot.order_frames import amount
from simulator.binance.venue import Call
from simulator.exchange.instruments import Instrument

_DIGITS = 8
_MOST_ORDERS = 200


def exchange_info(call: Call) -> dict[str, Any]:
    """Return limits and symbols; of one symbol if it is named."""
    venue, symbol = call.venue, call.given.get("symbol", "")
    if symbol:
        venue.book(symbol)
    return {
        "timezone": "UTC",
        "serverTime": venue.now_ms(),
        "rateLimits": [one.as_json() for one in (venue.limits.weight, *venue.limits.orders)],
        "exchangeFilters": [],
        "symbols": [
            _symbol(call, book.instrument)
            for name, book in venue.exchange.books.items()
            if symbol in ("", name)
        ],
    }


def _symbol(call: Call, instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": _DIGITS,
        "quoteAsset": instrument.quote,
        "quotePrecision": _DIGITS,
        "quoteAssetPrecision": _DIGITS,
        "baseCommissionPrecision": _DIGITS,
        "quoteCommissionPrecision": _DIGITS,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(call, instrument),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": [
            "NONE",
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
        ],
    }


def _filters(call: Call, instrument: Instrument) -> list[dict[str, Any]]:
    rules = call.venue.exchange.rules
    tick, lot = amount(instrument.tick), amount(instrument.lot)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": "1000000.00000000",
            "tickSize": tick,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": amount(instrument.min_size),
            "maxQty": amount(instrument.max_limit_size),
            "stepSize": lot,
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": amount(Decimal(0)),
            "maxQty": amount(instrument.max_market_size),
            "stepSize": amount(Decimal(0)),
        },
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": padded(1 + rules.price_band, 4),
            "multiplierDown": padded(1 - rules.price_band, 4),
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": amount(instrument.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open or _MOST_ORDERS},
    ]
