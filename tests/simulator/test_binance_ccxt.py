"""ccxt.pro, unchanged but for its URLs, trades on the simulator's Binance futures and spot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from simulator.server import RunningSimulator
from tests.simulator.raw_socket import eventually

SWAP = "BTC/USDT:USDT"
PAIR = "BTC/USDT"


def futures_client(sim: RunningSimulator) -> Any:
    """Return ccxt.pro's client of USDⓈ-M futures with the simulator's addresses."""
    client = ccxt.pro.binanceusdm({"apiKey": "demo-key", "secret": "demo-secret"})
    # Its own pauses between requests only cost time here.
    client.enableRateLimit = False
    client.options["fetchMarkets"] = {"types": ["linear"]}
    client.has["fetchCurrencies"] = False
    urls = client.urls["api"]
    for name, url in urls.items():
        if isinstance(url, str):
            urls[name] = url.replace("https://fapi.binance.com", sim.url)
    urls["ws"]["linear"] = f"{sim.ws_url}/ws"
    urls["ws"]["ws-api"]["linear"] = f"{sim.ws_url}/ws-fapi/v1"
    return client


def spot_client(sim: RunningSimulator) -> Any:
    """Return ccxt.pro's client of spot with the simulator's addresses."""
    client = ccxt.pro.binance({"apiKey": "demo-key", "secret": "demo-secret"})
    client.enableRateLimit = False
    client.options["fetchMarkets"] = {"types": ["spot"]}
    client.options["fetchMargins"] = False
    client.has["fetchCurrencies"] = False
    urls = client.urls["api"]
    for name, url in urls.items():
        if isinstance(url, str):
            urls[name] = url.replace("https://api.binance.com", sim.url)
    urls["ws"]["spot"] = f"{sim.ws_url}/ws"
    urls["ws"]["ws-api"]["spot"] = f"{sim.ws_url}/ws-api/v3"
    return client


@pytest.fixture
async def spot_exchange(spot: RunningSimulator) -> AsyncIterator[Any]:
    client = spot_client(spot)
    await client.load_markets()
    yield client
    await client.close()


@pytest.fixture
async def exchange(usdm: RunningSimulator) -> AsyncIterator[Any]:
    client = futures_client(usdm)
    await client.load_markets()
    yield client
    await client.close()


async def listening(sim: RunningSimulator) -> None:
    """Return once the user stream is open."""
    await eventually(lambda: "private" in [row["role"] for row in sim.control.connections()])


async def test_markets_carry_what_exchange_info_says(exchange: Any) -> None:
    market = exchange.markets[SWAP]
    assert (market["id"], market["linear"], market["precision"]["amount"]) == (
        "BTCUSDT",
        True,
        0.001,
    )
    assert market["precision"]["price"] == 0.1
    assert market["limits"]["cost"]["min"] == 50


async def test_an_order_lives_is_amended_and_canceled_over_websocket(exchange: Any) -> None:
    created = await exchange.create_order_ws(SWAP, "limit", "buy", 0.01, 88000)
    await exchange.edit_order_ws(created["id"], SWAP, "limit", "buy", 0.02, 88100)
    changed = await exchange.fetch_order_ws(created["id"], SWAP)
    assert (changed["amount"], changed["price"], changed["status"]) == (0.02, 88100, "open")
    await exchange.cancel_order_ws(created["id"], SWAP)
    assert (await exchange.fetch_order(created["id"], SWAP))["status"] == "canceled"


async def test_a_client_id_is_taken_once_while_its_order_is_open(exchange: Any) -> None:
    params = {"newClientOrderId": "abc123"}
    created = await exchange.create_order_ws(SWAP, "limit", "buy", 0.01, 88000, params)
    assert created["clientOrderId"] == "abc123"
    with pytest.raises(ccxt.ExchangeError, match="-4116"):
        await exchange.create_order_ws(SWAP, "limit", "buy", 0.01, 88000, params)


async def test_watch_orders_and_trades(exchange: Any, usdm: RunningSimulator) -> None:
    states: list[str] = []

    async def watch() -> None:
        while states[-1:] != ["closed"]:
            orders = await exchange.watch_orders(SWAP)
            states.append(orders[-1]["status"])

    watching = asyncio.create_task(watch())
    trading = asyncio.create_task(exchange.watch_my_trades(SWAP))
    await listening(usdm)
    created = await exchange.create_order_ws(SWAP, "limit", "buy", 0.01, 88000)
    await eventually(lambda: states == ["open"])  # two pushes at once would be seen as one
    usdm.control.fill_order(venue_id=created["id"])
    await watching
    (trade,) = await trading
    assert states == ["open", "closed"]
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.01, 88000, "maker")
    assert trade["fee"] == {"currency": "USDT", "cost": 0.176}


async def test_watch_positions(exchange: Any, usdm: RunningSimulator) -> None:
    assert await exchange.watch_positions([SWAP]) == []
    watching = asyncio.create_task(exchange.watch_positions([SWAP]))
    await listening(usdm)
    usdm.control.set_position("binance-demo", "BTCUSDT", "-0.5")
    (position,) = await watching
    assert (position["contracts"], position["side"]) == (0.5, "short")


async def test_watch_balance(exchange: Any, usdm: RunningSimulator) -> None:
    watching = asyncio.create_task(exchange.watch_balance())
    await listening(usdm)
    usdm.control.set_balance("binance-demo", "USDT", "1234.5")
    assert (await watching)["USDT"]["total"] == 1234.5


async def test_refusals_are_named(exchange: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        await exchange.create_order_ws(SWAP, "limit", "buy", 900, 88000)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.cancel_order_ws("1", SWAP)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.fetch_order("1", SWAP)
    with pytest.raises(ccxt.InvalidOrder, match="-5022"):
        await exchange.create_order(SWAP, "limit", "buy", 0.01, 89600, {"postOnly": True})


async def test_bids_and_asks_follow_the_market(exchange: Any, usdm: RunningSimulator) -> None:
    quotes = await exchange.watch_bids_asks([SWAP])
    assert (quotes[SWAP]["bid"], quotes[SWAP]["ask"]) == (89500.0, 89500.1)
    usdm.control.move("BTCUSDT", "89600")
    while quotes[SWAP]["bid"] != 89600.0:
        quotes = await exchange.watch_bids_asks([SWAP])
    assert quotes[SWAP]["ask"] == 89600.1


async def test_rest_places_queries_and_cancels(exchange: Any) -> None:
    created = await exchange.create_order(SWAP, "limit", "buy", 0.01, 88000)
    open_orders = await exchange.fetch_open_orders(SWAP)
    assert [order["id"] for order in open_orders] == [created["id"]]
    await exchange.edit_order(created["id"], SWAP, "limit", "buy", 0.02, 88000)
    await exchange.cancel_order(created["id"], SWAP)
    assert await exchange.fetch_open_orders(SWAP) == []
    (order,) = await exchange.fetch_orders(SWAP)
    assert (order["status"], order["amount"]) == ("canceled", 0.02)


async def test_rest_balance_positions_and_trades(exchange: Any) -> None:
    await exchange.create_order(SWAP, "market", "buy", 0.1)
    (position,) = await exchange.fetch_positions([SWAP])
    shown = (position["contracts"], position["side"], position["entryPrice"])
    assert shown == (0.1, "long", 89500.1)
    balance = await exchange.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(895.001)
    (trade,) = await exchange.fetch_my_trades(SWAP)
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.1, 89500.1, "taker")


# Spot.


async def test_spot_markets(spot_exchange: Any) -> None:
    market = spot_exchange.markets[PAIR]
    assert (market["id"], market["spot"], market["precision"]["price"]) == ("BTCUSDT", True, 0.01)
    assert market["limits"]["cost"]["min"] == 5


async def test_a_spot_order_lives_is_replaced_and_canceled_over_websocket(
    spot_exchange: Any,
) -> None:
    created = await spot_exchange.create_order_ws(PAIR, "limit", "buy", 0.01, 88000)
    changed = await spot_exchange.edit_order_ws(created["id"], PAIR, "limit", "buy", 0.02, 88100)
    assert changed["id"] != created["id"]
    (found,) = await spot_exchange.fetch_open_orders_ws(PAIR)
    assert (found["id"], found["amount"], found["price"]) == (changed["id"], 0.02, 88100)
    await spot_exchange.cancel_order_ws(changed["id"], PAIR)
    assert (await spot_exchange.fetch_order_ws(changed["id"], PAIR))["status"] == "canceled"


async def test_watch_spot_orders_trades_and_balance(
    spot_exchange: Any, spot: RunningSimulator
) -> None:
    states: list[tuple[str, str]] = []

    async def watch() -> None:
        while not states or states[-1][1] != "closed":
            orders = await spot_exchange.watch_orders(PAIR)
            states.extend((order["clientOrderId"], order["status"]) for order in orders)

    watching = asyncio.create_task(watch())
    trading = asyncio.create_task(spot_exchange.watch_my_trades(PAIR))
    balance = asyncio.create_task(spot_exchange.watch_balance())
    await eventually(lambda: "trade+private" in [row["role"] for row in spot.control.connections()])
    await spot_exchange.create_order_ws(
        PAIR, "limit", "buy", 0.01, 88000, {"newClientOrderId": "a1"}
    )
    assert (await balance)["USDT"]["used"] == 880
    await eventually(lambda: len(states) == 1)  # two pushes at once would be seen as one
    await spot_exchange.cancel_order_ws("", PAIR, {"origClientOrderId": "a1"})
    created = await spot_exchange.create_order_ws(
        PAIR, "limit", "buy", 0.01, 88000, {"newClientOrderId": "a2"}
    )
    await eventually(lambda: len(states) == 3)
    spot.control.fill_order(venue_id=created["id"])
    await watching
    (trade,) = await trading
    # A canceled order keeps its own id, though the report's c is the cancel's.
    assert states == [("a1", "open"), ("a1", "canceled"), ("a2", "open"), ("a2", "closed")]
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.01, 88000, "maker")
    assert trade["fee"] == {"currency": "BTC", "cost": 0.000008}


async def test_spot_refusals_are_named(spot_exchange: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await spot_exchange.create_order_ws(PAIR, "limit", "buy", 100, 88000)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await spot_exchange.create_order(PAIR, "limit", "buy", 0.01, 89600, {"postOnly": True})
    with pytest.raises(ccxt.OrderNotFound):
        await spot_exchange.cancel_order_ws("1", PAIR)
    with pytest.raises(ccxt.OrderNotFound):
        await spot_exchange.fetch_order("1", PAIR)


async def test_spot_bids_and_asks(spot_exchange: Any) -> None:
    quotes = await spot_exchange.watch_bids_asks([PAIR])
    assert (quotes[PAIR]["bid"], quotes[PAIR]["ask"]) == (89500.0, 89500.01)


async def test_spot_by_rest(spot_exchange: Any) -> None:
    created = await spot_exchange.create_order(PAIR, "limit", "buy", 0.01, 88000)
    (found,) = await spot_exchange.fetch_open_orders(PAIR)
    assert found["id"] == created["id"]
    await spot_exchange.cancel_order(created["id"], PAIR)
    assert await spot_exchange.fetch_open_orders(PAIR) == []
    bought = await spot_exchange.create_market_buy_order_with_cost(PAIR, 1000)
    assert (bought["status"], bought["filled"]) == ("closed", 0.01117)
    balance = await spot_exchange.fetch_balance()
    assert balance["BTC"]["total"] == pytest.approx(10.01117, abs=0.0001)
    (trade,) = await spot_exchange.fetch_my_trades(PAIR)
    assert (trade["amount"], trade["takerOrMaker"]) == (0.01117, "taker")
    assert [order["status"] for order in await spot_exchange.fetch_orders(PAIR)] == [
        "canceled",
        "closed",
    ]
