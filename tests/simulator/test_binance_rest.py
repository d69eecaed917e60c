"""The futures' REST interface: parameters, queries, retention, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from simulator.binance.codes import Problem
from simulator.binance.limits import Limits, RateLimit
from simulator.config import BinanceConfig, LimitsConfig, SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.server import RunningSimulator, Simulator, run_in_thread
from tests.simulator.binance_client import (
    FUTURES,
    STILL_MS,
    Api,
    Rest,
    dial,
    market,
    now_ms,
    open_stream,
    open_user,
    order,
    still_ms,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import eventually

WEEK_MS = 7 * 86_400_000


def futures_config(limited: bool = False, **own: Any) -> SimulatorConfig:
    return SimulatorConfig(
        market=STILL,
        venues=("binance-usdm",),
        limits=LimitsConfig(enabled=limited),
        binance=BinanceConfig(**own),
    )


def place(rest: Rest, client_id: str, **fields: Any) -> dict[str, Any]:
    placed: dict[str, Any] = rest.call("POST", "/fapi/v1/order", **order(client_id, **fields))
    return placed


def shown(rest: Rest, path: str, **given: Any) -> list[str]:
    """Return the client ids that a query of orders shows."""
    return [row["clientOrderId"] for row in rest.call("GET", path, **given)]


@pytest.mark.parametrize("form", [False, True])
def test_parameters_may_stand_in_the_query_or_in_a_form(futures: Rest, form: bool) -> None:
    reply = futures.raw("POST", "/fapi/v1/order", order("a1"), form=form)
    assert (reply.status_code, reply.json()["clientOrderId"]) == (200, "a1")


def test_public_paths_need_no_key(futures: Rest) -> None:
    assert futures.public("/fapi/v1/ping") == {}
    assert abs(futures.public("/fapi/v1/time")["serverTime"] - now_ms()) < 5000
    info = futures.public("/fapi/v1/exchangeInfo")
    assert info["futuresType"] == "U_MARGINED"
    limits = [(row["rateLimitType"], row["limit"]) for row in info["rateLimits"]]
    assert limits == [("REQUEST_WEIGHT", 2400), ("ORDERS", 300), ("ORDERS", 1200)]
    btc = info["symbols"][0]
    filters = {row["filterType"]: row for row in btc["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["MIN_NOTIONAL"]["notional"] == "50"
    assert filters["PERCENT_PRICE"]["multiplierUp"] == "1.0500"
    assert (btc["pricePrecision"], btc["quantityPrecision"]) == (2, 3)
    assert futures.public("/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")["askPrice"] == "89500.10"
    assert [row["symbol"] for row in futures.public("/fapi/v1/premiumIndex")] == [
        "BTCUSDT",
        "ETHUSDT",
    ]


def test_what_is_not_there(futures: Rest) -> None:
    assert futures.raw("GET", "/fapi/v1/nothing").status_code == 404
    assert futures.keyed("GET", "/fapi/v1/openOrders")["code"] == -1102
    nobody = Rest(futures.url)
    nobody.keys = type(FUTURES)("x", "nobody", "s", "")
    reply = nobody.raw("GET", "/fapi/v1/openOrders")
    assert (reply.status_code, reply.json()["code"]) == (401, -2015)


def test_open_orders_and_history(futures: Rest) -> None:
    first = place(futures, "a1")
    place(futures, "a2")
    place(futures, "e1", symbol="ETHUSDT", price="2900", quantity="0.1")
    assert shown(futures, "/fapi/v1/openOrders") == ["a1", "a2", "e1"]
    assert shown(futures, "/fapi/v1/openOrders", symbol="ETHUSDT") == ["e1"]
    futures.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a1")
    assert shown(futures, "/fapi/v1/openOrders", symbol="BTCUSDT") == ["a2"]
    assert shown(futures, "/fapi/v1/allOrders", symbol="BTCUSDT") == ["a1", "a2"]
    assert shown(futures, "/fapi/v1/allOrders") == ["a1", "a2", "e1"]
    assert shown(futures, "/fapi/v1/allOrders", limit=1) == ["e1"]
    since = {"symbol": "BTCUSDT", "orderId": first["orderId"] + 1}
    assert shown(futures, "/fapi/v1/allOrders", **since) == ["a2"]
    open_one = {"symbol": "BTCUSDT", "origClientOrderId": "a1"}
    assert futures.call("GET", "/fapi/v1/openOrder", **open_one)["code"] == -2013
    assert futures.call("GET", "/fapi/v1/order", **open_one)["status"] == "CANCELED"


def test_windows_are_at_most_a_week(futures: Rest) -> None:
    place(futures, "a1")
    start_ms = now_ms() - WEEK_MS - 60_000
    path, week = "/fapi/v1/allOrders", {"startTime": start_ms, "endTime": start_ms + WEEK_MS}
    assert shown(futures, path, symbol="BTCUSDT", **week) == []
    wide = futures.call("GET", path, symbol="BTCUSDT", startTime=start_ms, endTime=now_ms())
    assert wide["code"] == -4165


def test_trades_are_joined_by_order_id(futures: Rest) -> None:
    placed = futures.call("POST", "/fapi/v1/order", **market("a1"))
    futures.call("POST", "/fapi/v1/order", **market("a2", side="SELL"))
    first, second = futures.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert "clientOrderId" not in first
    assert (first["orderId"], first["qty"], first["price"]) == (
        placed["orderId"],
        "0.010",
        "89500.10",
    )
    assert (first["commission"], first["commissionAsset"], first["maker"]) == (
        "0.44750050",
        "USDT",
        False,
    )
    assert second["realizedPnl"] == "-0.00100000"
    given = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert futures.call("GET", "/fapi/v1/userTrades", **given) == [first]
    given = {"symbol": "BTCUSDT", "fromId": second["id"]}
    assert futures.call("GET", "/fapi/v1/userTrades", **given) == [second]


def test_balances_positions_account(futures: Rest) -> None:
    assert futures.call("GET", "/fapi/v3/positionRisk") == []
    futures.call("POST", "/fapi/v1/order", **market("a1", side="SELL", quantity="0.1"))
    place(futures, "e1", symbol="ETHUSDT", price="2900", quantity="1")
    (balance,) = futures.call("GET", "/fapi/v3/balance")
    assert balance["balance"] == "999995.52500000"
    btc, eth = futures.call("GET", "/fapi/v3/positionRisk")
    assert (btc["positionAmt"], btc["entryPrice"], btc["positionSide"]) == (
        "-0.1",
        "89500.00000000",
        "BOTH",
    )
    # A symbol with an open order only is shown too.
    assert (eth["symbol"], eth["positionAmt"], eth["openOrderInitialMargin"]) == (
        "ETHUSDT",
        "0",
        "290.00000000",
    )
    account = futures.call("GET", "/fapi/v3/account")
    assert account["totalPositionInitialMargin"] == "895.00000000"
    assert account["totalOpenOrderInitialMargin"] == "290.00000000"
    assert account["availableBalance"] == balance["availableBalance"] == "998810.52500000"
    assert [row["symbol"] for row in account["positions"]] == ["BTCUSDT"]


def test_positions_are_one_way(futures: Rest) -> None:
    path = "/fapi/v1/positionSide/dual"
    assert futures.call("GET", path) == {"dualSidePosition": False}
    assert futures.call("POST", path, dualSidePosition="true")["code"] == -4531


async def test_batches_answer_each_order_apart(usdm: RunningSimulator, futures: Rest) -> None:
    items = [order("a1"), order("a1"), order("a3", symbol="NOUSDT")]
    placed = futures.call("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(items))
    assert [one.get("code", one.get("status")) for one in placed] == ["NEW", -4116, -1121]
    change = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02", "price": "88001"}
    changes = json.dumps([change | {"origClientOrderId": "a1"}])
    (changed,) = futures.call("PUT", "/fapi/v1/batchOrders", batchOrders=changes)
    assert changed["price"] == "88001.00"
    names = json.dumps(["a1", "a9"])
    given = {"symbol": "BTCUSDT", "origClientOrderIdList": names}
    canceled = futures.call("DELETE", "/fapi/v1/batchOrders", **given)
    assert [one.get("code", one.get("status")) for one in canceled] == ["CANCELED", -2011]
    rows = usdm.control.ledger().requests
    assert [(row["op"], row["client_id"], row["code"]) for row in rows] == [
        ("batch-orders", "a1", "0"),
        ("batch-orders", "a1", "-4116"),
        ("batch-orders", "a3", "-1121"),
        ("batch-amend-orders", "a1", "0"),
        ("batch-cancel-orders", "a1", "0"),
        ("batch-cancel-orders", "a9", "-2011"),
    ]
    too_many = json.dumps([order(f"b{number}") for number in range(6)])
    assert futures.call("POST", "/fapi/v1/batchOrders", batchOrders=too_many)["code"] == -1130
    assert futures.call("POST", "/fapi/v1/batchOrders", batchOrders="{")["code"] == -1130


async def test_cancel_all_tells_each_order(usdm: RunningSimulator, futures: Rest) -> None:
    place(futures, "a1")
    place(futures, "a2")
    place(futures, "e1", symbol="ETHUSDT", price="2900", quantity="0.1")
    async with await open_user(usdm, futures) as user:
        reply = futures.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
        assert reply == {
            "code": 200,
            "msg": "The operation of cancel all open order is done.",
        }
        gone = {(await user.update("CANCELED"))["c"], (await user.update("CANCELED"))["c"]}
        assert gone == {"a1", "a2"}
    assert shown(futures, "/fapi/v1/openOrders") == ["e1"]


async def test_a_countdown_that_is_not_renewed_cancels_its_symbol(futures: Rest) -> None:
    place(futures, "a1")
    place(futures, "e1", symbol="ETHUSDT", price="2900", quantity="0.1")
    path = "/fapi/v1/countdownCancelAll"
    reply = futures.call("POST", path, symbol="BTCUSDT", countdownTime=60_000)
    assert reply == {"symbol": "BTCUSDT", "countdownTime": "60000"}
    futures.call("POST", path, symbol="ETHUSDT", countdownTime=60_000)
    futures.call("POST", path, symbol="ETHUSDT", countdownTime=0)
    futures.call("POST", path, symbol="BTCUSDT", countdownTime=20)
    await eventually(lambda: shown(futures, "/fapi/v1/openOrders") == ["e1"])


def test_a_test_order_never_reaches_the_engine(usdm: RunningSimulator, futures: Rest) -> None:
    assert futures.call("POST", "/fapi/v1/order/test", **order("a1")) == {}
    assert futures.call("POST", "/fapi/v1/order/test", **order("a1", type="STOP"))["code"] == -4120
    assert usdm.control.ledger().orders == []


# Retention.


def test_never_filled_orders_leave_queries_after_their_age() -> None:
    with run_in_thread(futures_config(never_filled_s=0.0)) as sim:
        rest = Rest(sim.url)
        for name in ("a1", "a2", "a3"):
            place(rest, name)
        sim.control.fill_order("a2", amount="0.001")
        for name in ("a1", "a2"):
            rest.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name)
        given = {"symbol": "BTCUSDT", "origClientOrderId": "a1"}
        assert rest.call("GET", "/fapi/v1/order", **given)["code"] == -2013
        # A fill, or being open, keeps an order in sight.
        assert shown(rest, "/fapi/v1/allOrders") == ["a2", "a3"]
        assert len(sim.control.orders("a1")) == 1


async def test_everything_leaves_queries_in_the_end() -> None:
    with run_in_thread(futures_config(kept_s=0.001)) as sim:
        rest = Rest(sim.url)
        rest.call("POST", "/fapi/v1/order", **market("a1"))
        given = {"symbol": "BTCUSDT", "origClientOrderId": "a1"}
        await eventually(lambda: rest.call("GET", "/fapi/v1/order", **given).get("code") == -2013)


# Limits.


def test_headers_tell_what_is_used(timeless: RunningSimulator) -> None:
    futures = Rest(timeless.url, time_ms=still_ms)
    first = futures.raw("GET", "/fapi/v1/openOrders")
    assert first.headers["X-MBX-USED-WEIGHT-1M"] == "40"
    assert "X-MBX-ORDER-COUNT-10S" not in first.headers
    placed = futures.raw("POST", "/fapi/v1/order", order("a1"))
    counts = [placed.headers[f"X-MBX-ORDER-COUNT-{span}"] for span in ("10S", "1M")]
    assert (placed.headers["X-MBX-USED-WEIGHT-1M"], counts) == ("40", ["1", "1"])
    one = futures.raw("GET", "/fapi/v1/openOrders", {"symbol": "BTCUSDT"})
    assert one.headers["X-MBX-USED-WEIGHT-1M"] == "41"


def limits(**own: Any) -> Limits:
    settings = BinanceConfig(**own)
    weight = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, settings.weight_per_minute)
    orders = (RateLimit("ORDERS", "SECOND", 10, 2), RateLimit("ORDERS", "MINUTE", 1, 3))
    return Limits(weight, orders, settings, enforced=True)


def refusal(act: Callable[[], None]) -> tuple[int, int, int | None]:
    """Return code, status and Retry-After of what ``act`` is answered."""
    with pytest.raises(Problem) as refused:
        act()
    return refused.value.code, refused.value.status, refused.value.retry_after_s


def test_above_the_weight_429_and_at_last_418() -> None:
    few = limits(weight_per_minute=4, ban_after=2, ban_s=120)

    def spend(now_ms: int) -> None:
        few.spend("here", 1, now_ms)

    for _ in range(4):
        spend(15_000)
    few.spend("there", 1, 15_000)
    few.spend("here", 0, 15_000)
    assert refusal(lambda: spend(15_000)) == (-1003, 429, 45)
    assert refusal(lambda: spend(59_999)) == (-1003, 429, 1)
    assert refusal(lambda: spend(59_999)) == (-1003, 418, 120)
    # A ban outlasts the minute, and holds for what costs nothing too.
    assert refusal(lambda: few.spend("here", 0, 100_000)) == (-1003, 418, 80)
    spend(180_000)


def test_orders_are_counted_by_account_in_each_window() -> None:
    few = limits()

    def order_at(now_ms: int) -> None:
        few.order("a", (1, 1), now_ms)

    order_at(0)
    order_at(0)
    few.order("b", (1, 1), 0)
    assert refusal(lambda: order_at(1000)) == (-1015, 429, 9)
    assert refusal(lambda: order_at(10_000)) == (-1015, 429, 50)
    order_at(60_000)
    assert few.headers("here", "a", 60_000, orders=True) == {
        "x-mbx-used-weight-1m": "0",
        "x-mbx-order-count-10s": "1",
        "x-mbx-order-count-1m": "1",
    }


async def test_limits_over_the_websocket() -> None:
    config = futures_config(True, orders_per_10s=1, weight_per_minute=6)
    stamp_ms = STILL_MS
    async with Simulator(config, Clock(lambda: stamp_ms * 1000)) as sim:
        api = Api(await dial(f"{sim.addresses['binance-usdm'].ws_url}/ws-fapi/v1"))
        async with api:
            assert (await api.call("order.place", order("a1"), timestamp=stamp_ms))["status"] == 200
            over = await api.call("order.place", order("a2"), timestamp=stamp_ms)
            assert (over["status"], over["error"]["code"]) == (429, -1015)
            assert over["error"]["data"] == {
                "serverTime": stamp_ms,
                "retryAfter": stamp_ms + 5000,
            }
            # The handshake's 5 are used up with the first.
            assert (await api.unsigned("time"))["status"] == 200
            assert (await api.unsigned("time"))["error"]["code"] == -1003
        (first, second) = sim.world.ledger.requests
        assert (first.processed, second.processed, sim.world.ledger.throttled) == (True, False, 2)


async def test_a_talkative_stream_client_is_cut() -> None:
    standing = Clock(lambda: STILL_MS * 1000)
    with run_in_thread(futures_config(True, messages_per_s=1), standing) as sim:
        async with await open_stream(sim, "/public/ws") as public:
            for number in range(2):
                await public.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
            assert await public.cut() == 1008
