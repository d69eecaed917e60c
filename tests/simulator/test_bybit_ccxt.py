"""ccxt.pro, unchanged but for its URLs, trades on the simulator's Bybit: linear and spot."""

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


def bybit_client(sim: RunningSimulator) -> Any:
    """Return ccxt.pro's client with the simulator's addresses."""
    client = ccxt.pro.bybit({"apiKey": "demo-key", "secret": "demo-secret"})
    # Its own pauses between requests only cost time here.
    client.enableRateLimit = False
    client.options["fetchMarkets"] = {"types": ["spot", "linear", "inverse"]}
    client.has["fetchCurrencies"] = False
    urls = client.urls["api"]
    for name, url in urls.items():
        if isinstance(url, str):
            urls[name] = url.replace("https://api.{hostname}", sim.url)
    for category in ("spot", "linear", "inverse"):
        urls["ws"]["public"][category] = f"{sim.ws_url}/v5/public/{category}"
    private = urls["ws"]["private"]
    private["spot"]["unified"] = private["contract"] = f"{sim.ws_url}/v5/private"
    private["trade"] = f"{sim.ws_url}/v5/trade"
    return client


@pytest.fixture
async def exchange(bybit: RunningSimulator) -> AsyncIterator[Any]:
    client = bybit_client(bybit)
    await client.load_markets()
    yield client
    await client.close()


async def subscribed(exchange: Any, topics: int) -> None:
    """Return once so many subscriptions are confirmed; call it when they have been asked for."""
    confirmed: list[Any] = []
    exchange.handle_subscription_status = lambda _, message: confirmed.append(message)
    await eventually(lambda: len(confirmed) == topics)


async def test_markets_carry_what_instruments_info_says(exchange: Any) -> None:
    swap, pair, coin = (exchange.markets[name] for name in (SWAP, PAIR, "BTC/USD:BTC"))
    assert (swap["id"], swap["linear"], swap["precision"]["amount"]) == ("BTCUSDT", True, 0.001)
    assert (swap["precision"]["price"], swap["limits"]["amount"]["min"]) == (0.1, 0.001)
    assert (pair["id"], pair["spot"], pair["precision"]["amount"]) == ("BTCUSDT", True, 0.000001)
    assert (pair["precision"]["price"], pair["limits"]["cost"]["min"]) == (0.01, 5)
    assert (coin["id"], coin["inverse"], coin["settle"]) == ("BTCUSD", True, "BTC")


@pytest.mark.parametrize("symbol", [SWAP, PAIR, "BTC/USD:BTC"])
async def test_an_order_lives_is_amended_and_canceled_over_websocket(
    exchange: Any, symbol: str
) -> None:
    size = 100 if symbol == "BTC/USD:BTC" else 0.01
    params = {"clientOrderId": "abc_1-2"}
    created = await exchange.create_order_ws(symbol, "limit", "buy", size, 88000, params)
    assert created["clientOrderId"] == "abc_1-2"
    await exchange.edit_order_ws(created["id"], symbol, "limit", "buy", 2 * size, 88100)
    changed = await exchange.fetch_open_order(created["id"], symbol)
    assert (changed["amount"], changed["price"], changed["status"]) == (2 * size, 88100, "open")
    await exchange.cancel_order_ws(created["id"], symbol)
    ended = await exchange.fetch_closed_order(created["id"], symbol)
    assert ended["status"] == "canceled"
    assert await exchange.fetch_open_orders(symbol) == []


@pytest.mark.parametrize("symbol", [SWAP, PAIR])
async def test_watch_orders_and_trades(exchange: Any, bybit: RunningSimulator, symbol: str) -> None:
    states: list[str] = []

    async def watch() -> None:
        while states[-1:] != ["closed"]:
            orders = await exchange.watch_orders(symbol)
            states.append(orders[-1]["status"])

    watching = asyncio.create_task(watch())
    trading = asyncio.create_task(exchange.watch_my_trades(symbol))
    await subscribed(exchange, 2)
    created = await exchange.create_order_ws(symbol, "limit", "buy", 0.01, 88000)
    # ccxt tells only whoever waits for it.
    await eventually(lambda: states == ["open"])
    bybit.control.fill_order(venue_id=created["id"])
    await watching
    (trade,) = await trading
    assert states == ["open", "closed"]
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.01, 88000, "maker")
    assert trade["order"] == created["id"]
    # The commission: 0.02 % of 880 USDT, or on spot 0.08 % of what was bought.
    fee = (
        {"currency": "USDT", "cost": 0.176} if symbol == SWAP else {"currency": "BTC", "cost": 8e-6}
    )
    assert (trade["fee"]["currency"], trade["fee"]["cost"]) == (fee["currency"], fee["cost"])


async def test_watch_balance_and_positions(exchange: Any, bybit: RunningSimulator) -> None:
    exchange.options["watchPositions"]["fetchPositionsSnapshot"] = False
    watching = asyncio.create_task(exchange.watch_positions([SWAP]))
    balance = asyncio.create_task(exchange.watch_balance())
    await subscribed(exchange, 2)
    bybit.control.set_position("bybit-demo", "BTCUSDT", "-0.5")
    (position,) = await watching
    assert (position["contracts"], position["side"]) == (0.5, "short")
    assert (await balance)["USDT"]["total"] == 1_000_000


async def test_the_book_top_follows_the_market(exchange: Any, bybit: RunningSimulator) -> None:
    for symbol, name in ((SWAP, "BTCUSDT"), (PAIR, "BTCUSDT-SPOT")):
        quotes = await exchange.watch_bids_asks([symbol])
        assert quotes[symbol]["bid"] == 89500.0
        bybit.control.move(name, "89600")
        while quotes[symbol]["bid"] != 89600.0:
            quotes = await exchange.watch_bids_asks([symbol])
        book = await exchange.watch_order_book(symbol, 50)
        assert book["bids"][0][0] == 89600.0
    ticker = await exchange.watch_ticker(SWAP)
    assert (ticker["bid"], ticker["ask"]) == (89600.0, 89600.1)


@pytest.mark.parametrize("symbol", [SWAP, PAIR])
async def test_refusals_are_named(exchange: Any, symbol: str) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await exchange.create_order_ws(symbol, "limit", "buy", 900, 88000)
    with pytest.raises((ccxt.OrderNotFound, ccxt.InvalidOrder), match=r"110001|170213"):
        await exchange.cancel_order_ws("1", symbol)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.fetch_open_order("1", symbol)
    params = {"clientOrderId": "used"}
    await exchange.create_order_ws(symbol, "limit", "buy", 0.01, 88000, params)
    with pytest.raises(ccxt.ExchangeError, match=r"110072|170141"):
        await exchange.create_order(symbol, "limit", "buy", 0.01, 88000, params)


@pytest.mark.parametrize("symbol", [SWAP, PAIR])
async def test_rest_places_queries_and_cancels(exchange: Any, symbol: str) -> None:
    created = await exchange.create_order(symbol, "limit", "buy", 0.01, 88000)
    (found,) = await exchange.fetch_open_orders(symbol)
    assert (found["id"], found["amount"], found["price"]) == (created["id"], 0.01, 88000)
    await exchange.edit_order(created["id"], symbol, "limit", "buy", 0.02, 88000)
    await exchange.cancel_order(created["id"], symbol)
    assert await exchange.fetch_open_orders(symbol) == []
    (ended,) = await exchange.fetch_canceled_orders(symbol)
    assert (ended["id"], ended["amount"]) == (created["id"], 0.02)
    batch = [
        {"symbol": symbol, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
        for price in (88000, 88001)
    ]
    orders = await exchange.create_orders(batch)
    assert len(await exchange.fetch_open_orders(symbol)) == 2
    await exchange.cancel_orders([orders[0]["id"]], symbol)
    await exchange.cancel_all_orders(symbol)
    assert await exchange.fetch_open_orders(symbol) == []


async def test_rest_balance_positions_and_trades(exchange: Any) -> None:
    await exchange.create_order(SWAP, "market", "buy", 0.1)
    (position,) = await exchange.fetch_positions([SWAP])
    shown = (position["contracts"], position["side"], position["entryPrice"])
    assert shown == (0.1, "long", 89500.1)
    balance = await exchange.fetch_balance()
    assert balance["USDT"]["total"] == pytest.approx(1_000_000 - 4.475, abs=0.01)
    (trade,) = await exchange.fetch_my_trades(SWAP)
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.1, 89500.1, "taker")


async def test_a_spot_market_buy_by_cost(exchange: Any) -> None:
    bought = await exchange.create_market_buy_order_with_cost(PAIR, 1000)
    order = await exchange.fetch_closed_order(bought["id"], PAIR)
    # The money does not come out even, so the venue calls the end a cancel of the rest.
    assert order["info"]["orderStatus"] == "PartiallyFilledCanceled"
    assert (order["filled"], order["info"]["rejectReason"]) == (0.011173, "EC_CancelForNoFullFill")
    balance = await exchange.fetch_balance()
    assert balance["BTC"]["total"] == pytest.approx(10.01117, abs=0.0001)
    (trade,) = await exchange.fetch_my_trades(PAIR)
    assert (trade["amount"], trade["takerOrMaker"]) == (0.011173, "taker")
