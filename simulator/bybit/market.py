"""Public queries, and what an API key may ask about itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.bybit.listing import name_of
from simulator.bybit.order_form import instrument_of
from simulator.bybit.paging import integer, page
from simulator.bybit.public import levels, ticker
from simulator.bybit.venue import Call
from simulator.exchange.instruments import Instrument, plain

_LISTED_MS = "1585526400000"


def time(call: Call) -> dict[str, Any]:
    """Return the venue's time."""
    now_us = call.venue.floor.clock.now_us()
    return {"timeSecond": str(now_us // 1_000_000), "timeNano": str(now_us * 1000)}


def instruments(call: Call) -> dict[str, Any]:
    """Return what is listed in a category; spot has no pages."""
    category, given = call.category, call.given
    listed = call.venue.listing.of(category)
    if given.get("symbol"):
        found = call.venue.listing.get(category, given["symbol"])
        listed = [found] if found is not None else []
    if given.get("status") not in (None, "", "Trading"):
        listed = []
    if given.get("baseCoin"):
        listed = [one for one in listed if one.base == given["baseCoin"]]
    if category == "spot":
        return {"category": category, "list": [_pair(one) for one in listed]}
    shown, cursor = page(listed, given, lambda one: one.symbol, default=500, most=1000)
    rows = [_contract(call, one) for one in shown]
    return {"category": category, "list": rows, "nextPageCursor": cursor}


def tickers(call: Call) -> dict[str, Any]:
    """Return the ticker of one symbol, or of all."""
    listed = call.venue.listing.of(call.category)
    if call.given.get("symbol"):
        listed = [instrument_of(call, call.given)]
    rows = []
    for one in listed:
        book = call.venue.exchange.books[one.symbol]
        bids, asks = levels(book, 1)
        bid, ask = bids[0] if bids else ["", ""], asks[0] if asks else ["", ""]
        best = {"bid1Price": bid[0], "bid1Size": bid[1], "ask1Price": ask[0], "ask1Size": ask[1]}
        # By REST spot's tickers have the best prices too.
        rows.append(ticker(book) | best)
    return {"category": call.category, "list": rows}


def orderbook(call: Call) -> dict[str, Any]:
    """Return the book of one symbol."""
    instrument = instrument_of(call, call.given)
    bids, asks = levels(
        call.venue.exchange.books[instrument.symbol], integer(call.given, "limit") or 25
    )
    now_ms = call.venue.now_ms()
    shown = {"s": name_of(instrument), "b": bids, "a": asks, "ts": now_ms, "cts": now_ms}
    return {**shown, "u": now_ms, "seq": now_ms}


def account_info(call: Call) -> dict[str, Any]:
    """Return how the account is set up: unified, one-way positions, cross margin."""
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(call.venue.now_ms()),
        "unifiedMarginStatus": 6,
        "dcpStatus": "ON" if call.venue.own.dcp else "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def key_info(call: Call) -> dict[str, Any]:
    """Return what an API key may do."""
    return {
        "id": call.owner.uid,
        "note": "",
        "apiKey": call.owner.api_key,
        "readOnly": 0,
        "secret": "",
        "permissions": {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"]},
        "ips": ["*"],
        "type": 1,
        "unified": 0,
        "uta": 1,
        "userID": int(call.owner.uid),
        "vipLevel": "No VIP",
        "isMaster": True,
    }


def dcp_info(call: Call) -> dict[str, Any]:
    """Return how cancel on disconnect is set."""
    return {"dcpInfos": call.venue.disconnects.as_json(call.owner)}


def set_dcp(call: Call) -> dict[str, Any]:
    """Change the window of cancel on disconnect."""
    call.venue.disconnects.set(call.owner, call.given)
    return {}


def _pair(one: Instrument) -> dict[str, Any]:
    precision = one.lot * one.tick
    return {
        "symbol": name_of(one),
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "innovation": "0",
        "symbolType": "",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": plain(one.lot),
            "quotePrecision": plain(precision),
            "minOrderQty": plain(one.min_size),
            "maxOrderQty": plain(one.max_limit_size),
            "minOrderAmt": plain(one.min_notional),
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": plain(one.max_limit_size),
            "maxMarketOrderQty": plain(one.max_market_size),
            "postOnlyMaxLimitOrderSize": plain(one.max_limit_size),
        },
        "priceFilter": {"tickSize": plain(one.tick)},
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.05"},
    }


def _contract(call: Call, one: Instrument) -> dict[str, Any]:
    linear = one.kind == "linear"
    ratio = plain(call.venue.exchange.rules.price_band)
    return {
        "symbol": name_of(one),
        "contractType": "LinearPerpetual" if linear else "InversePerpetual",
        "status": "Trading",
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "launchTime": _LISTED_MS,
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(one.tick.as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": plain(one.tick),
            "maxPrice": plain(one.tick * Decimal(19_999_998)),
            "tickSize": plain(one.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": plain(one.max_limit_size),
            "minOrderQty": plain(one.min_size),
            "qtyStep": plain(one.lot),
            "postOnlyMaxOrderQty": plain(one.max_limit_size),
            "maxMktOrderQty": plain(one.max_market_size),
            **({"minNotionalValue": plain(one.min_notional)} if linear else {}),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": one.settle,
        "copyTrading": "none",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": ratio, "priceLimitRatioY": ratio},
        "displayName": "",
    }
