"""Bitget's REST twins and queries: signatures, paging, retention, and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.config import BitgetConfig, SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.bitget_client import Rest, market, now_ms, order
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame, wait_until

FUTURES = {"category": "USDT-FUTURES"}
SPOT = {"category": "SPOT"}


@pytest.fixture
def account(bitget: RunningSimulator) -> Iterator[Rest]:
    """Signed requests of the demo account."""
    client = Rest(bitget.url)
    yield client
    client.session.close()


# Signatures.


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"ACCESS-KEY": ""}, "40001"),
        ({"ACCESS-KEY": "nobody"}, "40006"),
        ({"ACCESS-SIGN": ""}, "40003"),
        ({"ACCESS-SIGN": "wrong"}, "40009"),
        ({"ACCESS-TIMESTAMP": ""}, "40005"),
        ({"ACCESS-TIMESTAMP": "now"}, "40005"),
        ({"ACCESS-TIMESTAMP": "1700000000000"}, "40008"),
        ({"ACCESS-PASSPHRASE": ""}, "40011"),
        ({"ACCESS-PASSPHRASE": "wrong"}, "40012"),
    ],
)
def test_what_is_not_signed_rightly(
    bitget: RunningSimulator, account: Rest, headers: Frame, code: str
) -> None:
    reply = account.raw("POST", "trade/place-order", FUTURES | order("a1"), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    (row,) = bitget.control.ledger().requests_of("a1")
    assert (row["account"], row["processed"], row["code"]) == ("", False, code)
    assert bitget.control.ledger().orders == []


def test_the_query_is_signed_as_it_is_sent(account: Rest) -> None:
    account.place(order("a.b:c/d_e-f"))
    assert account.data("trade/order-info", clientOid="a.b:c/d_e-f")["clientOid"] == "a.b:c/d_e-f"


def test_unknown_paths(account: Rest) -> None:
    reply = account.raw("GET", "trade/orders")
    assert (reply.status_code, reply.json()["code"]) == (404, "40404")


# Twins.


def test_place_modify_and_cancel(bitget: RunningSimulator, account: Rest) -> None:
    ids = account.place(order("a1"))
    assert (ids["clientOid"], len(ids["orderId"])) == ("a1", 19)
    change = {"orderId": ids["orderId"], "qty": "0.02", "price": "88100"}
    assert account.post("trade/modify-order", change)["data"] == ids
    assert account.data("trade/order-info", **ids)["qty"] == "0.02"
    assert account.post("trade/cancel-order", {"clientOid": "a1"})["data"] == ids
    again = account.raw("POST", "trade/cancel-order", ids)
    assert (again.status_code, again.json()["code"]) == (400, "25204")
    assert again.json()["data"] is None
    ops = [row["op"] for row in bitget.control.ledger().requests]
    assert ops == ["order", "amend-order", "cancel-order", "cancel-order"]
    assert {row["symbol"] for row in bitget.control.ledger().requests} == {"BTCUSDT"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (order(), "41101"),
        ({"category": "usdt-futures", **order()}, "41101"),
        (FUTURES | order(symbol="DOGEUSDT"), "41101"),
        (FUTURES | order(qty="x"), "41101"),
        (FUTURES | order(price="99000"), "25206"),
        ([FUTURES | order()], "40020"),
        ("text", "40020"),
        (None, "40020"),
    ],
)
def test_a_refusal_is_http_400(account: Rest, body: Any, code: str) -> None:
    reply = account.raw("POST", "trade/place-order", body)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


def test_a_window_by_rest(account: Rest) -> None:
    late = {"requestTime": str(now_ms() - 1000), "receiveWindow": "500"}
    assert account.post("trade/place-order", FUTURES | order("a1") | late)["code"] == "40008"


def test_batches(account: Rest) -> None:
    items = [FUTURES | order("a1"), SPOT | order("a2"), FUTURES | order("a3", price="99000")]
    placed = account.post("trade/place-batch", items)
    assert (placed["code"], len(placed["data"])) == ("00000", 3)
    assert [row.get("code") for row in placed["data"]] == [None, None, "25206"]
    assert placed["data"][2]["clientOid"] == "a3"
    changes = [{"clientOid": "a1", "qty": "0.02"}, {"clientOid": "a9", "qty": "0.02"}]
    changed = account.post("trade/batch-modify-order", changes)["data"]
    assert [row.get("code") for row in changed] == [None, "25204"]
    names = [{"clientOid": "a1", **FUTURES}, {"clientOid": "a2", **SPOT}, {"orderId": "7"}]
    gone = account.post("trade/cancel-batch", names)["data"]
    assert [row.get("code") for row in gone] == [None, None, "25204"]
    assert account.post("trade/place-batch", [])["code"] == "40020"
    assert account.post("trade/place-batch", [items[0]] * 21)["code"] == "40306"


def test_cancel_all_of_a_symbol(account: Rest) -> None:
    for name, item in (
        ("a1", FUTURES | order("a1")),
        ("a2", FUTURES | order("a2", symbol="ETHUSDT", price="2950")),
        ("a3", SPOT | order("a3")),
    ):
        assert account.post("trade/place-order", item)["data"]["clientOid"] == name
    one = account.post("trade/cancel-symbol-order", FUTURES | {"symbol": "BTCUSDT"})
    assert [row["clientOid"] for row in one["data"]["list"]] == ["a1"]
    rest = account.post("trade/cancel-symbol-order", FUTURES)
    assert [row["clientOid"] for row in rest["data"]["list"]] == ["a2"]
    assert [row["clientOid"] for row in account.data("trade/unfilled-orders")["list"]] == ["a3"]
    assert account.post("trade/cancel-symbol-order", {})["code"] == "40020"


def test_the_countdown_cancels_all() -> None:
    config = SimulatorConfig(market=STILL, venues=("bitget",), countdown_second_s=0.002)
    with run_in_thread(config) as sim:
        client = Rest(sim.url)
        client.place(order("a1"))
        for wrong in ("4", "61", "x"):
            body = {"countdown": wrong}
            assert client.post("trade/countdown-cancel-all", body)["code"] == "40020"
        assert client.post("trade/countdown-cancel-all", {"countdown": "60"})["code"] == "00000"
        assert client.post("trade/countdown-cancel-all", {"countdown": "0"})["code"] == "00000"
        assert len(client.data("trade/unfilled-orders")["list"]) == 1
        client.post("trade/countdown-cancel-all", {"countdown": "5"})
        wait_until(lambda: client.data("trade/unfilled-orders")["list"] == [])
        client.session.close()


# Queries.


def test_an_order_as_queries_show_it(account: Rest) -> None:
    ids = account.place(order("a1", timeInForce="post_only", stpMode="cancel_taker"))
    shown = account.data("trade/order-info", clientOid="a1")
    (listed,) = account.data("trade/unfilled-orders", **FUTURES)["list"]
    assert listed == shown
    assert shown.pop("createdTime") == shown.pop("updatedTime")
    assert {name: value for name, value in shown.items() if value is not None} == {
        **ids,
        "category": "USDT-FUTURES",
        "symbol": "BTCUSDT",
        "price": "88000",
        "qty": "0.01",
        "amount": "0",
        "orderType": "limit",
        "timeInForce": "post_only",
        "side": "buy",
        "stpMode": "cancel_taker",
        "cancelReason": "",
        "cumExecQty": "0",
        "cumExecValue": "0",
        "avgPrice": "0",
        "orderStatus": "new",
        "posSide": "net",
        "holdMode": "one_way_mode",
        "reduceOnly": "NO",
        "feeDetail": [{"feeCoin": "", "fee": ""}],
        "execType": "normal",
    }


def test_order_id_wins_over_client_id(account: Rest) -> None:
    first, second = account.place(order("a1")), account.place(order("a2"))
    shown = account.data("trade/order-info", orderId=first["orderId"], clientOid="a2")
    assert shown["clientOid"] == "a1"
    assert account.data("trade/order-info", orderId=second["orderId"])["clientOid"] == "a2"
    for given in ({}, {"clientOid": "a9"}, {"orderId": "1"}):
        assert account.get("trade/order-info", **given)["code"] in ("40019", "25204")


def test_lists_are_paged_from_the_newest_on(account: Rest) -> None:
    for number in range(5):
        account.place(order(f"a{number}"))
    first = account.data("trade/unfilled-orders", limit="2", **FUTURES)
    assert [row["clientOid"] for row in first["list"]] == ["a4", "a3"]
    assert first["cursor"] == first["list"][-1]["orderId"]
    second = account.data("trade/unfilled-orders", limit="2", cursor=first["cursor"], **FUTURES)
    assert [row["clientOid"] for row in second["list"]] == ["a2", "a1"]
    assert account.data("trade/unfilled-orders", **SPOT) == {"list": [], "cursor": None}
    assert account.get("trade/unfilled-orders", limit="x")["code"] == "40020"
    assert account.get("trade/unfilled-orders", category="spot")["code"] == "40020"


def test_history_and_fills(account: Rest) -> None:
    account.place(market("a1"))
    account.place(market("a2", qty="2000"), "SPOT")
    account.place(order("a3", timeInForce="ioc"))
    history = account.data("trade/history-orders", **FUTURES)["list"]
    assert [(row["clientOid"], row["orderStatus"]) for row in history] == [
        ("a3", "cancelled"),
        ("a1", "filled"),
    ]
    assert history[1]["feeDetail"] == [{"feeCoin": "USDT", "fee": "-0.4475005"}]
    assert account.get("trade/history-orders")["code"] == "40019"
    both = account.data("trade/fills")["list"]
    assert [row["clientOid"] for row in both] == ["a2", "a1"]
    assert (both[0]["feeDetail"][0]["feeCoin"], both[0]["tradeScope"]) == ("BTC", "taker")
    second = account.data("trade/fills", limit="1", cursor=both[0]["execId"])
    assert [row["clientOid"] for row in second["list"]] == ["a1"]
    (one,) = account.data("trade/fills", orderId=both[1]["orderId"])["list"]
    assert (one["execQty"], one["execPrice"], one["execValue"]) == ("0.01", "89500.1", "895.001")
    assert one["feeDetail"] == [{"feeCoin": "USDT", "fee": "-0.4475005"}]
    month_ms = 31 * 86_400_000
    window = {"startTime": now_ms() - month_ms}
    assert account.get("trade/fills", **window)["code"] == "00001"
    window["endTime"] = window["startTime"] + 1000
    assert account.data("trade/fills", **window)["list"] == []


def test_ended_orders_leave_queries_by_client_id_first() -> None:
    now_us = [now_ms() * 1000]
    config = SimulatorConfig(market=STILL, venues=("bitget",))
    own = BitgetConfig()
    with run_in_thread(config, Clock(lambda: now_us[0])) as sim:
        client = Rest(sim.url, time_ms=lambda: now_us[0] // 1000)
        for name, item in (("a1", market("a1")), ("a2", order("a2")), ("a3", order("a3"))):
            assert client.place(item)["clientOid"] == name
        client.post("trade/cancel-order", {"clientOid": "a2"})
        ids = {row["client_id"]: row["venue_id"] for row in sim.control.ledger().orders}

        def found(**given: str) -> bool:
            return str(client.get("trade/order-info", **given)["code"]) == "00000"

        now_us[0] += int(own.by_client_s * 1e6)
        assert found(clientOid="a1")
        now_us[0] += 1000
        assert [found(clientOid=name) for name in ("a1", "a2", "a3")] == [False, False, True]
        assert found(orderId=ids["a1"])
        assert found(orderId=ids["a2"])
        now_us[0] += int(own.kept_s * 1e6)
        assert [found(orderId=ids[name]) for name in ("a1", "a2", "a3")] == [False, False, True]
        assert client.data("trade/fills")["list"] == []
        assert client.data("trade/history-orders", **FUTURES)["list"] == []
        assert len(sim.control.ledger().orders) == 3
        client.session.close()


# The account.


def test_assets_and_settings(bitget: RunningSimulator, account: Rest) -> None:
    account.place(order("a1"), "SPOT")
    bitget.control.set_balance("bitget-demo", "ETH", "0")
    assets = account.data("account/assets")
    coins = {row["coin"]: row for row in assets["assets"]}
    assert set(coins) == {"USDT", "BTC"}
    assert (coins["USDT"]["balance"], coins["USDT"]["available"]) == ("1000000", "999120")
    assert coins["USDT"]["locked"] == "880"
    settings = account.data("account/settings")
    assert (settings["accountMode"], settings["holdMode"]) == ("unified", "one_way_mode")
    assert {row["symbol"] for row in settings["symbolConfigList"]} == {"BTCUSDT", "ETHUSDT"}
    assert account.data("account/fee-rate", **SPOT)["takerFeeRate"] == "0.001"


def test_positions(account: Rest) -> None:
    assert account.data("position/current-position", **FUTURES) == {"list": None}
    account.place(market("a1", side="sell", qty="0.1"))
    (position,) = account.data("position/current-position", **FUTURES)["list"]
    assert (position["posSide"], position["total"], position["avgPrice"]) == (
        "short",
        "0.1",
        "89500",
    )
    eth = account.data("position/current-position", symbol="ETHUSDT", **FUTURES)
    assert eth == {"list": None}
    assert account.get("position/current-position")["code"] == "40019"


# Public.


def test_what_is_listed(account: Rest) -> None:
    (swap, _) = account.data("market/instruments", **FUTURES)
    assert (swap["symbol"], swap["pricePrecision"], swap["quantityMultiplier"]) == (
        "BTCUSDT",
        "1",
        "0.0001",
    )
    (pair,) = account.data("market/instruments", symbol="BTCUSDT", **SPOT)
    assert (pair["minOrderQty"], pair["quantityPrecision"]) == ("0.000001", "6")
    assert "priceMultiplier" not in pair
    assert account.data("market/instruments", category="COIN-FUTURES") == []
    assert account.get("market/instruments", category="PORK")["code"] == "40020"


def test_market_data(account: Rest) -> None:
    given = {"symbol": "BTCUSDT", **SPOT}
    (ticker,) = account.data("market/tickers", **given)
    assert (ticker["bid1Price"], ticker["ask1Price"]) == ("89500", "89500.01")
    book = account.data("market/orderbook", limit="2", **given)
    assert [level[0] for level in book["a"]] == ["89500.01", "89500.02"]
    assert account.data("market/fills", **given)[0]["price"] == "89500"
    assert account.get("market/orderbook", symbol="DOGEUSDT", **SPOT)["code"] == "40020"
