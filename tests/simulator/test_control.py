"""The control API, its client, the ledger, settings, and running as a process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from simulator.client import ControlError
from simulator.config import RetentionConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.conftest import STILL
from tests.simulator.okx_client import (
    DEMO,
    ORDERS,
    PATIENCE_S,
    Rest,
    eventually,
    open_private,
    spot,
    swap,
)

ROOT = Path(__file__).parents[2]


async def test_the_ledger_names_every_request_order_and_fill(
    sim: RunningSimulator, rest: Rest
) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.op("order", spot("a1"))
        await ws.op("batch-orders", spot("b1"), swap("p1", px="80000"))
        await ws.op("order", spot("bad", sz="1000"))
    rest.place(spot("r1"))
    rest.order("r1")
    rest.place(swap("m1", ordType="market", px=""), "BTC-USDT-SWAP")
    ledger = sim.control.ledger("okx-demo")
    assert [(row["op"], row["client_id"], row["transport"]) for row in ledger.requests] == [
        ("order", "a1", "ws"),
        ("batch-orders", "b1", "ws"),
        ("batch-orders", "p1", "ws"),
        ("order", "bad", "ws"),
        ("order", "r1", "rest"),
        ("order", "m1", "rest"),
    ]
    assert [row["op"] for row in ledger.queries] == ["query-order"]
    numbers = [row["n"] for row in ledger.requests]
    assert numbers == sorted(numbers)
    assert all(row["replied"] for row in ledger.requests)
    assert {row["client_id"] for row in ledger.orders} == {"a1", "b1", "p1", "r1", "m1"}
    (swap_row,) = ledger.orders_of("p1")
    assert (swap_row["size"], swap_row["amount"], swap_row["inst_type"]) == ("10", "0.1", "SWAP")
    (fill,) = ledger.fills_of("m1")
    assert (fill["size"], fill["amount"], fill["role"]) == ("10", "0.1", "taker")
    (connection,) = ledger.connections
    assert (connection["path"], connection["account"]) == ("/ws/v5/private", "okx-demo")


async def test_the_ledger_can_be_asked_for_less(sim: RunningSimulator, rest: Rest) -> None:
    keys = sim.control.create_account("other", balances={"USDT": "1000000"})
    rest.place(spot("a1"))
    async with await open_private(sim.ws_url, keys) as ws:
        await ws.op("order", spot("o1"))
    assert [row["client_id"] for row in sim.control.ledger("other").orders] == ["o1"]
    assert [row["account"] for row in sim.control.ledger("other").requests] == ["other"]
    assert sim.control.ledger(since_ms=10**13).orders == []
    assert len(sim.control.ledger().orders) == 2


def test_request_rows_can_be_dropped() -> None:
    with run_in_thread(SimulatorConfig(market=STILL, ledger_requests=False)) as lean:
        rest = Rest(lean.url)
        rest.place(spot("a1"))
        rest.session.close()
        ledger = lean.control.ledger()
        assert (ledger.requests, len(ledger.orders)) == ([], 1)
        assert lean.control.health()["requests"] == 1


async def test_old_orders_can_be_forgotten_altogether() -> None:
    kept = RetentionConfig(ledger_s=0.02)
    config = SimulatorConfig(market=STILL, retention=kept, periodic_push_s=0.02)
    with run_in_thread(config) as forgetful:
        rest = Rest(forgetful.url)
        rest.place(spot("a1", ordType="market", px="", sz="1000"))
        rest.place(spot("a2"))
        await eventually(
            lambda: [row["client_id"] for row in forgetful.control.ledger().orders] == ["a2"]
        )
        assert forgetful.control.ledger().fills == []
        assert rest.get("trade/fills")["data"] == []
        rest.session.close()


async def test_orders_by_hand_are_external(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        row = sim.control.place_order("okx-demo", "BTC-USDT-SWAP", "buy", "0.05", price="80000")
        assert (row["external"], row["size"], row["amount"]) == (True, "5", "0.05")
        pushed = await ws.push()
        assert (pushed["ordId"], pushed["clOrdId"]) == (row["venue_id"], "")
        sim.control.cancel_order(venue_id=row["venue_id"], source="system")
        assert (await ws.push())["cancelSource"] == "0"
        market = sim.control.place_order("okx-demo", "BTC-USDT", "sell", "0.1", client_id="hand")
        assert market["state"] == "filled"


async def test_filling_by_hand(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        await ws.op("order", swap("p1", px="80000"))
        row = sim.control.fill_order("p1", amount="0.04", price="79000")
        assert (row["filled"], row["avg_price"], row["state"]) == (
            "0.04",
            "79000",
            "partially_filled",
        )
        part = await ws.push(state="partially_filled")
        assert (part["fillSz"], part["fillPx"], part["execType"]) == ("4", "79000", "M")
        sim.control.fill_order("p1")
        assert (await ws.push(state="filled"))["accFillSz"] == "10"
        with pytest.raises(ControlError, match="filled"):
            sim.control.fill_order("p1")
        with pytest.raises(ControlError, match="filled"):
            sim.control.cancel_order("p1")


def test_markets_by_hand(sim: RunningSimulator, rest: Rest) -> None:
    control = sim.control
    rest.place(spot("a1"))
    assert control.market("BTC-USDT", bid="81000", ask="81010")["ask"] == "81010"
    assert control.trade("BTC-USDT", "sell", "0.5", price="81500") == 0
    control.market("BTC-USDT", liquidity="0.01")
    assert control.trade("BTC-USDT", "sell", "1", price="80000") == Decimal("0.35")
    control.market("BTC-USDT", bids=[["79000", "1"]], asks=[["80000", "0.02"]])
    assert control.market("BTC-USDT", ask="82000")["bid"] == "81999.9"
    control.market("BTC-USDT", freeze=True)
    assert control.orders("a1")[0]["filled"] == "0.1"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("faults", {"fault": "none"}, "unknown fault"),
        ("faults", {"fault": "lose_ack", "match": {"x": 1}}, "unknown match"),
        ("market", {"symbol": "NO"}, "symbol"),
        ("market", {"symbol": "BTC-USDT", "bid": "x"}, "bid"),
        ("market", {"symbol": "BTC-USDT", "bid": "2", "ask": "1"}, "bid"),
        ("market", {"symbol": "BTC-USDT", "bids": [1]}, "bids"),
        ("market", {"symbol": "BTC-USDT", "trade": {"side": "up"}}, "trade"),
        ("orders", {"account": "nobody", "symbol": "BTC-USDT"}, "account"),
        ("orders", {"account": "okx-demo", "symbol": "BTC-USDT", "side": "up"}, "side"),
        (
            "orders",
            {
                "account": "okx-demo",
                "symbol": "BTC-USDT",
                "side": "buy",
                "size": 99,
                "price": 80000,
            },
            "insufficient",
        ),
        (
            "orders",
            {"account": "okx-demo", "symbol": "BTC-USDT", "side": "buy", "price": 1, "tag": '"'},
            "tag",
        ),
        ("orders/cancel", {"client_id": "never"}, "no order"),
        ("orders/fill", {"venue_id": "1"}, "no order"),
        ("positions", {"account": "okx-demo", "symbol": "BTC-USDT"}, "spot"),
        ("balances", {"account": "okx-demo"}, "currency"),
        ("accounts", {"name": "okx-demo", "api_key": "x", "secret": "y"}, "exists"),
        ("accounts", {"name": "x"}, "api_key"),
        ("reset", [1], "object"),
        ("reset", None, "unexpected"),
    ],
)
def test_nonsense_is_explained(sim: RunningSimulator, path: str, body: Any, says: str) -> None:
    url = f"{sim.control_url}/control/{path}"
    if body is None:
        response = requests.post(url, data="{", timeout=PATIENCE_S)
    else:
        response = requests.post(url, json=body, timeout=PATIENCE_S)
    assert response.status_code == 400
    assert says in response.json()["error"]


def test_nonsense_in_questions_is_explained(sim: RunningSimulator) -> None:
    response = requests.get(f"{sim.control_url}/control/ledger?since=now", timeout=PATIENCE_S)
    assert response.status_code == 400


async def test_fills_by_hand_stay_within_the_order(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    with pytest.raises(ControlError, match="at most"):
        sim.control.fill_order("a1", amount="5")
    with pytest.raises(ControlError, match="source"):
        sim.control.cancel_order("a1", source="ghost")


def test_positions_and_balances_by_hand(sim: RunningSimulator, rest: Rest) -> None:
    sim.control.set_position("okx-demo", "BTC-USDT-SWAP", "-0.5")
    (position,) = rest.get("account/positions")["data"]
    assert (position["pos"], position["avgPx"]) == ("-50", "89500.05")
    sim.control.set_balance("okx-demo", "SOL", "7")
    details = rest.get("account/balance?ccy=SOL")["data"][0]["details"]
    assert details[0]["cashBal"] == "7"


async def test_reset_forgets_all(sim: RunningSimulator, rest: Rest) -> None:
    rest.place(spot("a1"))
    rest.place(swap("p1", ordType="market", px=""), "BTC-USDT-SWAP")
    sim.control.arm("lose_ack")
    async with await open_private(sim.ws_url):
        sim.control.reset(sockets=True)
        await eventually(lambda: sim.control.connections() == [])
    ledger = sim.control.ledger()
    assert (ledger.orders, ledger.fills, ledger.requests) == ([], [], [])
    assert sim.control.faults() == []
    assert rest.get("account/positions")["data"] == []
    assert rest.place(spot("a1"))["sCode"] == "0"


async def test_roles_follow_what_a_connection_does(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url), await open_private(sim.ws_url, DEMO, ORDERS):
        rows = sim.control.connections()
        assert sorted(row["role"] for row in rows) == ["private", "trade"]
        assert {row["account"] for row in rows} == {"okx-demo"}
        assert sim.control.health()["connections"] == 2


async def test_periodic_pushes_unless_events_only() -> None:
    config = SimulatorConfig(market=STILL, periodic_push_s=0.02)
    with run_in_thread(config) as busy:
        events = {"channel": "account", "extraParams": '{"updateInterval": "0"}'}
        async with (
            await open_private(busy.ws_url, DEMO, {"channel": "account"}) as periodic,
            await open_private(busy.ws_url, DEMO, events) as quiet,
        ):
            for _ in range(3):
                assert (await periodic.push("account"))["totalEq"] == "2195001"
            await quiet.ping()
            assert len(quiet.pushes("account")) == 1


async def test_the_market_moves_by_itself() -> None:
    with run_in_thread() as lively:
        book = lively.control.market("BTC-USDT")
        seen = {book["bid"]}
        while len(seen) < 4:
            await asyncio.sleep(0.01)
            book = lively.control.market("BTC-USDT")
            seen.add(book["bid"])
        bid, ask = Decimal(book["bid"]), Decimal(book["ask"])
        assert 0 < ask - bid < 1
        assert all(abs(Decimal(one) / 89_500 - 1) < Decimal("0.01") for one in seen)


def test_settings_are_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "simulator.toml"
    path.write_text("[market]\nseed = 7\n[limits]\nenabled = true\n", encoding="utf-8")
    config = SimulatorConfig.from_toml(path)
    assert (config.market.seed, config.limits.enabled) == (7, True)
    assert [account.name for account in config.accounts] == ["okx-demo"]
    path.write_text("surprise = 1\n", encoding="utf-8")
    with pytest.raises(ValidationError):
        SimulatorConfig.from_toml(path)


def test_a_port_in_use_is_told_to_the_caller(sim: RunningSimulator) -> None:
    port = int(sim.url.rsplit(":", 1)[1])
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="in use"), run_in_thread(SimulatorConfig(port=port)):
        pass
    assert not [one for one in set(threading.enumerate()) - before if one.name == "simulator"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "simulator.toml"
    path.write_text('log_level = "info"\n', encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", str(path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr:
        assert "simulator at http" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0


def test_it_shares_no_code_with_the_router() -> None:
    for path in (ROOT / "simulator").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        starts = [
            line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
        ]
        assert not {"router", "workers", "strategy_sdk", "commands"} & set(starts)
