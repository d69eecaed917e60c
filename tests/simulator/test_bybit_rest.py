"""Bybit's REST interface: signatures, orders, what queries show and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import requests

from simulator.bybit.signing import signature
from simulator.config import (
    BybitConfig,
    InstrumentConfig,
    LimitsConfig,
    RetentionConfig,
    SimulatorConfig,
)
from simulator.exchange.clock import Clock
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator import okx_client
from tests.simulator.bybit_client import DEMO, LINEAR, SPOT, Rest, market, now_ms, order
from tests.simulator.conftest import STILL, stopped_clock
from tests.simulator.raw_socket import PATIENCE_S, Frame

DAY_MS = 86_400_000


class Timed(NamedTuple):
    """A simulator whose clock is turned by hand."""

    sim: RunningSimulator
    rest: Rest
    later: Callable[[int], None]


def timed(**own: float) -> Iterator[Timed]:
    """Yield a simulator with settings of its own, whose clock is turned by hand."""
    now = [now_ms()]
    config = SimulatorConfig(market=STILL, venues=("bybit",), bybit=BybitConfig(**own))
    with run_in_thread(config, Clock(lambda: now[0] * 1000)) as sim:

        def later(by_ms: int) -> None:
            now[0] += by_ms

        yield Timed(sim, Rest(sim.url, time_ms=lambda: now[0]), later)


@pytest.fixture
def aging() -> Iterator[Timed]:
    """A simulator whose clock is turned by hand."""
    yield from timed()


@pytest.fixture
def client(bybit: RunningSimulator) -> Iterator[Rest]:
    """Signed requests of the demo account."""
    rest = Rest(bybit.url)
    yield rest
    rest.session.close()


def place(rest: Rest, count: int, prefix: str = "a", **fields: str) -> list[str]:
    """Place orders and return their ids."""
    orders = [order(f"{prefix}{n}", **fields) for n in range(count)]
    return [str(rest.done("order/create", one)["orderId"]) for one in orders]


def links(rows: list[Frame]) -> list[str]:
    """Return the client ids of rows."""
    return [str(row["orderLinkId"]) for row in rows]


# Signatures.


def test_the_vectors_of_the_sheet() -> None:
    body = (
        '{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", '
        '"qty": "0.001", "price": "50000", "orderLinkId": "cl-9"}'
    )
    query = "category=linear&orderLinkId=cl-9&symbol=BTCUSDT"
    for text, expected in (
        ("GET/realtime1795385405870", "ec1beece9b50d51fb702b81793fb7535"),
        (f"1795385778025KEY5000{body}", "3f3ca111c31142d4389bb4d9ca237ad7"),
        (f"1795385778030KEY5000{query}", "8d89412fc783e5e6d1951a7bfc8c222f"),
    ):
        assert signature("SECRET", text).startswith(expected)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sign": "00"}, 10004),
        ({"key": "other"}, 10003),
        ({"stamp": "1600000000000"}, 10002),
        ({"stamp": "4000000000000"}, 10002),
        ({"stamp": "soon"}, 10001),
    ],
)
def test_requests_that_are_not_signed(
    bybit: RunningSimulator, client: Rest, changed: dict[str, str], code: int
) -> None:
    reply = client.raw("POST", "/v5/order/create", order("a1"), **changed)
    assert (reply.status_code, reply.json()["retCode"]) == (200, code)
    (row,) = bybit.control.ledger().requests
    assert (row["client_id"], row["account"], row["processed"]) == ("a1", "", code == 10001)
    assert client.raw("GET", "/v5/order/realtime", dict(LINEAR), **changed).json()["result"] == {}


def test_requests_that_are_let_in_nowhere(bybit: RunningSimulator, client: Rest) -> None:
    bare = requests.get(f"{bybit.url}/v5/order/realtime?category=linear", timeout=PATIENCE_S)
    assert bare.status_code == 401
    assert client.raw("GET", "/v5/order/nothing").status_code == 404
    with_body = client.session.request(
        "GET", f"{bybit.url}/v5/market/time", data="{}", timeout=PATIENCE_S
    )
    assert with_body.status_code == 403
    headers = {**client.headers("["), "Content-Type": "application/json"}
    url = f"{bybit.url}/v5/order/create"
    reply = client.session.post(url, data="[", headers=headers, timeout=PATIENCE_S)
    assert reply.json()["retCode"] == 10001


# Orders.


def test_an_order_is_placed_amended_and_canceled(bybit: RunningSimulator, client: Rest) -> None:
    reply = client.raw("POST", "/v5/order/create", order("a1"))
    body = reply.json()
    assert set(body) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    assert (body["result"]["orderLinkId"], reply.headers["X-Bapi-Limit-Status"]) == ("a1", "9")
    named = {**LINEAR, "orderLinkId": "a1"}
    assert client.done("order/amend", {**named, "qty": "0.02"}) == body["result"]
    (row,) = client.rows("order/realtime", orderLinkId="a1")
    assert (row["orderStatus"], row["qty"], row["createType"]) == ("New", "0.02", "CreateByUser")
    assert client.done("order/cancel", named) == body["result"]
    refused = client.post("order/cancel", named)
    assert (refused["retCode"], refused["result"]) == (110001, {})
    assert [(row["op"], row["transport"]) for row in bybit.control.ledger().requests] == [
        ("order", "rest"),
        ("amend-order", "rest"),
        ("cancel-order", "rest"),
        ("cancel-order", "rest"),
    ]


def test_a_batch(client: Rest) -> None:
    items = [order("b1"), order("b2", price="99000")]
    reply = client.post("order/create-batch", {"category": "linear", "request": items})
    assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 110003]
    assert links(reply["result"]["list"]) == ["b1", "b2"]
    assert links(client.rows("order/realtime")) == ["b1"]


def test_cancel_all(client: Rest) -> None:
    place(client, 2)
    place(client, 1, "e", symbol="ETHUSDT", price="2900")
    place(client, 1, "s", **SPOT)
    assert client.post("order/cancel-all", {"category": "linear"})["retCode"] == 10001
    done = client.done("order/cancel-all", dict(LINEAR))
    assert (sorted(links(done["list"])), done["success"]) == (["a0", "a1"], "1")
    assert links(client.done("order/cancel-all", {"category": "spot"})["list"]) == ["s0"]
    by_coin = {"category": "linear", "settleCoin": "USDT"}
    assert links(client.done("order/cancel-all", by_coin)["list"]) == ["e0"]


# What queries show.


def test_what_is_not_found_is_an_empty_list(client: Rest) -> None:
    for path in ("order/realtime", "order/history", "execution/list"):
        found = client.get(path, **LINEAR, orderLinkId="nobody")
        assert found == {"list": [], "nextPageCursor": "", "category": "linear"}
    assert (
        client.raw("GET", "/v5/order/realtime", {"category": "linear"}).json()["retCode"] == 10001
    )
    assert client.raw("GET", "/v5/order/realtime", {"category": "x"}).json()["retCode"] == 10001


def test_realtime_shows_open_orders_or_recently_closed_ones(client: Rest) -> None:
    place(client, 3)
    client.done("order/cancel", {**LINEAR, "orderLinkId": "a1"})
    client.done("order/create", market("m1"))
    assert links(client.rows("order/realtime")) == ["a2", "a0"]
    assert links(client.rows("order/realtime", openOnly="1")) == ["m1", "a1"]
    # By id it is the same whether the order is open.
    for name, status in (("a0", "New"), ("a1", "Cancelled"), ("m1", "Filled")):
        (row,) = client.rows("order/realtime", orderLinkId=name, openOnly="0")
        assert row["orderStatus"] == status
    assert client.rows("order/realtime", orderLinkId="a0", category="inverse", symbol="") == []
    assert links(client.rows("order/history")) == ["m1", "a1"]
    assert links(client.rows("order/history", orderStatus="Filled")) == ["m1"]
    assert client.rows("order/history", orderLinkId="a0") == []
    assert links(client.rows("order/realtime", symbol="", settleCoin="USDT")) == ["a2", "a0"]


def test_pages(client: Rest) -> None:
    place(client, 5)
    seen, cursor = [], ""
    while True:
        found = client.get("order/realtime", **LINEAR, limit="2", cursor=cursor)
        seen += links(found["list"])
        cursor = found["nextPageCursor"]
        if not cursor:
            break
        assert "%2C" in cursor
    assert seen == ["a4", "a3", "a2", "a1", "a0"]
    given = {**LINEAR, "cursor": "nonsense"}
    assert client.raw("GET", "/v5/order/realtime", given).json()["retCode"] == 10001


def test_the_recently_closed_are_few() -> None:
    own = BybitConfig(recently_closed=2)
    config = SimulatorConfig(market=STILL, venues=("bybit",), bybit=own)
    with run_in_thread(config) as sim:
        rest = Rest(sim.url)
        place(rest, 3)
        rest.done("order/cancel-all", dict(LINEAR))
        assert links(rest.rows("order/realtime", openOnly="1")) == ["a2", "a1"]
        assert rest.rows("order/realtime", orderLinkId="a0") == []
        assert links(rest.rows("order/history", orderLinkId="a0")) == ["a0"]
        sim.control.reset()
        assert rest.rows("order/realtime", openOnly="1") == []


def test_the_venue_forgets(aging: Timed) -> None:
    rest, ago = aging.rest, aging.later
    place(rest, 2)
    aging.sim.control.fill_order("a1")
    rest.done("order/cancel", {**LINEAR, "orderLinkId": "a0"})
    assert links(rest.rows("order/history")) == ["a1", "a0"]
    ago(DAY_MS + 1)
    assert links(rest.rows("order/history")) == ["a1"]
    assert rest.rows("order/history", orderLinkId="a0") == []
    ago(7 * DAY_MS)
    # Without times, a query covers the last week; by id it covers all.
    assert rest.rows("order/history") == rest.rows("execution/list") == []
    assert links(rest.rows("order/history", orderLinkId="a1")) == ["a1"]
    start_ms = rest.time_ms() - 10 * DAY_MS
    assert links(rest.rows("order/history", startTime=str(start_ms))) == ["a1"]
    times = {**LINEAR, "startTime": str(start_ms), "endTime": str(rest.time_ms())}
    assert rest.raw("GET", "/v5/order/history", times).json()["retCode"] == 10001


def test_orders_fall_into_a_hole_as_they_end() -> None:
    for aging in timed(hole_ms=2500):
        place(aging.rest, 1)
        aging.rest.done("order/cancel", {**LINEAR, "orderLinkId": "a0"})
        paths = ("order/realtime", "order/history")
        assert [aging.rest.rows(path, orderLinkId="a0") for path in paths] == [[], []]
        aging.later(2500)
        assert [len(aging.rest.rows(path, orderLinkId="a0")) for path in paths] == [1, 1]


def test_what_is_forgotten_by_the_ledger_is_forgotten_by_all() -> None:
    config = SimulatorConfig(
        market=STILL, venues=("bybit",), retention=RetentionConfig(ledger_s=0.001)
    )
    with run_in_thread(config) as sim:
        rest = Rest(sim.url)
        place(rest, 1)
        rest.done("order/cancel-all", dict(LINEAR))
        while sim.control.ledger().orders:
            pass
        assert rest.rows("order/realtime", openOnly="1") == []


def test_executions(bybit: RunningSimulator, client: Rest) -> None:
    (placed,) = place(client, 1)
    client.done("order/create", market("m1"))
    client.done("order/create", market("s1", **SPOT, qty="1000"))
    bybit.control.fill_order("a0")
    rows = client.rows("execution/list")
    assert [(row["orderLinkId"], row["isMaker"]) for row in rows] == [("a0", True), ("m1", False)]
    (row,) = client.rows("execution/list", orderId=placed)
    assert (row["execPrice"], row["execQty"], row["execFee"]) == ("88000", "0.01", "0.176")
    assert (row["feeRate"], row["leavesQty"], row["execValue"]) == ("0.0002", "0", "880")
    (row,) = client.rows("execution/list", **SPOT)
    assert (row["execQty"], row["feeCurrency"], row["feeRate"]) == ("0.011173", "BTC", "0.001")


def test_positions(bybit: RunningSimulator, client: Rest) -> None:
    (flat,) = client.rows("position/list")
    assert (flat["size"], flat["side"], flat["avgPrice"]) == ("0", "", "0")
    assert client.rows("position/list", symbol="", settleCoin="USDT") == []
    client.done("order/create", market("m1", side="Sell"))
    bybit.control.set_position("bybit-demo", "BTCUSD", "0.1")
    (short,) = client.rows("position/list", symbol="", settleCoin="USDT")
    assert (short["symbol"], short["size"], short["side"]) == ("BTCUSDT", "0.01", "Sell")
    (long,) = client.rows("position/list", category="inverse", symbol="")
    assert (long["symbol"], long["side"]) == ("BTCUSD", "Buy")
    assert client.raw("GET", "/v5/position/list", dict(SPOT)).json()["retCode"] == 10001
    given = {"category": "linear"}
    assert client.raw("GET", "/v5/position/list", given).json()["retCode"] == 10001


def test_the_wallet(client: Rest) -> None:
    place(client, 1)
    place(client, 1, "s", **SPOT)
    (account,) = client.get("account/wallet-balance", accountType="UNIFIED")["list"]
    coins = {row["coin"]: row for row in account["coin"]}
    assert set(coins) == {"USDT", "BTC", "ETH"}
    assert (coins["USDT"]["walletBalance"], coins["USDT"]["locked"]) == ("1000000", "880")
    assert coins["USDT"]["totalOrderIM"] == "88"
    # 1 000 000 and 10 BTC at 89 500 and 100 ETH at 3 000.
    assert float(account["totalEquity"]) == pytest.approx(2_195_000, abs=10)
    (one,) = client.get("account/wallet-balance", accountType="UNIFIED", coin="BTC")["list"]
    assert [row["coin"] for row in one["coin"]] == ["BTC"]
    reply = client.raw("GET", "/v5/account/wallet-balance", {"accountType": "SPOT"}).json()
    assert reply["retCode"] == 10001


def test_bybit_stands_beside_another() -> None:
    with run_in_thread(SimulatorConfig(market=STILL, venues=("okx", "bybit"))) as both:
        okx_client.Rest(both.addresses["okx"].url).place(okx_client.spot("a1"))
        rest = Rest(both.addresses["bybit"].url)
        rest.done("order/create", order("a1"))
        rest.done("order/create", order("a2", **SPOT))
        rows = both.control.ledger().orders
    assert [(row["account"], row["symbol"], row["inst_type"]) for row in rows] == [
        ("okx-demo", "BTC-USDT", "SPOT"),
        ("bybit-demo", "BTCUSDT", "SWAP"),
        ("bybit-demo", "BTCUSDT-SPOT", "SPOT"),
    ]
    assert len({row["venue_id"] for row in rows}) == 3


# Public queries.


def test_instruments(client: Rest) -> None:
    (pair,) = client.rows("market/instruments-info", **SPOT)
    assert (pair["symbol"], pair["baseCoin"], pair["status"]) == ("BTCUSDT", "BTC", "Trading")
    assert pair["lotSizeFilter"]["minOrderAmt"] == "5"
    (contract,) = client.rows("market/instruments-info", category="inverse", symbol="BTCUSD")
    assert (contract["contractType"], contract["settleCoin"]) == ("InversePerpetual", "BTC")
    assert client.rows("market/instruments-info", status="PreLaunch") == []
    assert "nextPageCursor" not in client.get("market/instruments-info", **SPOT)


def test_instruments_come_in_pages_of_500() -> None:
    base = SimulatorConfig(venues=("bybit",))
    one = next(row for row in base.instruments if row.symbol == "BTCUSDT")
    many: list[InstrumentConfig] = [
        one.model_copy(update={"symbol": f"C{n}USDT", "code": 100 + n}) for n in range(501)
    ]
    config = SimulatorConfig(market=STILL, venues=("bybit",), instruments=tuple(many))
    with run_in_thread(config) as sim:
        rest = Rest(sim.url)
        first = rest.get("market/instruments-info", category="linear")
        cursor = first["nextPageCursor"]
        second = rest.get("market/instruments-info", category="linear", cursor=cursor)
    assert (len(first["list"]), len(second["list"]), second["nextPageCursor"]) == (500, 1, "")


def test_books_tickers_and_the_time(client: Rest) -> None:
    book = client.get("market/orderbook", **LINEAR, limit="2")
    assert (len(book["b"]), book["a"][0]) == (2, ["89500.1", "50"])
    (ticker,) = client.rows("market/tickers", **SPOT)
    assert (ticker["bid1Price"], ticker["ask1Price"]) == ("89500", "89500.01")
    assert len(client.rows("market/tickers", symbol="")) == 2
    told = client.get("market/time")
    assert abs(int(told["timeSecond"]) * 1000 - now_ms()) < PATIENCE_S * 1000
    assert client.get("account/info")["unifiedMarginStatus"] == 6
    assert client.get("user/query-api")["apiKey"] == DEMO.api_key


# Limits.


def test_limits_of_an_account_and_of_an_address() -> None:
    limits, own = LimitsConfig(enabled=True), BybitConfig(rest_per_5s=30)
    config = SimulatorConfig(market=STILL, venues=("bybit",), limits=limits, bybit=own)
    with run_in_thread(config, stopped_clock()) as sim:
        rest = Rest(sim.url)
        codes = [rest.post("order/create", order(f"a{n}"))["retCode"] for n in range(11)]
        assert codes == [0] * 10 + [10006]
        replies = [rest.raw("GET", "/v5/market/time") for _ in range(20)]
        assert (replies[18].status_code, replies[19].status_code) == (200, 403)
        assert replies[19].text == "access too frequent"
        assert sim.control.ledger().throttled == 2


def test_an_address_is_shut_out_for_long() -> None:
    now = [now_ms()]
    own = BybitConfig(rest_per_5s=1)
    config = SimulatorConfig(
        market=STILL, venues=("bybit",), limits=LimitsConfig(enabled=True), bybit=own
    )
    with run_in_thread(config, Clock(lambda: now[0] * 1000)) as sim:
        rest = Rest(sim.url)
        statuses = []
        for by_ms in (0, 0, 599_999, 1):
            now[0] += by_ms
            statuses.append(rest.raw("GET", "/v5/market/time").status_code)
    assert statuses == [200, 403, 403, 200]
