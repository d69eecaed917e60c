"""Public channels: snapshots at once, then changes."""

from __future__ import annotations

from simulator.server import RunningSimulator
from tests.simulator.okx_client import DEMO, open_private, open_ws, spot


async def test_bbo_comes_at_once_and_on_each_change(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        await ws.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        frame = await ws.next()
        (item,) = frame["data"]
        assert set(frame) == {"arg", "data"}
        assert item["bids"] == [["89500", "50", "0", "1"]]
        assert item["asks"] == [["89500.1", "50", "0", "1"]]
        assert isinstance(item["seqId"], int)
        sim.control.move("BTC-USDT", "89600")
        while (later := await ws.push("bbo-tbt")) == item:
            pass  # read before, not yet passed over
        assert later["bids"][0][0] == "89600"
        assert later["seqId"] > item["seqId"]


async def test_own_orders_show_in_the_book(sim: RunningSimulator) -> None:
    async with (
        await open_ws(sim.ws_url, "public") as ws,
        await open_private(sim.ws_url, DEMO) as trade,
    ):
        sim.control.market("BTC-USDT", bid="89000", ask="90000")
        await ws.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        await trade.op("order", spot("a1", px="89500", sz="0.01"))
        while (book := await ws.push("bbo-tbt"))["bids"][0][0] == "89000":
            pass  # the market's own
        assert book["bids"] == [["89500", "0.01", "0", "1"]]
        assert book["asks"][0][0] == "90000"


async def test_one_side_may_be_empty(sim: RunningSimulator) -> None:
    sim.control.market("BTC-USDT", bids=[["89500", "1"]], asks=[])
    async with await open_ws(sim.ws_url, "public") as ws:
        await ws.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        assert (await ws.push("bbo-tbt"))["asks"] == []


async def test_books_send_a_snapshot_then_what_changed(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        await ws.subscribe(channel="books", instId="BTC-USDT")
        first = await ws.next()
        sim.control.move("BTC-USDT", "89500.1", "89500.2")
        second = await ws.next()
        assert (first["action"], second["action"]) == ("snapshot", "update")
        assert (first["data"][0]["prevSeqId"], first["data"][0]["checksum"]) == (-1, 0)
        assert second["data"][0]["prevSeqId"] == first["data"][0]["seqId"]
        assert ["89500.1", "0", "0", "0"] in second["data"][0]["asks"]
        assert ["89500.1", "50", "0", "1"] in second["data"][0]["bids"]


async def test_books5_tickers_trades_and_instruments(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        for arg in (
            {"channel": "books5", "instId": "BTC-USDT"},
            {"channel": "tickers", "instId": "BTC-USDT"},
            {"channel": "trades", "instId": "BTC-USDT"},
            {"channel": "instruments", "instType": "SWAP"},
            {"channel": "status"},
        ):
            await ws.subscribe(**arg)
        await ws.ping()
        assert len(ws.pushes("books5")[0]["bids"]) == 5
        assert ws.pushes("tickers")[0]["instType"] == "SPOT"
        assert {item["instType"] for item in ws.pushes("instruments")} == {"SWAP"}
        sim.control.trade("BTC-USDT", "buy", "0.3")
        trade = await ws.push("trades")
        assert (trade["side"], trade["px"], trade["sz"]) == ("buy", "89500.1", "0.3")


async def test_unsubscribed_and_closed_sockets_hear_no_more(sim: RunningSimulator) -> None:
    arg = {"channel": "trades", "instId": "BTC-USDT"}
    async with await open_ws(sim.ws_url, "public") as ws:
        await ws.subscribe(**arg)
        await ws.subscribe(**arg)
        sim.control.trade("BTC-USDT", "sell", "0.1")
        await ws.ping()
        assert len(ws.pushes("trades")) == 1
        await ws.send({"op": "unsubscribe", "args": [arg]})
        await ws.ping()
        sim.control.trade("BTC-USDT", "sell", "0.1")
        await ws.ping()
        assert len(ws.pushes("trades")) == 1
