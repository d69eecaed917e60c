"""The REST protocol by the sheet: signatures, envelopes, queries, paging, retention."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulator.config import LimitsConfig, RetentionConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.conftest import STILL, stopped_clock
from tests.simulator.okx_client import (
    CODES,
    PATIENCE_S,
    Frame,
    Rest,
    by_rest,
    spot,
    swap,
    wait_until,
)


def test_a_request_that_is_cut_off_on_its_way_is_no_defect(
    sim: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    port = urlsplit(sim.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as cut:
        cut.sendall(b"POST /api/v5/trade/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    wait_until(lambda: "was cut off on its way" in caplog.text)
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"OK_ACCESS_KEY": ""}, 401, "50103"),
        ({"OK_ACCESS_PASSPHRASE": ""}, 401, "50104"),
        ({"OK_ACCESS_PASSPHRASE": "wrong"}, 401, "50105"),
        ({"OK_ACCESS_SIGN": ""}, 401, "50106"),
        ({"OK_ACCESS_TIMESTAMP": ""}, 401, "50107"),
        ({"OK_ACCESS_TIMESTAMP": "1700000000"}, 401, "50112"),
        ({"OK_ACCESS_TIMESTAMP": "2020-13-45T00:00:00.000Z"}, 401, "50112"),
        ({"stamp": "2020-12-08T09:08:57.715Z"}, 401, "50102"),
        ({"OK_ACCESS_SIGN": "wrong"}, 401, "50113"),
        ({"OK_ACCESS_KEY": "nobody"}, 200, "50119"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_must_be_signed(
    sim: RunningSimulator,
    rest: Rest,
    method: str,
    changed: dict[str, str],
    *,
    status: int,
    code: str,
) -> None:
    path = "/api/v5/trade/order"
    body = by_rest(spot("a1")) if method == "POST" else None
    query = "?instId=BTC-USDT&clOrdId=a1" if method == "GET" else ""
    response = rest.raw(method, path + query, body, **changed)
    assert (response.status_code, response.json()["code"]) == (status, code)
    ledger = sim.control.ledger()
    assert ledger.orders == []
    assert [row["code"] for row in ledger.requests] == ([code] if method == "POST" else [])


def test_the_query_is_part_of_what_is_signed(rest: Rest) -> None:
    headers = rest.headers("GET", "/api/v5/account/balance", "")
    url = rest.url + "/api/v5/account/balance?ccy=BTC"
    assert rest.session.get(url, headers=headers, timeout=PATIENCE_S).json()["code"] == "50113"
    assert rest.get("account/balance?ccy=BTC")["data"][0]["details"][0]["ccy"] == "BTC"


def test_unknown_paths_are_not_found(rest: Rest) -> None:
    assert rest.raw("GET", "/api/v5/no/such").status_code == 404
    assert rest.raw("GET", "/api/v5/trade/cancel-order").status_code == 404


def test_placing_answers_with_times_in_microseconds(rest: Rest) -> None:
    reply = rest.post("trade/order", by_rest(spot("a1")))
    assert (reply["code"], reply["msg"], reply["data"][0]["sMsg"]) == ("0", "", "Order placed")
    assert len(reply["inTime"]) == len(reply["outTime"]) == 16
    assert set(reply["data"][0]) == {"clOrdId", "ordId", "tag", "ts", "sCode", "sMsg", "subCode"}


def test_rejects_say_so_twice(rest: Rest) -> None:
    reply = rest.post("trade/order", by_rest(spot("a1", sz="1000")))
    assert (reply["code"], reply["msg"]) == ("1", "All operations failed")
    assert reply["data"][0]["sCode"] == "51008"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"instId": None}, "50014"),
        ({"instId": "NO-SUCH"}, "51001"),
        ({"instId": 7}, "51001"),
        ({"sz": 1}, "51000"),
    ],
)
def test_instruments_go_by_name(rest: Rest, changed: Frame, code: str) -> None:
    reply = rest.post("trade/order", {**by_rest(spot("a1")), **changed})
    assert reply["data"][0]["sCode"] == code


def test_the_code_is_taken_too(rest: Rest) -> None:
    assert rest.post("trade/order", spot("a1"))["code"] == "0"


def test_empty_fields_are_as_good_as_none(rest: Rest) -> None:
    """python-okx sends every field it knows, most of them empty."""
    empty = dict.fromkeys(
        ("ccy", "clOrdId", "tag", "posSide", "reduceOnly", "tgtCcy", "stpMode"), ""
    )
    item = {**by_rest(spot()), **empty, "x-ignored": ""}
    reply = rest.post("trade/order", item, x_simulated_trading="1")
    assert reply["data"][0]["sCode"] == "0"


@pytest.mark.parametrize("body", [[], "x", {}, [{}] * 21])
def test_bodies_in_a_wrong_form(rest: Rest, body: Any) -> None:
    response = rest.raw("POST", "/api/v5/trade/batch-orders", body)
    assert (response.status_code, response.json()["code"]) == (400, "50002")


def test_bodies_that_are_no_json(rest: Rest) -> None:
    path, body = "/api/v5/trade/order", "{"
    headers = rest.headers("POST", path, body)
    reply = rest.session.post(
        rest.url + path, data=body, headers=headers, timeout=PATIENCE_S
    ).json()
    assert reply["code"] == "50002"


def test_expired_requests_are_not_processed(sim: RunningSimulator, rest: Rest) -> None:
    past, future = str(int(time.time() * 1000) - 1), str(int(time.time() * 1000) + 60_000)
    for client_id, expires, code in (
        ("late", past, "50036"),
        ("intime", future, "0"),
        ("odd", "soon", "51000"),
    ):
        reply = rest.post("trade/order", by_rest(spot(client_id)), expTime=expires)
        assert reply["data"][0]["sCode"] == code
    assert [row["client_id"] for row in sim.control.ledger().orders] == ["intime"]


def test_life_of_an_order(rest: Rest) -> None:
    placed = rest.place(spot("a1"))
    (item,) = rest.order("a1")["data"]
    assert (item["ordId"], item["state"], item["avgPx"]) == (placed["ordId"], "live", "")
    assert (item["accFillSz"], item["fillSz"], item["fillPx"], item["tradeId"]) == (
        "0",
        "0",
        "",
        "",
    )
    assert (item["posSide"], item["reduceOnly"], item["linkedAlgoOrd"]) == (
        "net",
        "false",
        {"algoId": ""},
    )
    change = {"instId": "BTC-USDT", "clOrdId": "a1", "newPx": "81000", "reqId": "r1"}
    assert rest.post("trade/amend-order", change)["data"][0]["reqId"] == "r1"
    cancel = rest.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": placed["ordId"]})
    assert cancel["data"][0]["clOrdId"] == "a1"
    (ended,) = rest.order("a1")["data"]
    assert (ended["state"], ended["px"], ended["cancelSource"]) == ("canceled", "81000", "1")
    again = rest.post("trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "a1"})
    assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")


def test_batches(rest: Rest) -> None:
    items = [by_rest(spot("b1")), by_rest(spot("b2", sz="1000")), by_rest(spot("b3"))]
    reply = rest.post("trade/batch-orders", items)
    assert (reply["code"], [item["sCode"] for item in reply["data"]]) == ("2", ["0", "51008", "0"])
    ids = [{"instId": "BTC-USDT", "clOrdId": name} for name in ("b1", "b3")]
    amended = rest.post("trade/amend-batch-orders", [{**item, "newSz": "0.2"} for item in ids])
    assert amended["code"] == "0"
    assert rest.post("trade/cancel-batch-orders", ids)["code"] == "0"
    assert rest.get("trade/orders-pending")["data"] == []


def test_fill_fields_are_of_the_last_fill(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    sim.control.fill_order("a1", amount="0.04", price="79000")
    sim.control.fill_order("a1", amount="0.01")
    (item,) = rest.order("a1")["data"]
    assert (item["state"], item["accFillSz"], item["avgPx"]) == (
        "partially_filled",
        "0.05",
        "79200",
    )
    assert (item["fillSz"], item["fillPx"]) == ("0.01", "80000")
    assert item["fee"] == "-0.00004"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("trade/order?instId=BTC-USDT&clOrdId=never", "51603"),
        ("trade/order?instId=ETH-USDT&clOrdId=a1", "51603"),
        ("trade/order?instId=NO-SUCH&clOrdId=a1", "51001"),
        ("trade/order?clOrdId=a1", "50014"),
        ("trade/order?instId=BTC-USDT", "51407"),
        ("trade/orders-history", "50014"),
        ("trade/fills-history", "50014"),
        ("trade/fills?limit=many", "51000"),
        ("public/instruments", "50014"),
        ("public/instruments?instType=TOYS", "51000"),
        ("market/books?instId=NO-SUCH", "51001"),
        ("market/books?instId=BTC-USDT&sz=x", "51000"),
    ],
)
def test_queries_that_fail(rest: Rest, query: str, code: str) -> None:
    rest.place(spot("a1"))
    reply = rest.get(query)
    assert (reply["code"], reply["data"]) == (code, [])
    assert reply["msg"]


def test_missing_orders_come_with_http_200(rest: Rest) -> None:
    response = rest.raw("GET", "/api/v5/trade/order?instId=BTC-USDT&clOrdId=never")
    assert response.status_code == 200
    assert response.json() == {"code": "51603", "msg": "Order does not exist", "data": []}


def test_the_latest_order_of_a_client_id_wins(rest: Rest) -> None:
    rest.place(spot("a1"))
    rest.post("trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "a1"})
    second = rest.place(spot("a1"))
    assert rest.order("a1")["data"][0]["ordId"] == second["ordId"]


def test_pending_orders_page_by_id_newest_first(rest: Rest) -> None:
    ids = [rest.place(spot(f"a{n}"))["ordId"] for n in range(5)]
    rest.place(swap("p1", px="80000"), "BTC-USDT-SWAP")
    path = "trade/orders-pending?instType=SPOT&limit=2"
    first = [item["ordId"] for item in rest.get(path)["data"]]
    assert first == [ids[4], ids[3]]
    older = rest.get(f"{path}&after={first[-1]}")["data"]
    assert [item["ordId"] for item in older] == [ids[2], ids[1]]
    newer = rest.get(f"trade/orders-pending?instType=SPOT&before={ids[2]}")["data"]
    assert [item["ordId"] for item in newer] == [ids[4], ids[3]]
    for filters, count in (
        ("instId=BTC-USDT", 5),
        ("instFamily=BTC-USDT", 6),
        ("state=partially_filled", 0),
        ("ordType=limit,post_only", 6),
        ("instType=SWAP", 1),
    ):
        assert len(rest.get(f"trade/orders-pending?{filters}")["data"]) == count


def test_history_and_archive(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("filled", ordType="market", px="", sz="1000"))
    rest.place(spot("dead"))
    rest.post("trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "dead"})
    rest.place(spot("live"))

    def names(query: str) -> list[str]:
        return [item["clOrdId"] for item in rest.get(query)["data"]]

    assert names("trade/orders-history?instType=SPOT") == ["dead", "filled"]
    assert names("trade/orders-history?instType=SPOT&state=filled") == ["filled"]
    assert names("trade/orders-history?instType=SWAP") == []
    assert names("trade/orders-history?instType=SPOT&end=1000") == []
    assert names("trade/orders-history-archive?instType=SPOT") == ["filled"]


def test_fills_page_by_bill_id(sim: RunningSimulator, rest: Rest) -> None:
    for n in range(3):
        rest.place(spot(f"a{n}"))
        sim.control.fill_order(f"a{n}")
    rest.place(swap("p1", ordType="market", px=""), "BTC-USDT-SWAP")
    fills = rest.get("trade/fills?instType=SPOT")["data"]
    assert [fill["clOrdId"] for fill in fills] == ["a2", "a1", "a0"]
    assert (fills[0]["execType"], fills[0]["feeRate"], fills[0]["fee"]) == (
        "M",
        "-0.0008",
        "-0.00008",
    )
    older = rest.get(f"trade/fills?instType=SPOT&after={fills[0]['billId']}")["data"]
    assert [fill["clOrdId"] for fill in older] == ["a1", "a0"]
    one = rest.get(f"trade/fills?ordId={fills[1]['ordId']}")["data"]
    assert [fill["tradeId"] for fill in one] == [fills[1]["tradeId"]]
    assert len(rest.get("trade/fills-history?instType=SWAP")["data"]) == 1


def test_never_filled_cancels_vanish(sim: RunningSimulator) -> None:
    retention = RetentionConfig(never_filled_s=0.05)
    with run_in_thread(SimulatorConfig(market=STILL, retention=retention)) as forgetful:
        rest = Rest(forgetful.url)
        for name in ("empty", "partly"):
            rest.place(spot(name))
        forgetful.control.fill_order("partly", amount="0.01")
        for name in ("empty", "partly"):
            rest.post("trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": name})
        wait_until(lambda: rest.order("empty")["code"] == "51603")
        assert rest.order("partly")["data"][0]["state"] == "canceled"
        history = rest.get("trade/orders-history?instType=SPOT")["data"]
        assert [item["clOrdId"] for item in history] == ["partly"]
        assert forgetful.control.orders("empty")[0]["state"] == "canceled"
        rest.session.close()


def test_balance(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    (account,) = rest.get("account/balance")["data"]
    usdt = next(item for item in account["details"] if item["ccy"] == "USDT")
    assert (usdt["cashBal"], usdt["availBal"], usdt["ordFrozen"]) == ("1000000", "992000", "8000")
    sim.control.set_balance("okx-demo", "ETH", 0)
    (account,) = rest.get("account/balance")["data"]
    assert {item["ccy"] for item in account["details"]} == {"USDT", "BTC"}


def test_positions_are_signed_and_gone_when_flat(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(swap("p1", side="sell", ordType="market", px=""), "BTC-USDT-SWAP")
    (position,) = rest.get("account/positions?instId=BTC-USDT-SWAP")["data"]
    assert (position["pos"], position["posSide"], position["mgnMode"]) == ("-10", "net", "cross")
    assert rest.get("account/positions?instType=FUTURES")["data"] == []
    sim.control.set_position("okx-demo", "BTC-USDT-SWAP", 0)
    assert rest.get("account/positions")["data"] == []


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("account/config", "posMode", "net_mode"),
        ("account/config", "acctLv", "2"),
        ("account/instruments?instType=SWAP&instId=BTC-USD-SWAP", "ctVal", "100"),
        ("account/trade-fee?instType=SPOT", "taker", "-0.001"),
        ("account/trade-fee?instType=SWAP", "makerU", "-0.0002"),
        ("trade/account-rate-limit", "accRateLimit", "1000"),
        ("asset/currencies", "ccy", "BTC"),
        ("public/instruments?instType=SPOT", "instIdCode", CODES["BTC-USDT"]),
        ("public/instruments?instType=SWAP&instId=BTC-USD-SWAP", "ctType", "inverse"),
        ("market/ticker?instId=BTC-USDT", "bidPx", "89500"),
        ("market/tickers?instType=SPOT", "askPx", "89500.1"),
        ("market/books?instId=BTC-USDT", "bids", [["89500", "50", "0", "1"]]),
    ],
)
def test_queries_that_answer(rest: Rest, path: str, key: str, value: Any) -> None:
    reply = rest.get(path)
    assert (reply["code"], reply["data"][0][key]) == ("0", value)


def test_public_queries_need_no_signature(rest: Rest) -> None:
    for path in ("public/time", "system/status", "public/instruments?instType=OPTION&uly=BTC-USD"):
        reply = rest.session.get(f"{rest.url}/api/v5/{path}", timeout=PATIENCE_S).json()
        assert reply["code"] == "0"


def test_books_show_resting_orders(rest: Rest) -> None:
    rest.place(spot("a1", side="sell", px="89500.1", sz="0.5"))
    (book,) = rest.get("market/books?instId=BTC-USDT&sz=400")["data"]
    assert book["asks"][0] == ["89500.1", "50.5", "0", "2"]
    assert len(book["bids"]) == 25


def test_cancel_all_after(sim: RunningSimulator) -> None:
    with run_in_thread(SimulatorConfig(market=STILL, countdown_second_s=0.002)) as hasty:
        rest = Rest(hasty.url)
        rest.place(spot("a1", tag="mine"))
        rest.place(spot("a2"))
        stopped = rest.post("trade/cancel-all-after", {"timeOut": "0"})["data"][0]
        assert stopped["triggerTime"] == "0"
        armed = rest.post("trade/cancel-all-after", {"timeOut": "10", "tag": "mine"})["data"][0]
        assert int(armed["triggerTime"]) - int(armed["ts"]) == 10
        wait_until(lambda: hasty.control.orders("a1")[0]["state"] != "live")
        assert rest.order("a1")["data"][0]["cancelSource"] == "20"
        assert hasty.control.orders("a2")[0]["state"] == "live"
        for wrong in ("5", "121", "x", ""):
            assert rest.post("trade/cancel-all-after", {"timeOut": wrong})["code"] == "51000"
        rest.session.close()


def test_websocket_and_rest_share_their_limits(sim: RunningSimulator) -> None:
    limits = LimitsConfig(enabled=True, orders_per_2s=1, batch_orders_per_2s=1)
    config = SimulatorConfig(market=STILL, limits=limits)
    with run_in_thread(config, stopped_clock()) as strict:
        rest = Rest(strict.url)
        assert rest.place(spot("a1"))["sCode"] == "0"
        response = rest.raw("POST", "/api/v5/trade/order", by_rest(spot("a2")))
        assert (response.status_code, response.json()["code"]) == (429, "50011")
        batch = [by_rest(spot("a3")), by_rest(spot("a4"))]
        reply = rest.post("trade/batch-orders", batch)
        assert [item["sCode"] for item in reply["data"]] == ["0", "50011"]
        rest.session.close()
