"""Orders over WebSocket: what is refused, and which updates are pushed."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.server import RunningSimulator
from tests.simulator.okx_client import CODES, DEMO, ORDERS, Frame, Ws, open_private, spot, swap

BTC = CODES["BTC-USDT"]
PERP = CODES["BTC-USDT-SWAP"]

# Every key of an orders push: the sheet, section 5.2.
_KEYS = (
    "instType instId tgtCcy ccy ordId clOrdId tag px pxUsd pxVol pxType sz notionalUsd "
    "ordType side posSide tdMode fillPx tradeId fillSz fillPnl fillTime fillFee fillFeeCcy "
    "fillPxVol fillPxUsd fillMarkVol fillFwdPx fillMarkPx fillIdxPx execType accFillSz "
    "fillNotionalUsd avgPx state lever attachAlgoClOrdId tpTriggerPx tpTriggerPxType tpOrdPx "
    "slTriggerPx slTriggerPxType slOrdPx attachAlgoOrds linkedAlgoOrd stpId stpMode feeCcy "
    "fee rebateCcy rebate pnl source cancelSource amendSource category isTpLimit uTime cTime "
    "reqId amendResult reduceOnly quickMgnType algoClOrdId algoId lastPx code msg "
    "tradeQuoteCcy outcome "
)
KEYS = set(_KEYS.split())


async def states(ws: Ws, client_id: str) -> list[tuple[str, str, bool]]:
    """Return (state, fillSz, has a trade id) of an order's pushes so far."""
    await ws.ping()
    return [
        (item["state"], item["fillSz"], bool(item["tradeId"]))
        for item in ws.pushes()
        if item["clOrdId"] == client_id
    ]


async def private(sim: RunningSimulator) -> Ws:
    return await open_private(sim.ws_url, DEMO, ORDERS)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (spot("a-1"), "51000"),
        (spot("a" * 33), "51000"),
        (spot("a1", side="up"), "51000"),
        (spot("a1", side=["buy"]), "51000"),
        (spot("a1", ordType="dream"), "51000"),
        (spot("a1", ordType="optimal_limit_ioc"), "51000"),
        (spot("a1", sz="none"), "51000"),
        (spot("a1", sz="0"), "51000"),
        (spot("a1", sz="-1"), "51000"),
        (spot("a1", sz="1e3"), "51000"),
        (spot("a1", px=""), "51000"),
        (spot("a1", px="80000.05"), "51000"),
        (spot("a1", tag="too-long-and-odd"), "51000"),
        (spot("a1", tdMode="cross"), "51010"),
        (spot("a1", tdMode="magic"), "51000"),
        (spot("a1", posSide="long"), "51000"),
        (spot("a1", stpMode="none"), "51000"),
        (spot("a1", ordType="market", px=None, tgtCcy="both"), "51000"),
        (spot("a1", sz="0.000001"), "51020"),
        (spot("a1", sz="0.000010001"), "51121"),
        (spot("a1", px="100000"), "51006"),
        (spot("a1", side="sell", px="80000"), "51006"),
        (spot("a1", sz="100"), "51008"),
        (spot("a1", side="sell", px="90000", sz="11"), "51008"),
        (spot("a1", ordType="market", px=None, sz="1000001"), "51008"),
        (swap("a1", tdMode="cash"), "51000"),
        (swap("a1", sz="0.015"), "51121"),
        (swap("a1", sz="0.001"), "51020"),
        (swap("a1", reduceOnly=True), "51169"),
        (swap("a1", reduceOnly="perhaps"), "51000"),
        (swap("a1", sz="100000000"), "51008"),
        (swap("a1", ordType="market", px=None, sz="2000000"), "51202"),
    ],
)
async def test_refusals(sim: RunningSimulator, item: Frame, code: str) -> None:
    async with await private(sim) as ws:
        reply = await ws.op("order", item)
        assert reply["data"][0]["sCode"] == code
        assert reply["data"][0]["sMsg"]
        await ws.ping()
        assert ws.pushes() == []
    ledger = sim.control.ledger()
    assert ledger.orders == []
    assert ledger.requests[0]["code"] == code


async def test_a_new_order_is_pushed_with_every_key(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1", px="80000.0"))
        item = await ws.push()
        assert set(item) == KEYS
        assert (item["state"], item["avgPx"], item["fillSz"], item["fillPx"]) == (
            "live",
            "0",
            "0",
            "",
        )
        assert (item["posSide"], item["reduceOnly"], item["px"]) == ("", "false", "80000")
        frame = next(frame for frame in ws.seen if "data" in frame and "arg" in frame)
        assert set(frame) == {"arg", "data"}
        assert frame["arg"]["uid"].isdigit()


async def test_there_is_no_snapshot_of_orders(sim: RunningSimulator) -> None:
    async with await private(sim) as first:
        await first.op("order", spot("a1"))
        async with await private(sim) as second:
            await second.ping()
            assert second.pushes() == []


async def test_a_spot_market_order_ends_in_a_frame_without_trade_id(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        item = spot("a1", side="sell", ordType="market", px=None, sz="1000", tgtCcy="quote_ccy")
        await ws.op("order", item)
        last = await ws.push(state="filled")
        assert await states(ws, "a1") == [
            ("live", "0", False),
            ("partially_filled", "0.01117318", True),
            ("filled", "0", False),
        ]
        assert (last["accFillSz"], last["sz"], last["tgtCcy"]) == (
            "0.01117318",
            "1000",
            "quote_ccy",
        )
        assert (last["fillPx"], last["execType"], last["fillFee"]) == ("", "", "0")
        assert last["fee"].startswith("-0.99")


async def test_a_market_buy_is_sized_in_quote_unless_told_otherwise(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("q", ordType="market", px=None, sz="895.01"))
        quote = await ws.push(state="filled", client_id="q")
        assert quote["accFillSz"] == "0.0100001"
        await ws.op("order", spot("b", ordType="market", px=None, sz="0.02", tgtCcy="base_ccy"))
        base = await ws.push(state="filled", client_id="b")
        assert (base["accFillSz"], base["feeCcy"]) == ("0.02", "BTC")


async def test_a_contract_market_order_ends_in_one_frame(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        for kind in ("market", "optimal_limit_ioc"):
            await ws.op("order", swap(kind[:4], ordType=kind, px=None))
            await ws.push(state="filled", client_id=kind[:4])
            assert await states(ws, kind[:4]) == [("live", "0", False), ("filled", "10", True)]


async def test_a_resting_order_is_filled_as_maker_in_one_frame(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        sim.control.move("BTC-USDT", "79999")
        item = await ws.push(state="filled")
        assert (item["execType"], item["fillPx"], item["fillSz"]) == ("M", "80000", "0.1")
        assert item["tradeId"]
        assert item["fee"] == item["fillFee"] == "-0.00008"


@pytest.mark.parametrize(
    ("changed", "source", "filled"),
    [
        ({"ordType": "post_only", "px": "89600"}, "31", "0"),
        ({"ordType": "fok", "px": "89600", "sz": "10"}, "13", "0"),
        ({"ordType": "ioc", "px": "80000"}, "14", "0"),
        ({"ordType": "ioc", "px": "89500.1", "sz": "2"}, "14", "1.5"),
    ],
)
async def test_orders_that_cannot_rest_are_accepted_then_canceled(
    sim: RunningSimulator, changed: Frame, source: str, filled: str
) -> None:
    asks = [["89500.1", "1.5"], ["93000", "100"]]
    sim.control.market("BTC-USDT", bids=[["89500", "1.5"]], asks=asks)
    async with await private(sim) as ws:
        assert (await ws.op("order", spot("a1", **changed)))["code"] == "0"
        item = await ws.push(state="canceled")
        assert (item["cancelSource"], item["accFillSz"]) == (source, filled)


@pytest.mark.parametrize("kind", ["post_only", "fok"])
async def test_orders_that_fit_are_not_canceled(sim: RunningSimulator, kind: str) -> None:
    async with await private(sim) as ws:
        price = "80000" if kind == "post_only" else "89600"
        await ws.op("order", spot("a1", ordType=kind, px=price))
        await ws.op("cancel-order", {"instIdCode": BTC, "clOrdId": "a1"})
        expected = "canceled" if kind == "post_only" else "filled"
        assert (await ws.push(state=expected))["cancelSource"] == (
            "1" if kind == "post_only" else ""
        )


@pytest.mark.parametrize(
    ("mode", "old", "new"),
    [
        (None, "canceled", "filled"),
        ("cancel_maker", "canceled", "filled"),
        ("cancel_taker", "live", "canceled"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
async def test_self_trades_are_prevented(
    sim: RunningSimulator, mode: str | None, old: str, new: str
) -> None:
    sim.control.market("BTC-USDT", bids=[["82000", "5"]], asks=[["88000", "5"]])
    async with await private(sim) as ws:
        await ws.op("order", spot("old", side="sell", px="85000"))
        await ws.op("order", spot("new", px="88000", stpMode=mode))
        await ws.ping()
        last = {item["clOrdId"]: item for item in ws.pushes()}
        assert (last["old"]["state"], last["new"]["state"]) == (old, new)
        for item in last.values():
            assert item["cancelSource"] == ("32" if item["state"] == "canceled" else "")


async def test_a_client_id_is_free_again_after_the_end(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        first = await ws.op("order", spot("a1"))
        again = await ws.op("order", spot("a1"))
        assert again["data"][0]["sCode"] == "51016"
        await ws.op("cancel-order", {"instIdCode": BTC, "clOrdId": "a1"})
        third = await ws.op("order", spot("a1"))
        assert third["data"][0]["sCode"] == "0"
        assert third["data"][0]["ordId"] > first["data"][0]["ordId"]
        await ws.op("cancel-order", {"instIdCode": BTC, "clOrdId": "a1"})
        first_end = await ws.push(state="canceled")
        assert first_end["ordId"] == first["data"][0]["ordId"]
        assert (await ws.push(state="canceled"))["ordId"] == third["data"][0]["ordId"]
    assert len(sim.control.orders("a1")) == 2


async def test_cancels_that_come_too_late(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        for item, code in (
            ({"instIdCode": BTC, "clOrdId": "never"}, "51400"),
            ({"instIdCode": BTC}, "51407"),
            ({"instIdCode": BTC, "clOrdId": "no-way"}, "51000"),
        ):
            assert (await ws.op("cancel-order", item))["data"][0]["sCode"] == code
        await ws.op("order", spot("a1"))
        cancel = {"instIdCode": BTC, "clOrdId": "a1"}
        assert (await ws.op("cancel-order", cancel))["code"] == "0"
        assert (await ws.op("cancel-order", cancel))["data"][0]["sCode"] == "51400"
        wrong = await ws.op("cancel-order", {**cancel, "instIdCode": PERP})
        assert wrong["data"][0]["sCode"] == "51400"
        assert await states(ws, "a1") == [("live", "0", False), ("canceled", "0", False)]


async def test_amending_price_and_size(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        change = {
            "instIdCode": BTC,
            "clOrdId": "a1",
            "newSz": "0.3",
            "newPx": "81000",
            "reqId": "q1",
        }
        ack = (await ws.op("amend-order", change))["data"][0]
        assert (ack["sCode"], ack["reqId"]) == ("0", "q1")
        item = await ws.until(lambda frame: frame.get("data", [{}])[0].get("amendResult") == "0")
        amended = item["data"][0]
        assert (amended["px"], amended["sz"], amended["reqId"]) == ("81000", "0.3", "q1")
        assert (amended["state"], amended["amendSource"]) == ("live", "1")


async def test_amending_into_the_market_fills(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        await ws.op("amend-order", {"instIdCode": BTC, "clOrdId": "a1", "newPx": "90000"})
        assert (await ws.push(state="filled"))["execType"] == "T"


async def test_shrinking_to_what_is_filled_ends_the_order(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        sim.control.fill_order("a1", amount="0.04")
        await ws.op("amend-order", {"instIdCode": BTC, "clOrdId": "a1", "newSz": "0.04"})
        item = await ws.push(state="filled")
        assert (item["accFillSz"], item["sz"], item["fillSz"]) == ("0.04", "0.04", "0")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, "51500"),
        ({"newSz": "x"}, "51000"),
        ({"newPx": "100000"}, "51006"),
        ({"newSz": "100"}, "51502"),
        ({"newSz": "0.1", "reqId": "a b"}, "51000"),
        ({"newSz": "0.1", "clOrdId": "other"}, "51603"),
        ({"newSz": "0.1", "clOrdId": "ended"}, "51503"),
        ({"newSz": "0.1", "cxlOnFail": "x"}, "51000"),
    ],
)
async def test_amendments_that_are_refused(
    sim: RunningSimulator, changed: Frame, code: str
) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        await ws.op("order", spot("ended"))
        await ws.op("cancel-order", {"instIdCode": BTC, "clOrdId": "ended"})
        reply = await ws.op("amend-order", {"instIdCode": BTC, "clOrdId": "a1", **changed})
        assert reply["data"][0]["sCode"] == code
    assert sim.control.orders("a1")[0]["state"] == "live"


@pytest.mark.parametrize(("give_up", "result"), [(False, "-1"), (True, "1")])
async def test_a_post_only_amendment_that_would_take_fails_in_the_push(
    sim: RunningSimulator, give_up: bool, result: str
) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1", ordType="post_only"))
        change = {"instIdCode": BTC, "clOrdId": "a1", "newPx": "90000", "cxlOnFail": give_up}
        assert (await ws.op("amend-order", change))["code"] == "0"
        frame = await ws.until(
            lambda frame: frame.get("data", [{}])[0].get("amendResult") == result
        )
        item = frame["data"][0]
        assert (item["code"], bool(item["msg"])) == ("51511", True)
        assert (item["state"], item["px"]) == ("canceled" if give_up else "live", "80000")


async def test_an_amendment_without_funds_may_cancel(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1"))
        change = {"instIdCode": BTC, "clOrdId": "a1", "newSz": "100", "cxlOnFail": True}
        assert (await ws.op("amend-order", change))["data"][0]["sCode"] == "51502"
        item = await ws.push(state="canceled")
        assert (item["amendResult"], item["code"]) == ("1", "51502")


async def test_reduce_only_closes_and_no_more(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", swap("open", ordType="market", px=None))
        wrong = await ws.op("order", swap("more", reduceOnly=True))
        assert wrong["data"][0]["sCode"] == "51170"
        close = swap("close", side="sell", ordType="market", px=None, sz="25", reduceOnly=True)
        await ws.op("order", close)
        item = await ws.push(state="canceled", client_id="close")
        assert (item["accFillSz"], item["reduceOnly"]) == ("10", "true")


async def test_prices_are_clamped_on_request(sim: RunningSimulator) -> None:
    async with await private(sim) as ws:
        await ws.op("order", spot("a1", px="200000", sz="0.01", pxAmendType="1"))
        item = await ws.push(state="filled")
        assert item["px"] == "93975"


async def test_account_follows_orders_and_fills(sim: RunningSimulator) -> None:
    events: Frame = {"channel": "account", "extraParams": '{"updateInterval": "0"}'}
    async with await open_private(sim.ws_url, DEMO, events) as ws:
        snapshot = await ws.until(lambda frame: frame.get("eventType") == "snapshot")
        assert (snapshot["curPage"], snapshot["lastPage"]) == (1, True)
        assert {item["ccy"] for item in snapshot["data"][0]["details"]} == {"USDT", "BTC", "ETH"}
        await ws.op("order", spot("a1"))
        frozen = await details(ws)
        assert set(frozen) == {"USDT"}
        assert (frozen["USDT"]["ordFrozen"], frozen["USDT"]["availBal"]) == ("8000", "992000")
        sim.control.fill_order("a1")
        filled = await details(ws)
        assert filled["USDT"]["cashBal"] == "992000"
        assert filled["USDT"]["ordFrozen"] == "0"
        assert filled["BTC"]["cashBal"] == "10.09992"


async def details(ws: Ws) -> dict[str, Any]:
    frame = await ws.until(lambda frame: frame.get("eventType") == "event_update")
    assert "curPage" not in frame
    return {item["ccy"]: item for item in frame["data"][0]["details"]}


async def test_positions_are_pushed_to_zero(sim: RunningSimulator) -> None:
    channel: Frame = {"channel": "positions", "instType": "ANY"}
    async with await open_private(sim.ws_url, DEMO, channel) as ws:
        assert await ws.push("positions") == {}
        assert ws.seen[-1]["eventType"] == "snapshot"
        await ws.op("order", swap("a", side="sell", ordType="market", px=None))
        opened = await ws.push("positions")
        assert (opened["pos"], opened["posSide"], opened["avgPx"]) == ("-10", "net", "89500")
        await ws.op("order", swap("b", ordType="market", px=None))
        closed = await ws.push("positions")
        assert (closed["pos"], closed["posId"]) == ("0", opened["posId"])
        assert closed["realizedPnl"].startswith("-")


async def test_balance_and_position_tells_trades(sim: RunningSimulator) -> None:
    channel: Frame = {"channel": "balance_and_position"}
    async with await open_private(sim.ws_url, DEMO, channel) as ws:
        assert (await ws.push("balance_and_position"))["eventType"] == "snapshot"
        await ws.op("order", swap("a", ordType="market", px=None))
        item = await ws.push("balance_and_position")
        assert item["eventType"] == "filled"
        assert item["posData"][0]["pos"] == "10"
        assert item["trades"][0]["instId"] == "BTC-USDT-SWAP"
