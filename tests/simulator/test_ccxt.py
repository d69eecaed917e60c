"""ccxt.pro, unchanged but for its URLs, trades on the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from simulator.server import RunningSimulator
from tests.simulator.okx_client import eventually

SWAP = "BTC/USDT:USDT"


@pytest.fixture
async def exchange(sim: RunningSimulator) -> AsyncIterator[Any]:
    client = ccxt.pro.okx({"apiKey": "demo-key", "secret": "demo-secret", "password": "demo-pass"})
    # Its own pauses between requests only cost time here; its patience is a quiet machine's.
    client.enableRateLimit = False
    client.timeout = 60_000
    client.urls["api"] = {"rest": sim.url, "ws": sim.ws_url}
    await client.load_markets()
    yield client
    await client.close()


async def test_markets_carry_what_the_instruments_say(exchange: Any) -> None:
    market = exchange.markets[SWAP]
    assert (market["id"], market["instIdCode"], market["contractSize"]) == (
        "BTC-USDT-SWAP",
        10461,
        0.01,
    )
    assert exchange.markets["BTC/USD:BTC"]["inverse"] is True
    assert exchange.markets["BTC/USDT"]["precision"]["price"] == 0.1


async def test_an_order_lives_is_amended_and_canceled_over_websocket(exchange: Any) -> None:
    created = await exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.1, 80000)
    await exchange.edit_order_ws(created["id"], "BTC/USDT", "limit", "buy", 0.2, 81000)
    changed = await exchange.fetch_order(created["id"], "BTC/USDT")
    assert (changed["amount"], changed["price"], changed["status"]) == (0.2, 81000, "open")
    await exchange.cancel_order_ws(created["id"], "BTC/USDT")
    ended = await exchange.fetch_order(created["id"], "BTC/USDT")
    assert ended["status"] == "canceled"


async def test_single_order_op_with_a_client_id(exchange: Any) -> None:
    params = {"op": "order", "clientOrderId": "abc123"}
    created = await exchange.create_order_ws(SWAP, "limit", "buy", 1, 80000, params)
    assert created["clientOrderId"] == "abc123"
    with pytest.raises(ccxt.ExchangeError):
        await exchange.create_order_ws(SWAP, "limit", "buy", 1, 80000, params)


async def test_watch_orders_sees_an_order_to_its_end(exchange: Any, sim: RunningSimulator) -> None:
    states: list[str] = []

    async def watch() -> None:
        while states[-1:] != ["canceled"]:
            orders = await exchange.watch_orders("BTC/USDT")
            states.append(orders[-1]["status"])

    watching = asyncio.create_task(watch())
    await eventually(lambda: [row["role"] for row in sim.control.connections()] == ["private"])
    created = await exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.1, 80000)
    await eventually(lambda: states == ["open"])  # two pushes at once would be seen as one
    await exchange.cancel_order_ws(created["id"], "BTC/USDT")
    await watching
    assert states == ["open", "canceled"]


async def test_watch_balance_and_positions(exchange: Any, sim: RunningSimulator) -> None:
    async def watch() -> Any:
        while not (held := await exchange.watch_positions([SWAP])):
            pass  # what is held at first: nothing
        return held

    balance = await exchange.watch_balance()
    assert balance["USDT"]["free"] == 1_000_000
    watching = asyncio.create_task(watch())
    sim.control.set_balance("okx-demo", "USDT", "1234.5")
    while balance["USDT"]["total"] != 1234.5:
        balance = await exchange.watch_balance()
    sim.control.set_position("okx-demo", "BTC-USDT-SWAP", "-5")  # in base units
    (position,) = await watching
    assert (position["contracts"], position["side"]) == (500, "short")


async def test_insufficient_funds_are_named(exchange: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await exchange.create_order_ws("BTC/USDT", "limit", "buy", 1000, 80000)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.cancel_order_ws("1", "BTC/USDT")


async def test_best_bid_and_offer(exchange: Any) -> None:
    book = await exchange.watch_order_book("BTC/USDT", params={"depth": "bbo-tbt"})
    assert (book["bids"][0][0], book["asks"][0][0]) == (89500.0, 89500.1)


async def test_full_books_follow_the_market(exchange: Any, sim: RunningSimulator) -> None:
    book = await exchange.watch_order_book("BTC/USDT")
    assert book["bids"][0][0] == 89500.0
    sim.control.move("BTC-USDT", "89600")
    while book["bids"][0][0] != 89600.0:
        book = await exchange.watch_order_book("BTC/USDT")
    assert book["asks"][0][0] == 89600.1


async def test_rest_places_queries_and_cancels(exchange: Any) -> None:
    created = await exchange.create_order("BTC/USDT", "limit", "buy", 0.1, 80000)
    open_orders = await exchange.fetch_open_orders("BTC/USDT")
    assert [order["id"] for order in open_orders] == [created["id"]]
    await exchange.cancel_order(created["id"], "BTC/USDT")
    assert await exchange.fetch_open_orders("BTC/USDT") == []
    assert (await exchange.fetch_order(created["id"], "BTC/USDT"))["status"] == "canceled"


async def test_rest_balance_positions_and_trades(exchange: Any) -> None:
    await exchange.create_order(SWAP, "market", "buy", 10)
    (position,) = await exchange.fetch_positions([SWAP])
    assert (position["contracts"], position["side"], position["entryPrice"]) == (
        10,
        "long",
        89500.1,
    )
    balance = await exchange.fetch_balance()
    assert balance["BTC"]["total"] == 10
    (trade,) = await exchange.fetch_my_trades(SWAP)
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (10, 89500.1, "taker")


async def test_unknown_order_is_not_found(exchange: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.fetch_order("1", "BTC/USDT")
