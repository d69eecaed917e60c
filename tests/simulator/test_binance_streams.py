"""The futures' streams: user events in the order of live captures, listen keys, bookTicker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.server import RunningSimulator
from tests.simulator.binance_client import (
    FUTURES,
    Rest,
    Stream,
    market,
    open_api,
    open_stream,
    open_user,
    order,
)
from tests.simulator.raw_socket import Frame

BTC: Frame = {"symbol": "BTCUSDT"}
# Key for key as in the live captures of 2026: the sheet, A5.3 to A5.5.
NEW = (
    '{"s":"ETHUSDC","c":"web_coin_4y4b8mofbf7dqhq61p3paub","S":"BUY","o":"LIMIT","f":"GTC",'
    '"q":"0.02","p":"2313","ap":"0","sp":"0","x":"NEW","X":"NEW","i":58846010837,"l":"0","z":"0",'
    '"L":"0","n":"0","N":"USDC","T":1776788790649,"t":0,"b":"46.26","a":"0","m":false,"R":false,'
    '"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,'
    '"V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"0"}'
)
LITE_KEYS = "e E T s q p m c S L l t i"
POSITION_KEYS = {"s", "pa", "ep", "cr", "up", "mt", "iw", "ps", "ma", "bep"}


def told(stream: Stream) -> list[str]:
    """Return what a stream has heard: the event, and of orders what happened."""
    names = []
    for frame in stream.seen:
        event = frame.get("data", frame)
        if "e" in event:
            shown = event.get("o", {})
            names.append(f"{shown['x']}/{shown['X']}" if "x" in shown else event["e"])
    return names


async def test_a_resting_order_tells_new_and_canceled_only(
    usdm: RunningSimulator, futures: Rest
) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", order("a1"))
        event = await user.event()
        assert list(event) == ["e", "T", "E", "o"]
        sample: dict[str, Any] = json.loads(NEW)
        assert list(event["o"]) == list(sample)
        same = ("o", "f", "ap", "x", "X", "l", "z", "n", "t", "a", "ps", "rp", "V", "er", "wt")
        assert {name: event["o"][name] for name in same} == {name: sample[name] for name in same}
        shown = [event["o"][name] for name in ("c", "S", "q", "p", "b", "N")]
        assert shown == ["a1", "BUY", "0.01", "88000", "880", "USDT"]
        await api.result("order.cancel", BTC, origClientOrderId="a1")
        ended = await user.update()
        # Unlike spot, a cancel keeps the order's own id.
        assert (ended["x"], ended["X"], ended["c"], ended["b"]) == (
            "CANCELED",
            "CANCELED",
            "a1",
            "0",
        )
        await user.settled()
        assert told(user) == ["NEW/NEW", "CANCELED/CANCELED"]


async def test_a_maker_fill_tells_lite_account_order(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", order("a1"))
        usdm.control.fill_order("a1", amount="0.004")
        usdm.control.fill_order("a1")
        await user.update("TRADE")
        filled = await user.update("TRADE")
        fill = ["TRADE_LITE", "ACCOUNT_UPDATE"]
        assert told(user) == [
            "NEW/NEW",
            *fill,
            "TRADE/PARTIALLY_FILLED",
            *fill,
            "TRADE/FILLED",
        ]
        shown = [filled[name] for name in ("l", "z", "L", "ap", "m", "n", "N", "rp")]
        assert shown == ["0.006", "0.01", "88000", "88000", True, "0.1056", "USDT", "0"]
        lite = [frame for frame in user.seen if frame.get("e") == "TRADE_LITE"][-1]
        assert " ".join(lite) == LITE_KEYS
        assert (lite["q"], lite["p"], lite["l"], lite["m"]) == ("0.010", "88000.00", "0.006", True)
        assert lite["t"] == filled["t"] != 0
    (first, second) = usdm.control.ledger().fills_of("a1")
    assert [first["amount"], second["amount"]] == ["0.004", "0.006"]
    assert second["trade_id"] == str(filled["t"])


async def test_a_taker_hears_lite_before_new(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", market("a1"))
        filled = await user.update("TRADE")
        assert told(user) == ["TRADE_LITE", "NEW/NEW", "ACCOUNT_UPDATE", "TRADE/FILLED"]
        shown = [filled[name] for name in ("o", "f", "p", "ap", "m", "n")]
        assert shown == ["MARKET", "GTC", "0", "89500.1", False, "0.4475005"]
        (account,) = [frame for frame in user.seen if frame.get("e") == "ACCOUNT_UPDATE"]
        assert list(account["a"]) == ["B", "P", "m"]
        (wallet,), (position,) = account["a"]["B"], account["a"]["P"]
        assert wallet == {"a": "USDT", "wb": "999999.5524995", "cw": "999999.5524995", "bc": "0"}
        assert set(position) == POSITION_KEYS
        assert (position["pa"], position["ep"], position["ma"]) == ("0.01", "89500.1", "USDT")


async def test_each_match_has_its_own_trade(usdm: RunningSimulator, futures: Rest) -> None:
    usdm.control.market("BTCUSDT", bids=[], asks=[["89500.1", "0.004"], ["89500.2", "1"]])
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", market("a1"))
        first, second = await user.update("TRADE"), await user.update("TRADE")
        fill = ["TRADE_LITE", "ACCOUNT_UPDATE", "TRADE/FILLED"]
        start = ["TRADE_LITE", "NEW/NEW", "ACCOUNT_UPDATE", "TRADE/PARTIALLY_FILLED"]
        assert told(user) == [*start, *fill]
        assert first["t"] != second["t"]
        assert (first["z"], second["z"], second["ap"]) == ("0.004", "0.01", "89500.16")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timeInForce": "IOC"}, "2"),
        ({"timeInForce": "IOC", "price": "89500.1", "quantity": "2"}, "2"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": "2"}, "9"),
    ],
)
async def test_what_cannot_rest_expires_with_a_reason(
    usdm: RunningSimulator, futures: Rest, fields: Frame, reason: str
) -> None:
    usdm.control.market("BTCUSDT", bids=[["89500", "1"]], asks=[["89500.1", "1"]])
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", order("a1", **fields))
        ended = await user.update("EXPIRED")
        assert (ended["X"], ended["er"], ended["l"]) == ("EXPIRED", reason, "0")
        assert "NEW/NEW" in told(user)


@pytest.mark.parametrize(
    ("mode", "ended"),
    [("EXPIRE_MAKER", ["a1"]), ("EXPIRE_TAKER", ["a2"]), ("EXPIRE_BOTH", ["a1", "a2"])],
)
async def test_self_trades_expire_in_match(
    usdm: RunningSimulator, futures: Rest, mode: str, ended: list[str]
) -> None:
    usdm.control.market("BTCUSDT", bids=[], asks=[])
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", order("a1", side="SELL", price="89600"))
        crossing = order("a2", price="89700", selfTradePreventionMode=mode)
        await api.result("order.place", crossing)
        for client_id in ended:
            gone = await user.update("EXPIRED")
            assert (gone["c"], gone["X"], gone["er"]) == (client_id, "EXPIRED_IN_MATCH", "1")
    assert usdm.control.ledger().fills == []


async def test_without_prevention_an_account_trades_with_itself(usdm: RunningSimulator) -> None:
    usdm.control.market("BTCUSDT", bids=[], asks=[])
    async with await open_api(usdm) as api:
        await api.result("order.place", order("a1", side="SELL", price="89600"))
        both = order("a2", price="89600", selfTradePreventionMode="NONE")
        await api.result("order.place", both)
    assert {row["client_id"] for row in usdm.control.ledger().fills} == {"a1", "a2"}


async def test_changes_by_hand_are_told_as_adjustments(
    usdm: RunningSimulator, futures: Rest
) -> None:
    async with await open_user(usdm, futures) as user:
        usdm.control.set_position(FUTURES.name, "BTCUSDT", "-0.5")
        usdm.control.set_balance(FUTURES.name, "USDT", "7")
        first, second = await user.event("ACCOUNT_UPDATE"), await user.event("ACCOUNT_UPDATE")
        assert (first["a"]["m"], first["a"]["P"][0]["pa"], first["a"]["B"]) == (
            "ADJUSTMENT",
            "-0.5",
            [],
        )
        assert (second["a"]["B"][0]["wb"], second["a"]["P"]) == ("7", [])


async def test_events_of_others_are_not_told(usdm: RunningSimulator, futures: Rest) -> None:
    usdm.control.create_account("other", balances={"USDT": "1000000"})
    async with await open_user(usdm, futures) as user:
        usdm.control.place_order("other", "BTCUSDT", "buy", "0.1")
        external = usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        told_of = await user.update()
        # What its owner places by hand bears a client id of the venue's making.
        assert told_of["c"] == external["client_id"]
        assert told_of["c"].startswith("web_")
        await user.settled()
        assert told(user) == ["NEW/NEW"]


# Listen keys.


async def test_a_key_is_the_accounts_and_lives_as_long_as_it_is_kept(
    usdm: RunningSimulator, futures: Rest
) -> None:
    first = futures.keyed("POST", "/fapi/v1/listenKey")
    assert futures.keyed("POST", "/fapi/v1/listenKey") == first
    assert futures.keyed("PUT", "/fapi/v1/listenKey") == first
    assert usdm.control.expire_streams(FUTURES.name) == 1
    assert futures.keyed("PUT", "/fapi/v1/listenKey")["code"] == -1125
    assert futures.keyed("POST", "/fapi/v1/listenKey") != first


async def test_an_expired_key_is_told_and_its_stream_falls_silent(
    usdm: RunningSimulator, futures: Rest
) -> None:
    async with await open_user(usdm, futures) as user:
        key = futures.keyed("PUT", "/fapi/v1/listenKey")["listenKey"]
        usdm.control.expire_streams()
        event = await user.event("listenKeyExpired")
        assert event["listenKey"] == key
        assert event["E"].isdigit()
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        # The socket stays open, and nothing more comes.
        await user.settled()
        assert told(user) == ["listenKeyExpired"]
    async with await open_stream(usdm, f"/private/ws?listenKey={key}") as late:
        await late.settled()
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        await late.settled()
        assert told(late) == []


async def test_keys_die_of_age(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_user(usdm, futures) as user:
        usdm.control.arm("clock_skew", offset_ms=3_599_000)
        await user.settled()
        assert told(user) == []
        usdm.control.arm("clock_skew", offset_ms=3_700_000)
        await user.event("listenKeyExpired")


async def test_deleting_the_key_ends_every_consumer(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_user(usdm, futures) as one, await open_user(usdm, futures) as two:
        assert futures.keyed("DELETE", "/fapi/v1/listenKey") == {}
        assert (await one.cut(), await two.cut()) == (1000, 1000)


# Addresses.


@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("/private/ws/{}", False),
        ("/private/ws?listenKey={}", False),
        ("/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE", False),
        ("/private/stream?listenKey={}", True),
        ("/private/stream?streams={}", True),
    ],
)
async def test_every_private_address(
    usdm: RunningSimulator, futures: Rest, path: str, wrapped: bool
) -> None:
    key = futures.keyed("POST", "/fapi/v1/listenKey")["listenKey"]
    async with await open_stream(usdm, path.format(key)) as user:
        await user.settled()
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        frame = await user.until(lambda frame: frame.get("id") is None)
        assert (frame.get("stream"), "data" in frame) == ((key, True) if wrapped else (None, False))
        assert frame.get("data", frame)["o"]["x"] == "NEW"


async def test_only_the_events_asked_for_come(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_user(usdm, futures, "&events=ORDER_TRADE_UPDATE") as user:
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1")
        await user.update("TRADE")
        assert told(user) == ["NEW/NEW", "TRADE/FILLED"]


async def test_subscribing_to_a_key_as_the_official_client_does(
    usdm: RunningSimulator, futures: Rest
) -> None:
    key = futures.keyed("POST", "/fapi/v1/listenKey")["listenKey"]
    async with await open_stream(usdm, "/private/stream") as user:
        await user.send({"method": "SUBSCRIBE", "params": [key], "id": "48c2ff2a-2063"})
        assert await user.next() == {"result": None, "id": "48c2ff2a-2063"}
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        assert (await user.update())["x"] == "NEW"
        await user.send({"method": "UNSUBSCRIBE", "params": [key], "id": 2})
        await user.until(lambda frame: frame.get("id") == 2)
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        await user.settled()
        assert told(user) == ["NEW/NEW"]


@pytest.mark.parametrize("path", ["/ws/{}", "/public/ws/{}", "/market/ws/{}", "/stream?streams={}"])
async def test_a_key_on_the_wrong_address_is_silent(
    usdm: RunningSimulator, futures: Rest, path: str
) -> None:
    key = futures.keyed("POST", "/fapi/v1/listenKey")["listenKey"]
    async with await open_stream(usdm, path.format(key)) as user:
        await user.settled()
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        await user.settled()
        assert told(user) == []


@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("/public/ws/btcusdt@bookTicker", False),
        ("/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker", True),
        # An address without category behaves like /public: the sheet, A0.
        ("/ws/btcusdt@bookTicker", False),
    ],
)
async def test_book_ticker(usdm: RunningSimulator, path: str, wrapped: bool) -> None:
    async with await open_stream(usdm, path) as public:
        frame = await public.next()
        quote = frame["data"] if wrapped else frame
        assert list(quote) == ["e", "u", "E", "T", "s", "b", "B", "a", "A", "st", "ps"]
        shown = [quote[name] for name in ("s", "b", "B", "a", "A", "st", "ps")]
        assert shown == ["BTCUSDT", "89500.00", "50.000", "89500.10", "50.000", 1, "BTCUSDT"]
        assert frame.get("stream") == ("btcusdt@bookTicker" if wrapped else None)
        usdm.control.move("BTCUSDT", "89600")
        moved = await public.until(lambda frame: "89600.00" in str(frame))
        assert (moved["data"] if wrapped else moved)["u"] > quote["u"]


async def test_subscribing_to_quotes(usdm: RunningSimulator) -> None:
    async with await open_stream(usdm, "/public/ws") as public:
        await public.send({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        assert await public.next() == {"result": None, "id": 1}
        assert (await public.next())["s"] == "BTCUSDT"
        await public.send({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert (await public.next())["result"] == ["btcusdt@bookTicker"]
        await public.send({"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 3})
        assert await public.next() == {"result": None, "id": 3}
        usdm.control.move("BTCUSDT", "89600")
        await public.settled()
        assert [frame for frame in public.seen if frame.get("b") == "89600.00"] == []


@pytest.mark.parametrize("name", ["BTCUSDT@bookTicker", "nousdt@bookTicker", "btcusdt@kline_1m"])
async def test_streams_that_are_not_here_are_silent(usdm: RunningSimulator, name: str) -> None:
    async with await open_stream(usdm, f"/public/ws/{name}") as public:
        usdm.control.move("BTCUSDT", "89600")
        await public.settled()
        assert [frame for frame in public.seen if "e" in frame] == []
