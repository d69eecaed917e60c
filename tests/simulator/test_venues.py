"""Several venues at once: one process, one control API, one ledger; ports of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.client import ControlError
from simulator.config import SimulatorConfig, VenueName
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator import binance_client, bitget_client, okx_client
from tests.simulator.binance_client import order
from tests.simulator.conftest import STILL

ALL: tuple[VenueName, ...] = ("okx", "binance-usdm", "binance-spot")


@pytest.fixture(scope="module")
def three() -> Iterator[RunningSimulator]:
    with run_in_thread(SimulatorConfig(market=STILL, venues=ALL)) as running:
        yield running


def test_each_venue_has_a_port_and_paths_of_its_own(three: RunningSimulator) -> None:
    okx, usdm, spot = (three.addresses[venue] for venue in ALL)
    assert three.url == okx.url
    assert len({okx.url, usdm.url, spot.url, three.control_url}) == 4
    assert okx_client.Rest(okx.url).get("public/time")["code"] == "0"
    assert "serverTime" in binance_client.Rest(usdm.url).public("/fapi/v1/time")
    assert "serverTime" in binance_client.Rest(spot.url).public("/api/v3/time")
    health = three.control.health()
    assert health["dialects"] == list(ALL)
    assert {"binance-demo", "binance-spot-demo", "okx-demo"} <= set(health["accounts"])


def test_one_ledger_holds_the_orders_of_all(three: RunningSimulator) -> None:
    three.control.reset()
    okx_client.Rest(three.addresses["okx"].url).place(okx_client.spot("a1"))
    futures = binance_client.Rest(three.addresses["binance-usdm"].url)
    futures.call("POST", "/fapi/v1/order", **order("a1"))
    spot = binance_client.Rest(three.addresses["binance-spot"].url, binance_client.SPOT)
    spot.call("POST", "/api/v3/order", **order("a1"))
    ledger = three.control.ledger()
    rows = [(row["account"], row["symbol"], row["inst_type"]) for row in ledger.orders_of("a1")]
    assert rows == [
        ("okx-demo", "BTC-USDT", "SPOT"),
        ("binance-demo", "BTCUSDT", "SWAP"),
        ("binance-spot-demo", "BTCUSDT", "SPOT"),
    ]
    assert len({row["venue_id"] for row in ledger.orders}) == 3
    assert [row["op"] for row in ledger.requests] == ["order"] * 3
    (own,) = three.control.ledger("binance-demo").orders
    assert three.control.fill_order(venue_id=own["venue_id"])["state"] == "filled"
    assert three.control.cancel_order("a1", account="binance-spot-demo")["state"] == "canceled"


def test_a_symbol_of_two_venues_needs_the_venue(three: RunningSimulator) -> None:
    with pytest.raises(ControlError, match="which of"):
        three.control.move("BTCUSDT", "89600")
    three.control.move("BTCUSDT", "89600", venue="binance-spot")
    assert three.control.market("BTCUSDT", venue="binance-spot")["bid"] == "89600"
    assert three.control.market("BTCUSDT", venue="binance-usdm")["bid"] == "89500"
    assert three.control.market("BTC-USDT")["bid"] == "89500"
    with pytest.raises(ControlError, match="one of"):
        three.control.move("BTCUSDT", "89600", venue="kraken")
    # An account tells the venue as well.
    row = three.control.place_order("binance-demo", "BTCUSDT", "buy", "0.1")
    assert row["inst_type"] == "SWAP"


def test_an_account_of_the_same_name_on_two_venues(three: RunningSimulator) -> None:
    for venue in ("binance-usdm", "binance-spot"):
        keys = three.control.create_account("both", venue=venue)
        with pytest.raises(ControlError, match="exists"):
            three.control.create_account("both", venue=venue)
    three.control.set_balance("both", "USDT", "7", venue="binance-spot")
    spot = binance_client.Rest(three.addresses["binance-spot"].url, keys)
    futures = binance_client.Rest(three.addresses["binance-usdm"].url, keys)
    balances = spot.call("GET", "/api/v3/account")["balances"]
    assert {row["asset"]: row["free"] for row in balances}["USDT"] == "7.00000000"
    assert futures.call("GET", "/fapi/v3/account")["totalWalletBalance"] == "1000000.00000000"
    with pytest.raises(ControlError, match="which of"):
        three.control.set_balance("both", "USDT", "8")
    with pytest.raises(ControlError, match="venue"):
        three.control.create_account("other", venue="kraken")


def test_a_venue_can_stand_alone() -> None:
    with run_in_thread(SimulatorConfig(market=STILL, venues=("binance-usdm",))) as alone:
        assert alone.url == alone.addresses["binance-usdm"].url
        assert alone.control.health()["accounts"] == ["binance-demo"]
        assert alone.control.create_account("t1").api_key == "t1-key"


def test_bitget_stands_beside_another() -> None:
    with run_in_thread(SimulatorConfig(market=STILL, venues=("okx", "bitget"))) as both:
        okx_client.Rest(both.addresses["okx"].url).place(okx_client.spot("a1"))
        bitget = bitget_client.Rest(both.addresses["bitget"].url)
        bitget.place(bitget_client.order("a1"))
        bitget.place(bitget_client.order("a2"), "SPOT")
        rows = {(row["account"], row["symbol"]): row for row in both.control.ledger().orders}
        assert set(rows) == {
            ("okx-demo", "BTC-USDT"),
            ("bitget-demo", "BTCUSDT"),
            ("bitget-demo", "BTCUSDT_SPBL"),
        }
        assert len({row["venue_id"] for row in rows.values()}) == 3
        # Numbers of trades are unique in the account, though both books count their own.
        for client_id in ("a1", "a2"):
            both.control.fill_order(client_id, account="bitget-demo")
        fills = both.control.ledger("bitget-demo").fills
        assert len({row["trade_id"] for row in fills}) == 2
        bitget.session.close()
