"""Faults of REST: answers that prove nothing, late ones, none, and views of the past."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from simulator.server import RunningSimulator
from tests.simulator.okx_client import PATIENCE_S, Rest, spot, swap, truth, wait_until


@pytest.mark.parametrize("processed", [True, False])
@pytest.mark.parametrize(
    ("fault", "params", "status"),
    [
        ("rest_5xx", {}, 502),
        ("rest_5xx", {"status": 504, "body": "<html>late</html>"}, 504),
        ("rest_html", {}, 200),
        ("rest_unknown", {}, 400),
        ("rest_unknown", {"code": "51149"}, 500),
        ("rest_unknown", {"code": "50026"}, 500),
        ("rest_unknown", {"code": "50001"}, 503),
    ],
)
def test_rest_answers_that_prove_nothing(
    sim: RunningSimulator,
    rest: Rest,
    *,
    fault: str,
    params: dict[str, Any],
    status: int,
    processed: bool,
) -> None:
    with sim.control.fault(fault, count=1, processed=processed, **params):
        response = rest.raw("POST", "/api/v5/trade/order", _order("a1"))
    assert response.status_code == status
    if fault == "rest_unknown":
        assert response.json()["code"] == params.get("code", "50004")
    else:
        assert "<html>" in response.text
    assert len(sim.control.orders("a1")) == processed
    assert sim.control.ledger().requests_of("a1")[0]["processed"] is processed


@pytest.mark.parametrize(
    ("fault", "params", "processed"),
    [
        ("hangup_before", {}, False),
        ("swallow_request", {"hold_ms": 20}, False),
        ("rest_timeout", {"hold_ms": 20}, False),
        ("rest_timeout", {"hold_ms": 20, "processed": True}, True),
        ("hangup_after", {}, True),
        ("lose_ack", {}, True),
    ],
)
def test_rest_without_an_answer(
    sim: RunningSimulator, rest: Rest, *, fault: str, params: dict[str, Any], processed: bool
) -> None:
    with (
        sim.control.fault(fault, count=1, match={"transport": "rest"}, **params),
        pytest.raises(requests.ConnectionError),
    ):
        rest.raw("POST", "/api/v5/trade/order", _order("a1"))
    assert truth(sim) == (processed, False, int(processed))


def test_rest_timeout_of_the_client(sim: RunningSimulator, rest: Rest) -> None:
    sim.control.arm("rest_timeout", count=1, processed=True)
    body = json.dumps(_order("a1"))
    headers = rest.headers("POST", "/api/v5/trade/order", body)
    with pytest.raises(requests.Timeout):
        rest.session.post(
            sim.url + "/api/v5/trade/order",
            data=body,
            headers=headers,
            timeout=(PATIENCE_S, 0.05),
        )
    wait_until(lambda: bool(sim.control.orders("a1")))
    assert truth(sim) == (True, False, 1)


@pytest.mark.parametrize("fault", ["delay_ack", "delay_request", "push_before_ack"])
def test_rest_answers_late(sim: RunningSimulator, rest: Rest, fault: str) -> None:
    with sim.control.fault(fault, count=1, delay_ms=50):
        started = time.monotonic()
        assert rest.place(spot("a1"))["sCode"] == "0"
        # A loop's timer counts from the beginning of its turn, which may have been a while ago.
        assert time.monotonic() - started > 0.03


def test_visibility_lag_hides_new_orders(sim: RunningSimulator, rest: Rest) -> None:
    with sim.control.fault("visibility_lag", delay_ms=60_000, match={"symbol": "BTC-USDT"}):
        rest.place(spot("a1", ordType="market", px="", sz="1000"))
        rest.place(spot("a2"))
    rest.place(spot("a3"))
    assert rest.order("a1")["code"] == rest.order("a2")["code"] == "51603"
    for query in ("trade/fills", "trade/orders-history?instType=SPOT"):
        assert rest.get(query)["data"] == []
    assert [item["clOrdId"] for item in rest.get("trade/orders-pending")["data"]] == ["a3"]
    assert len(sim.control.ledger().orders) == 3


def test_visibility_lag_ends(sim: RunningSimulator, rest: Rest) -> None:
    with sim.control.fault("visibility_lag", delay_ms=20):
        rest.place(spot("a1"))
    wait_until(lambda: rest.order("a1")["code"] != "51603")
    assert rest.get("trade/orders-pending")["data"][0]["clOrdId"] == "a1"


def test_stale_snapshot(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    rest.place(swap("p1", ordType="market", px=""), "BTC-USDT-SWAP")
    with sim.control.fault("stale_snapshot", delay_ms=60_000, match={"account": "okx-demo"}):
        assert rest.get("trade/orders-pending")["data"] == []
        assert rest.get("account/positions")["data"] == []
    with sim.control.fault("stale_snapshot", delay_ms=0):
        assert len(rest.get("trade/orders-pending")["data"]) == 1
        assert rest.get("account/positions")["data"][0]["pos"] == "10"


def test_a_stale_snapshot_as_of_a_moment(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    [order] = sim.control.ledger().orders
    while sim.control.health()["now_ms"] <= order["created_ms"]:
        pass  # the next change is to bear another millisecond
    sim.control.cancel_order("a1")
    with sim.control.fault("stale_snapshot", as_of_ms=order["created_ms"]):
        assert [item["clOrdId"] for item in rest.get("trade/orders-pending")["data"]] == ["a1"]
    with sim.control.fault("stale_snapshot", as_of_ms=order["created_ms"] - 1):
        assert rest.get("trade/orders-pending")["data"] == []


def _order(client_id: str) -> dict[str, str]:
    return {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.1",
        "px": "80000",
        "clOrdId": client_id,
    }
