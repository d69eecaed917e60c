"""Bitget's connections: logins, pings, cuts, subscriptions and what they begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from websockets.exceptions import InvalidStatus

from simulator.bitget.dialect import BitgetDialect
from simulator.bitget.session import Session
from simulator.bitget.trading import Trading
from simulator.config import BitgetConfig, SimulatorConfig
from simulator.exchange.ledger import ConnectionRow
from simulator.server import RunningSimulator, run_in_thread
from simulator.sockets import Socket
from simulator.world import build
from tests.simulator.bitget_client import (
    ACCOUNT,
    DEMO,
    FILL,
    ORDER,
    POSITION,
    dial,
    enter,
    market,
    now_ms,
    order,
    signature,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame, eventually

BOOK = {"instType": "usdt-futures", "topic": "books1", "symbol": "BTCUSDT"}


def hasty(**own: Any) -> SimulatorConfig:
    return SimulatorConfig(market=STILL, venues=("bitget",), bitget=BitgetConfig(**own))


@pytest.mark.parametrize("unit", ["s", "ms", "number"])
async def test_login_takes_seconds_milliseconds_and_numbers(
    bitget: RunningSimulator, unit: str
) -> None:
    stamps: Frame = {"s": str(now_ms() // 1000), "ms": str(now_ms()), "number": now_ms()}
    async with await dial(bitget) as ws:
        assert await ws.login(stamp=stamps[unit]) == {"event": "login", "code": 0, "msg": ""}
        (row,) = bitget.control.connections()
        assert (row["role"], row["account"]) == ("trade", "bitget-demo")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"apiKey": "nobody"}, 30011),
        ({"passphrase": "wrong"}, 30012),
        ({"timestamp": "yesterday"}, 30013),
        ({"timestamp": "1700000000"}, 30014),
        ({"sign": signature("wrong", "x")}, 30015),
        # What is signed is seconds; the sign must be of the very text that was sent.
        ({"timestamp": lambda: str(now_ms())}, 30015),
    ],
)
async def test_a_wrong_login_is_refused_and_cut(
    bitget: RunningSimulator, changed: Frame, code: int
) -> None:
    async with await dial(bitget) as ws:
        said = {name: what() if callable(what) else what for name, what in changed.items()}
        reply = await ws.login(**said)
        assert (reply["event"], reply["code"]) == ("error", code)
        assert await ws.cut() == 1006


async def test_without_a_login_nothing_private(bitget: RunningSimulator) -> None:
    async with await dial(bitget) as ws:
        await ws.send({"op": "subscribe", "args": [ORDER]})
        reply = await ws.next()
        assert (reply["event"], reply["code"], reply["arg"]) == ("error", 30004, ORDER)
        assert (await ws.call("place-order", order("a1")))["code"] == "30004"
    (row,) = bitget.control.ledger().requests_of("a1")
    assert (row["account"], row["processed"], row["replied"]) == ("", False, True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{not json", 30002),
        ("[]", 30002),
        ('{"op":"jump"}', 30003),
        ('{"op":"subscribe"}', 30016),
        ('{"op":"subscribe","args":[{"instType":"UTA","topic":"weather"}]}', 30001),
        ('{"op":"subscribe","args":[{"instType":"SPOT","topic":"order"}]}', 30001),
    ],
)
async def test_frames_in_the_wrong_form(bitget: RunningSimulator, text: str, code: int) -> None:
    async with await enter(bitget) as ws:
        await ws.send(text)
        reply = await ws.next()
    assert (reply["event"], reply["code"]) == ("error", code)


class Wire:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0


class Hands:
    """An event loop whose time is turned by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now_s

    def call_soon(self, act: Callable[[], None]) -> None:
        self.soon.append(act)

    def turn(self) -> None:
        acts, self.soon = self.soon, []
        for act in acts:
            act()


def test_a_connection_lives_on_pings_and_for_a_day() -> None:
    floor = build(SimulatorConfig(market=STILL, venues=("bitget",))).floors["bitget"]
    dialect, hands, wire = BitgetDialect(floor), Hands(), Wire()
    row = ConnectionRow("c", "/v3/ws/private", 0, "trade", venue="bitget")
    socket = Socket(cast("Any", wire), row, cast("Any", hands))
    other = Socket(cast("Any", Wire()), ConnectionRow("o", "/", 0, venue="okx"), cast("Any", hands))
    floor.sockets.add(socket)
    floor.sockets.add(other)
    session = Session(dialect.venue, Trading(dialect.venue), socket, private=True)

    def pass_to(now_s: float, *, ping: bool) -> None:
        hands.now_s = now_s
        if ping:
            session.received(b"ping")
            hands.turn()
            assert wire.written.endswith(b"pong")
        dialect.sweep(now_s)

    pass_to(119, ping=True)
    pass_to(238, ping=False)
    session.received(b'{"op":"unsubscribe","args":[{}]}')
    assert not wire.closed
    # Other messages do not count as pings.
    pass_to(240, ping=False)
    assert (wire.closed, wire.written[-4:]) == (True, b"\x88\x02\x03\xe8")
    wire.closed = False
    pass_to(86_400, ping=True)
    assert not wire.closed
    pass_to(86_401, ping=True)
    assert wire.written.endswith(b"\x88\x02\x03\xe9")
    assert other.is_open


async def test_a_connection_is_cut_at_its_end() -> None:
    with run_in_thread(hasty(life_s=0.2)) as sim:
        async with await dial(sim) as ws:
            assert await ws.cut() == 1001


async def test_a_notice_says_nothing_but_the_end_comes(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        bitget.control.notice(after_ms=0)
        assert await ws.text() == "pong"
        assert await ws.cut() == 1001


async def test_other_paths_are_not_served(bitget: RunningSimulator) -> None:
    with pytest.raises(InvalidStatus):
        await dial(bitget, "business")


async def test_account_and_positions_begin_with_what_there_is(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, FILL) as trader:
        await trader.placed(market("a1", qty="0.1"))
        await trader.placed(order("a2"))
        await trader.settled()
        # The private part of the connection began with the first subscription.
        (row,) = bitget.control.connections()
        assert row["role"] == "trade+private"
        async with await enter(bitget, ORDER, FILL, POSITION, ACCOUNT) as ws:
            position, account = await ws.push("position"), await ws.push("account")
            await ws.settled()
            assert ws.pushed("order") == ws.pushed("fill") == []
    assert (position["size"], position["posSide"], position["avgPrice"]) == (
        "0.1",
        "long",
        "89500.1",
    )
    assert (position["positionStatus"], position["holdMode"]) == ("opening", "one_way_mode")
    coins = {coin["coin"]: coin for coin in account["coin"]}
    assert coins["USDT"]["locked"] == "88"
    assert coins["BTC"] | {"usdValue": ""} == {
        "coin": "BTC",
        "balance": "10",
        "locked": "0",
        "equity": "10",
        "usdValue": "",
        "available": "10",
        "borrow": "0",
        "debts": "0",
    }


async def test_a_position_that_ends_is_told_once(bitget: RunningSimulator) -> None:
    async with await enter(bitget, POSITION) as ws:
        await ws.placed(market("a1", qty="0.1"))
        assert (await ws.push("position"))["size"] == "0.1"
        await ws.placed(market("a2", qty="0.1", side="sell", reduceOnly="yes"))
        ended = await ws.push("position")
    assert (ended["size"], ended["positionStatus"]) == ("0", "ended")


async def test_balances_are_told_when_they_change(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ACCOUNT) as ws:
        await ws.push("account")
        await ws.placed(order("a1"))
        told = {coin["coin"]: coin for coin in (await ws.push("account"))["coin"]}
    usdt = told["USDT"]
    assert (usdt["balance"], usdt["available"], usdt["locked"]) == ("1000000", "999912", "88")


async def test_unsubscribed_is_unheard(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, FILL) as ws:
        await ws.send({"op": "unsubscribe", "args": [ORDER]})
        await ws.until(lambda frame: frame.get("event") == "unsubscribe")
        await ws.placed(market("a1"))
        await ws.push("fill")
        assert ws.pushed("order") == []
        await ws.send({"op": "unsubscribe", "args": [FILL]})
        await ws.until(lambda frame: frame["arg"] == FILL and frame.get("event") == "unsubscribe")
        assert bitget.control.connections()[0]["role"] == "trade"


async def test_subscribing_twice_is_pushed_once(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, ORDER) as ws:
        await ws.placed(order("a1"))
        await ws.settled()
        assert len(ws.pushed("order")) == 1


async def test_another_account_hears_nothing(bitget: RunningSimulator) -> None:
    keys = bitget.control.create_account("t1", venue="bitget")
    async with await enter(bitget, ORDER, keys=keys) as other, await enter(bitget) as ws:
        order_id = await ws.placed(order("a1"))
        assert (await other.call("cancel-order", {"orderId": order_id}))["code"] == "25204"
        await other.settled()
        assert other.pushed("order") == []
        await other.placed(order("a1"))


async def test_a_gone_connection_is_forgotten(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, POSITION):
        pass
    await eventually(lambda: bitget.control.connections() == [])
    async with await enter(bitget, ORDER) as ws:
        await ws.placed(order("a1"))
        assert (await ws.push())["orderStatus"] == "live"


# Public.


async def test_the_top_of_a_book_follows_the_market(bitget: RunningSimulator) -> None:
    async with await dial(bitget, "public") as ws:
        await ws.subscribe(BOOK)
        first = await ws.next()
        assert (first["action"], first["arg"]) == ("snapshot", BOOK)
        (book,) = first["data"]
        assert (book["a"], book["b"]) == ([["89500.1", "50"]], [["89500", "50"]])
        # What changes nothing at the top is not pushed.
        bitget.control.place_order("bitget-demo", "BTCUSDT", "buy", "0.5", price="88000")
        await ws.settled()
        bitget.control.move("BTCUSDT", "89600")
        (after,) = (await ws.next())["data"]
        assert (after["b"][0][0], after["pseq"]) == ("89600", book["seq"])


async def test_full_books_tell_changes_alone(bitget: RunningSimulator) -> None:
    async with await dial(bitget, "public") as ws:
        await ws.subscribe(BOOK | {"topic": "books"})
        (book,) = (await ws.next())["data"]
        assert (len(book["a"]), len(book["b"])) == (25, 25)
        bitget.control.place_order("bitget-demo", "BTCUSDT", "buy", "0.5", price="89500")
        frame = await ws.next()
        assert (frame["action"], frame["data"][0]["b"]) == ("update", [["89500", "50.5"]])
        assert frame["data"][0]["a"] == []


async def test_tickers_and_trades_of_spot(bitget: RunningSimulator) -> None:
    ticker = {"instType": "spot", "topic": "ticker", "symbol": "BTCUSDT"}
    async with await dial(bitget, "public") as ws:
        await ws.subscribe(ticker, ticker | {"topic": "publicTrade"})
        assert ws.pushed("ticker")[0]["ask1Price"] == "89500.01"
        bitget.control.trade("BTCUSDT_SPBL", "buy", "0.5")
        trade = await ws.push("publicTrade")
        assert (trade["p"], trade["v"], trade["S"]) == ("89500.01", "0.5", "buy")


@pytest.mark.parametrize(
    "arg",
    [
        BOOK | {"symbol": "DOGEUSDT"},
        BOOK | {"instType": "usdc-futures"},
        BOOK | {"topic": "books3"},
        ORDER,
    ],
)
async def test_what_is_not_public(bitget: RunningSimulator, arg: Frame) -> None:
    async with await dial(bitget, "public") as ws:
        await ws.send({"op": "subscribe", "args": [arg]})
        reply = await ws.next()
        assert (reply["event"], reply["code"]) == ("error", 30001)
        assert (await ws.login(DEMO))["code"] == 30003
