"""Bybit's private topics: what is told of an order's life, in which frames and order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.config import BybitConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.bybit_client import (
    DEMO,
    LINEAR,
    SPOT,
    Private,
    Rest,
    Trade,
    dial,
    login_args,
    market,
    open_private,
    open_public,
    open_trade,
    order,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame, eventually


def served(**own: Any) -> SimulatorConfig:
    """Return the settings of a still Bybit with settings of its own."""
    return SimulatorConfig(
        market=STILL,
        venues=("bybit",),
        bybit=BybitConfig(**own),
        countdown_second_s=0.001,
    )


@pytest.fixture
def talkative() -> Iterator[RunningSimulator]:
    """A simulator that tells every order as New first, and orders before their fills."""
    with run_in_thread(served(tells_new=True, event_order="order_first")) as running:
        yield running


async def ends(trade: Trade, private: Private, item: Frame) -> Frame:
    """Return how the topic ``order`` tells the only change that an order causes."""
    await trade.done("order.create", item)
    return await private.one()


# Connections.


async def test_frames_of_a_session(bybit: RunningSimulator) -> None:
    async with Private(await dial(f"{bybit.ws_url}/v5/private")) as private:
        assert not (await private.subscribe("order"))["success"]
        await private.send({"op": "auth", "args": ["demo-key", 1, "00"]})
        refused = await private.next()
        assert (refused["success"], refused["request"]["op"]) == (False, "auth")
        await private.send({"req_id": 7, "op": "auth", "args": login_args(DEMO)})
        answer = await private.next()
        connection = answer.pop("conn_id")
        assert answer == {"success": True, "ret_msg": "", "op": "auth", "req_id": 7}
        await private.send({"req_id": "p1", "op": "ping"})
        pong = await private.next()
        assert (pong["op"], pong["req_id"], pong["conn_id"]) == ("pong", "p1", connection)
        assert len(pong["args"][0]) == 13
        for topics in (["nothing"], ["wallet.spot"], ["order", "order.spot"], ["order"] * 11):
            assert not (await private.subscribe(*topics))["success"]
        assert (await private.subscribe("order.spot", "execution", "greeks"))["success"]
        await private.send("{")
        assert not (await private.next())["success"]


async def test_topics_whole_and_by_category(bybit: RunningSimulator) -> None:
    async with (
        await open_trade(bybit) as trade,
        await open_private(bybit, "order.spot") as split,
        await open_private(bybit, "order", "wallet") as whole,
    ):
        await trade.done("order.create", order("a1"))
        await trade.done("order.create", order("a2", **SPOT))
        assert (await split.one("order.spot"))["orderLinkId"] == "a2"
        assert [(await whole.one())["orderLinkId"] for _ in range(2)] == ["a1", "a2"]
        assert (await whole.subscribe("order", word="unsubscribe"))["success"]
        await trade.done("order.cancel", {**SPOT, "orderLinkId": "a2"})
        assert (await split.one("order.spot"))["orderStatus"] == "Cancelled"
        await whole.settled()
        assert len(whole.told("order")) == 2


async def test_nothing_missed_is_told_again(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        await trade.done("order.create", order("a1"))
        async with await open_private(bybit) as private:
            await private.settled()
            assert not any("topic" in frame for frame in private.seen)


# An order's life.


async def test_an_order_is_told_from_new_to_canceled(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        placed = await trade.done("order.create", order("a1", timeInForce="PostOnly"))
        push = await private.push()
        assert set(push) == {"topic", "id", "creationTime", "data"}
        (row,) = push["data"]
        named = (row["category"], row["symbol"], row["orderId"], row["orderLinkId"])
        assert named == ("linear", "BTCUSDT", placed["orderId"], "a1")
        assert (row["orderStatus"], row["timeInForce"], row["side"]) == ("New", "PostOnly", "Buy")
        assert (row["leavesQty"], row["cumExecQty"], row["avgPrice"]) == ("0.01", "0", "")
        assert (row["rejectReason"], row["cancelType"]) == ("EC_NoError", "UNKNOWN")
        await trade.done("order.amend", {**LINEAR, "orderLinkId": "a1", "qty": "0.02"})
        row = await private.one()
        assert (row["orderStatus"], row["qty"], row["price"]) == ("New", "0.02", "88000")
        bybit.control.fill_order("a1", amount="0.005")
        row = await private.one()
        assert (row["orderStatus"], row["cumExecQty"]) == ("PartiallyFilled", "0.005")
        assert (row["leavesQty"], row["avgPrice"]) == ("0.015", "88000")
        await trade.done("order.cancel", {**LINEAR, "orderLinkId": "a1"})
        row = await private.one()
        assert (row["orderStatus"], row["leavesQty"]) == ("Cancelled", "0")
        assert (row["cancelType"], row["rejectReason"]) == ("CancelByUser", "EC_PerCancelRequest")
        assert row["cumFeeDetail"] == {"USDT": "0.088"}


async def test_spot_has_blanks_and_an_end_of_its_own(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        row = await ends(trade, private, order("a1", **SPOT))
        assert (row["category"], row["symbol"], row["updatedTime"]) == ("spot", "BTCUSDT", "")
        assert not {"createType", "tpslMode"} & set(row)
        bybit.control.fill_order("a1", amount="0.005")
        await private.push()
        await trade.done("order.cancel", {**SPOT, "orderLinkId": "a1"})
        assert (await private.one())["orderStatus"] == "PartiallyFilledCanceled"
        # An order without an id is given the successor of its own number.
        row = await ends(trade, private, order(**SPOT))
        assert int(row["orderLinkId"]) == int(row["orderId"]) + 1
        await trade.done("order.cancel", {**SPOT, "orderLinkId": row["orderLinkId"]})
        assert (await private.one())["orderStatus"] == "Cancelled"
        row = await ends(trade, private, market("a2", **SPOT, qty="10"))
        assert (row["orderStatus"], row["cancelType"]) == ("PartiallyFilledCanceled", "UNKNOWN")
        assert (row["qty"], row["cumExecQty"], row["marketUnit"]) == ("10", "0.000111", "quoteCoin")
        assert row["rejectReason"] == "EC_CancelForNoFullFill"


async def test_what_cannot_be_is_taken_and_then_canceled(bybit: RunningSimulator) -> None:
    bybit.control.market("BTCUSDT", bids=[["89000", "1"]], asks=[["89500", "0.004"]])
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        for fields, status, reason, filled in (
            ({"timeInForce": "PostOnly"}, "Cancelled", "EC_PostOnlyWillTakeLiquidity", "0"),
            ({"timeInForce": "FOK"}, "Cancelled", "EC_NoEnoughQtyToFill", "0"),
            ({"timeInForce": "IOC"}, "Cancelled", "EC_CancelForNoFullFill", "0.004"),
            ({"timeInForce": "IOC"}, "Cancelled", "EC_NoImmediateQtyToFill", "0"),
            ({"orderType": "Market"}, "Cancelled", "EC_NoImmediateQtyToFill", "0"),
        ):
            row = await ends(trade, private, order(price="89600", **fields))
            told = (row["orderStatus"], row["rejectReason"], row["cumExecQty"], row["cancelType"])
            assert told == (status, reason, filled, "UNKNOWN")


async def test_a_post_only_amended_across_the_book_ends(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        await ends(trade, private, order("a1", timeInForce="PostOnly"))
        await trade.done("order.amend", {**LINEAR, "orderLinkId": "a1", "price": "89600"})
        assert (await private.one())["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"


async def test_self_match_prevention_is_asked_for(bybit: RunningSimulator) -> None:
    bybit.control.market("BTCUSDT", bids=[["89000", "1"]], asks=[["89500", "1"]])
    async with await open_trade(bybit) as trade, await open_private(bybit, "order") as private:
        await trade.done("order.create", order("a1", price="89400"))
        sell = {"side": "Sell", "price": "89400", "smpType": "CancelMaker"}
        await trade.done("order.create", order("a2", **sell))
        await private.settled()
        (ended,) = [row for row in private.told() if row["orderStatus"] == "Cancelled"]
        assert (ended["orderLinkId"], ended["cancelType"]) == ("a1", "CancelBySmp")
        await trade.done("order.create", order("a3", price="89400"))
        await private.settled()
        assert private.statuses("a2")[-1] == private.statuses("a3")[-1] == "Filled"


# Fills.


async def test_fills_of_one_request_come_together_and_new_is_skipped(
    bybit: RunningSimulator,
) -> None:
    bybit.control.market("BTCUSDT", bids=[], asks=[["89500", "0.004"], ["89501", "1"]])
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        await trade.done("order.create", market("m1"))
        fills = (await private.push("execution"))["data"]
        await private.settled()
        assert private.statuses("m1") == ["Filled"]
    assert [(row["execQty"], row["execPrice"], row["leavesQty"]) for row in fills] == [
        ("0.004", "89500", "0.006"),
        ("0.006", "89501", "0"),
    ]
    assert {(row["orderLinkId"], row["isMaker"], row["execType"]) for row in fills} == {
        ("m1", False, "Trade")
    }
    ledger = [row["trade_id"] for row in bybit.control.ledger().fills]
    assert [row["execId"] for row in fills] == ledger
    assert len(set(ledger)) == 2


async def test_the_order_of_topics_is_chance(bybit: RunningSimulator) -> None:
    topics = ("order", "execution")
    async with await open_trade(bybit) as trade, await open_private(bybit, *topics) as private:
        for n in range(12):
            await trade.done("order.create", market(f"m{n}", qty="0.001"))
        await private.settled()
        topics = tuple(frame["topic"] for frame in private.seen if "topic" in frame)
    firsts = {(topics[n], topics[n + 1]) for n in range(0, 24, 2)}
    assert firsts == {("order", "execution"), ("execution", "order")}


async def test_the_order_of_topics_can_be_told(talkative: RunningSimulator) -> None:
    topics = ("order", "execution")
    async with (
        await open_trade(talkative) as trade,
        await open_private(talkative, *topics) as private,
    ):
        for n in range(3):
            await trade.done("order.create", market(f"m{n}"))
        await private.settled()
        assert private.statuses("m1") == ["New", "Filled"]
        told = [frame["topic"] for frame in private.seen if "topic" in frame]
    assert told == ["order", "order", "execution"] * 3


async def test_fast_executions_name_makers_by_their_order_alone(bybit: RunningSimulator) -> None:
    topic = "execution.fast"
    async with await open_trade(bybit) as trade, await open_private(bybit, topic) as private:
        await trade.done("order.create", market("m1"))
        taken = await private.one(topic)
        placed = await trade.done("order.create", order("a1"))
        bybit.control.fill_order("a1")
        made = await private.one(topic)
    assert (taken["orderLinkId"], taken["isMaker"]) == ("m1", False)
    assert (made["orderLinkId"], made["isMaker"]) == ("", True)
    assert made["orderId"] == placed["orderId"]
    assert "execFee" not in made


# Positions and the wallet.


async def test_every_order_action_tells_the_position(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        await trade.done("order.create", order("a1"))
        row = await private.one("position")
        assert (row["symbol"], row["size"], row["side"]) == ("BTCUSDT", "0", "")
        await trade.done("order.cancel", {**LINEAR, "orderLinkId": "a1"})
        await private.one("position")
        await trade.done("order.create", market("m1"))
        row = await private.one("position")
        assert (row["size"], row["side"], row["entryPrice"]) == ("0.01", "Buy", "89500.1")
        assert "avgPrice" not in row
        wallets = private.told("wallet")
    assert wallets[0]["coin"][0]["totalOrderIM"] == "88"
    assert wallets[0]["accountType"] == "UNIFIED"


async def test_spot_locks_what_it_ties_up(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        await trade.done("order.create", order("a1", **SPOT))
        (coin,) = (await private.one("wallet"))["coin"]
        assert (coin["coin"], coin["locked"], coin["totalOrderIM"]) == ("USDT", "880", "0")
        await private.settled()
        assert private.told("position") == []


# Cancel on disconnect.


async def test_orders_die_with_the_last_connection_that_watches_over_them() -> None:
    with run_in_thread(served(dcp=True)) as sim:
        rest = Rest(sim.url)
        rest.done("order/create", order("a1"))
        rest.done("order/create", order("a2", **SPOT))
        window: Frame = {"product": "DERIVATIVES", "timeWindow": 3}
        rest.done("order/disconnected-cancel-all", window)
        refused = rest.post("order/disconnected-cancel-all", {**window, "timeWindow": 2})
        assert refused["retCode"] == 10001

        def applies() -> bool:
            first = rest.get("account/query-dcp-info")["dcpInfos"][0]
            return bool(first == {"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": "3"})

        await eventually(applies)
        first = await open_private(sim, "dcp.future")
        async with await open_private(sim, "dcp.future"), await open_private(sim, "order"):
            async with first:
                pass
            assert sim.control.orders("a1")[0]["state"] == "live"
        await eventually(lambda: sim.control.orders("a1")[0]["state"] == "canceled")
        assert sim.control.orders("a1")[0]["cancel_source"] == "cancel_all_after"
        assert sim.control.orders("a2")[0]["state"] == "live"


def test_cancel_on_disconnect_is_for_the_few(bybit: RunningSimulator) -> None:
    window = {"product": "DERIVATIVES", "timeWindow": 10}
    rest = Rest(bybit.url)
    assert rest.post("order/disconnected-cancel-all", window)["retCode"] == 10005
    assert rest.get("account/query-dcp-info") == {"dcpInfos": []}


# Silence and the public topics.


@pytest.mark.parametrize("path", ["/v5/private", "/v5/trade", "/v5/public/linear"])
async def test_silence_is_cut(path: str) -> None:
    with run_in_thread(served(idle_s=0.05)) as sim:
        async with Private(await dial(f"{sim.ws_url}{path}")) as private:
            assert await private.cut() == 1001
        async with Private(await dial(f"{sim.ws_url}/v5/private?max_active_time=1m")) as private:
            await private.settled()


async def test_a_first_level_without_a_change_is_told_again() -> None:
    with run_in_thread(served(repeat_s=0.05)) as sim:
        async with await open_public(sim, "spot", "orderbook.1.BTCUSDT") as public:
            topic = "orderbook.1.BTCUSDT"
            first, second = [(await public.push(topic))["data"] for _ in range(2)]
    assert (first["u"], first["b"]) == (second["u"], second["b"])
    assert first["seq"] < second["seq"]


async def test_books_and_tickers(bybit: RunningSimulator) -> None:
    topics = ("orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "tickers.BTCUSDT")
    async with await open_public(bybit, "linear", *topics) as public:
        first = await public.push("orderbook.1.BTCUSDT")
        assert list(first)[:3] == ["topic", "ts", "type"]
        assert first["data"]["b"] == [["89500", "50"]]
        assert (await public.push("orderbook.50.BTCUSDT"))["type"] == "snapshot"
        ticker = await public.push("tickers.BTCUSDT")
        assert (ticker["type"], ticker["data"]["bid1Price"]) == ("snapshot", "89500")
        bybit.control.move("BTCUSDT", "89600")
        second = await public.push("orderbook.1.BTCUSDT")
        assert (second["type"], second["data"]["b"][0][0]) == ("snapshot", "89600")
        assert second["data"]["u"] > first["data"]["u"]
        delta = await public.push("orderbook.50.BTCUSDT")
        assert delta["type"] == "delta"
        assert ["89600", "50"] in delta["data"]["b"]
        assert ["89500.1", "0"] in delta["data"]["a"]
        change = await public.push("tickers.BTCUSDT")
        assert (change["type"], change["data"]["bid1Price"]) == ("delta", "89600")
        assert "openInterest" not in change["data"]
        await public.send({"op": "ping", "req_id": "p"})
        pong = await public.until(lambda frame: frame.get("op") == "ping")
        assert (pong["ret_msg"], pong["req_id"]) == ("pong", "p")
        assert not (await public.subscribe("orderbook.1.XYZ"))["success"]
    async with await open_public(bybit, "spot", "tickers.BTCUSDT") as public:
        assert "bid1Price" not in (await public.push("tickers.BTCUSDT"))["data"]
