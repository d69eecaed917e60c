"""ccxt.pro, unchanged but for its URLs, trades on the simulator's Bitget futures and spot.

ccxt places orders at Bitget by REST alone; it watches everything by WebSocket.
"""

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
EACH = pytest.mark.parametrize("symbol", [SWAP, PAIR])


@pytest.fixture
async def exchange(bitget: RunningSimulator) -> AsyncIterator[Any]:
    keys = {"apiKey": "demo-key", "secret": "demo-secret", "password": "demo-pass"}
    client = ccxt.pro.bitget(keys)
    # Its own pauses between requests only cost time here; its patience is a quiet machine's.
    client.enableRateLimit = False
    client.timeout = 60_000
    client.options["uta"] = True
    client.has["fetchCurrencies"] = False
    urls = client.urls["api"]
    for name, url in urls.items():
        if isinstance(url, str):
            urls[name] = url.replace("https://api.{hostname}", bitget.url)
    urls["ws"]["utaPublic"] = f"{bitget.ws_url}/public"
    urls["ws"]["utaPrivate"] = f"{bitget.ws_url}/private"
    await client.load_markets()
    yield client
    await client.close()


async def listening(sim: RunningSimulator) -> None:
    """Return once the private connection has subscribed."""
    await eventually(lambda: "trade+private" in [row["role"] for row in sim.control.connections()])


async def test_it_finds_out_that_the_account_is_unified(exchange: Any) -> None:
    exchange.options.pop("uta")
    assert await exchange.fetch_open_orders(SWAP) == []
    assert exchange.options["uta"] is True


async def test_markets_carry_what_the_instruments_say(exchange: Any) -> None:
    swap, pair = exchange.markets[SWAP], exchange.markets[PAIR]
    assert (swap["id"], swap["linear"], swap["contractSize"]) == ("BTCUSDT", True, 1)
    assert (swap["precision"]["price"], swap["precision"]["amount"]) == (0.1, 0.0001)
    assert (pair["id"], pair["spot"], pair["precision"]["price"]) == ("BTCUSDT", True, 0.01)
    assert (swap["limits"]["cost"]["min"], pair["limits"]["cost"]["min"]) == (5, 1)


@EACH
async def test_an_order_lives_is_changed_and_canceled(exchange: Any, symbol: str) -> None:
    params = {"clientOrderId": "abc-1"}
    created = await exchange.create_order(symbol, "limit", "buy", 0.01, 86000, params)
    assert created["clientOrderId"] == "abc-1"
    await exchange.edit_order(created["id"], symbol, "limit", "buy", 0.02, 87000)
    changed = await exchange.fetch_order(created["id"], symbol)
    assert (changed["amount"], changed["price"], changed["status"]) == (0.02, 87000, "open")
    (found,) = await exchange.fetch_open_orders(symbol)
    assert (found["id"], found["clientOrderId"]) == (created["id"], "abc-1")
    await exchange.cancel_order(created["id"], symbol)
    assert await exchange.fetch_open_orders(symbol) == []
    (ended,) = await exchange.fetch_canceled_and_closed_orders(symbol)
    assert (ended["id"], ended["status"]) == (created["id"], "canceled")


async def test_several_orders_at_once(exchange: Any) -> None:
    orders = [
        {"symbol": SWAP, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
        for price in (86000, 87000)
    ]
    created = await exchange.create_orders(orders)
    ids = [order["id"] for order in created]
    assert len(set(ids)) == 2
    canceled = await exchange.cancel_orders(ids, SWAP)
    assert [order["id"] for order in canceled] == ids
    assert await exchange.fetch_open_orders(SWAP) == []


@EACH
async def test_watch_orders_and_trades(
    exchange: Any, bitget: RunningSimulator, symbol: str
) -> None:
    states: list[str] = []

    async def watch() -> None:
        while states[-1:] != ["closed"]:
            orders = await exchange.watch_orders(symbol)
            states.append(orders[-1]["status"])

    watching = asyncio.create_task(watch())
    trading = asyncio.create_task(exchange.watch_my_trades(symbol))
    await listening(bitget)
    created = await exchange.create_order(symbol, "limit", "buy", 0.01, 88000)
    await eventually(lambda: states == ["open"])  # two pushes at once would be seen as one
    bitget.control.fill_order(venue_id=created["id"])
    await watching
    (trade,) = await trading
    assert states == ["open", "closed"]
    assert (trade["order"], trade["symbol"]) == (created["id"], symbol)
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.01, 88000, "maker")


async def test_watch_orders_sees_a_cancel(exchange: Any, bitget: RunningSimulator) -> None:
    states: list[str] = []

    async def watch() -> None:
        while states[-1:] != ["canceled"]:
            orders = await exchange.watch_orders(SWAP)
            states.append(orders[-1]["status"])

    watching = asyncio.create_task(watch())
    await listening(bitget)
    created = await exchange.create_order(SWAP, "limit", "buy", 0.01, 88000)
    await eventually(lambda: states == ["open"])
    await exchange.cancel_order(created["id"], SWAP)
    await watching
    assert states == ["open", "canceled"]


async def test_watch_balance_and_positions(exchange: Any, bitget: RunningSimulator) -> None:
    assert (await exchange.watch_balance())["USDT"]["free"] == 1_000_000
    assert await exchange.watch_positions([SWAP]) == []
    watching = [exchange.watch_balance(), exchange.watch_positions([SWAP])]
    told = asyncio.gather(*watching)
    while not told.done():
        # Each setting is pushed; one that comes before ccxt waits for it is not heard.
        bitget.control.set_position("bitget-demo", "BTCUSDT", "-0.5")
        await asyncio.wait([told], timeout=0.05)
    balance, (position,) = told.result()
    assert balance["USDT"]["free"] == pytest.approx(1_000_000 - 0.5 * 89500.05 / 10)
    assert (position["contracts"], position["side"]) == (0.5, "short")


@EACH
async def test_bids_and_asks_follow_the_market(
    exchange: Any, bitget: RunningSimulator, symbol: str
) -> None:
    quotes = await exchange.watch_bids_asks([symbol])
    assert quotes[symbol]["bid"] == 89500.0
    bitget.control.move("BTCUSDT" if symbol == SWAP else "BTCUSDT_SPBL", "89600")
    while quotes[symbol]["bid"] != 89600.0:
        quotes = await exchange.watch_bids_asks([symbol])
    assert quotes[symbol]["ask"] == (89600.1 if symbol == SWAP else 89600.01)


@pytest.mark.parametrize("depth", [1, 5, None])
async def test_books_follow_the_market(
    exchange: Any, bitget: RunningSimulator, depth: int | None
) -> None:
    book = await exchange.watch_order_book(SWAP, depth)
    assert (book["bids"][0][0], book["asks"][0][0]) == (89500.0, 89500.1)
    bitget.control.move("BTCUSDT", "89600")
    while book["bids"][0][0] != 89600.0:
        book = await exchange.watch_order_book(SWAP, depth)
    assert book["asks"][0][0] == 89600.1


async def test_balance_positions_and_trades(exchange: Any) -> None:
    await exchange.create_order(SWAP, "market", "buy", 0.1)
    (position,) = await exchange.fetch_positions([SWAP])
    shown = (position["contracts"], position["side"], position["entryPrice"])
    assert shown == (0.1, "long", 89500.1)
    balance = await exchange.fetch_balance()
    assert balance["USDT"]["free"] == pytest.approx(1_000_000 - 895.001, abs=10)
    (trade,) = await exchange.fetch_my_trades(SWAP)
    assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.1, 89500.1, "taker")
    assert trade["fee"]["cost"] == pytest.approx(4.475005)
    await exchange.create_order(SWAP, "market", "sell", 0.1, params={"reduceOnly": True})
    assert await exchange.fetch_positions([SWAP]) == []


async def test_a_market_order_buys_spot_for_a_sum_of_quote_currency(exchange: Any) -> None:
    created = await exchange.create_order(PAIR, "market", "buy", 1000)
    (trade,) = await exchange.fetch_my_trades(PAIR)
    assert (trade["order"], trade["amount"]) == (created["id"], 0.011173)
    balance = await exchange.fetch_balance()
    assert balance["BTC"]["total"] == pytest.approx(10.011173, abs=0.0001)


async def test_refusals_are_named(exchange: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="25203"):
        await exchange.create_order(SWAP, "limit", "buy", 900, 88000)
    with pytest.raises(ccxt.ExchangeError, match="25202"):
        await exchange.create_order(PAIR, "limit", "buy", 900, 88000)
    with pytest.raises(ccxt.ExchangeError, match="25204"):
        await exchange.cancel_order("1", SWAP)
    with pytest.raises(ccxt.ExchangeError, match="25204"):
        await exchange.fetch_order("1", SWAP)
    await exchange.create_order(SWAP, "limit", "buy", 0.01, 88000, {"clientOrderId": "twice"})
    with pytest.raises(ccxt.ExchangeError, match="25212"):
        await exchange.create_order(SWAP, "limit", "buy", 0.01, 88000, {"clientOrderId": "twice"})


async def test_a_wrong_key_is_refused(exchange: Any) -> None:
    exchange.password = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await exchange.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError):
        await exchange.watch_orders(SWAP)
    exchange.password, exchange.secret = "demo-pass", "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await exchange.fetch_balance()


async def test_the_clock(exchange: Any, bitget: RunningSimulator) -> None:
    now_ms = await exchange.fetch_time()
    assert abs(now_ms - bitget.control.health()["now_ms"]) < 60_000
