"""The futures' WebSocket API: envelopes, signatures, sessions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from simulator.binance.codes import Problem
from simulator.binance.signing import check_query, check_words
from simulator.client import AccountKeys
from simulator.exchange.accounts import Account
from simulator.exchange.instruments import ONE
from simulator.server import RunningSimulator
from tests.simulator.binance_client import (
    FUTURES,
    Api,
    Rest,
    ed25519_pair,
    ed25519_signed,
    hmac_hex,
    now_ms,
    open_api,
    order,
    still_ms,
)


def account(secret: str) -> Account:
    return Account("a", "1", "KEY", secret, "", ONE)


def test_the_sheets_websocket_signature_is_taken() -> None:
    given = {
        "apiKey": "KEY",
        "newClientOrderId": "cid-1",
        "newOrderRespType": "RESULT",
        "price": "50000.1",
        "quantity": "0.001",
        "recvWindow": "5000",
        "side": "BUY",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "timestamp": "1795385480782",
        "type": "LIMIT",
        "signature": "faa2e6593b4ae0d9d23ca54f46ab7dc4e6ebe0e38c3048a4fbaa0623e5c82613",
    }
    check_words(account("SECRET"), given)
    check_words(account("SECRET"), given | {"signature": given["signature"].upper()})
    with pytest.raises(Problem, match="-1022"):
        check_words(account("SECRET"), given | {"price": "50000.2"})


def test_the_sheets_rest_signature_is_taken_wherever_the_parameters_stand() -> None:
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
    )
    signature = "signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    check_query(account(secret), f"{payload}&{signature}", "")
    check_query(account(secret), "", f"{payload}&{signature}")
    check_query(account(secret), payload[:30], f"{payload[30:]}&{signature}")
    with pytest.raises(Problem, match="-1022"):
        check_query(account(secret), f"{payload}0&{signature}", "")


@pytest.mark.parametrize("request_id", ["a-1", 7, None, ""])
async def test_the_id_comes_back_as_it_was(usdm: RunningSimulator, request_id: Any) -> None:
    async with await open_api(usdm) as api:
        await api.send({"id": request_id, "method": "time"})
        reply = await api.next()
        assert (reply["id"], reply["status"]) == (request_id, 200)
        assert abs(reply["result"]["serverTime"] - now_ms()) < 5000


async def test_rate_limits_come_with_every_reply_unless_they_are_not_wanted(
    timeless: RunningSimulator,
) -> None:
    async with await open_api(timeless) as api:
        api.time_ms = still_ms
        placed = await api.call("order.place", order("a1"))
        shown = [(row["rateLimitType"], row["limit"], row["count"]) for row in placed["rateLimits"]]
        assert shown == [("REQUEST_WEIGHT", 2400, 5), ("ORDERS", 300, 1), ("ORDERS", 1200, 1)]
        canceled = await api.call("order.cancel", symbol="BTCUSDT", origClientOrderId="a1")
        assert [row["rateLimitType"] for row in canceled["rateLimits"]] == ["REQUEST_WEIGHT"]
        failed = await api.call("order.cancel", symbol="BTCUSDT", origClientOrderId="a1")
        assert failed["rateLimits"][0]["count"] == 7
        bare = await api.call("order.place", order("a2"), returnRateLimits="false")
        assert "rateLimits" not in bare
    async with await open_api(timeless, query="?returnRateLimits=false") as api:
        api.time_ms = still_ms
        assert "rateLimits" not in await api.call("order.place", order("a3"))


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", '{"id":1}', '{"id":{},"method":"time"}', '{"method":"time","params":[1]}'],
)
async def test_what_is_no_request_gets_an_error_without_id(
    usdm: RunningSimulator, text: str
) -> None:
    async with await open_api(usdm) as api:
        await api.send(text)
        reply = await api.next()
        assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 400, -1135)
        assert (await api.unsigned("time"))["status"] == 200


async def test_unknown_methods_are_refused(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        assert (await api.call("order.cancelAll"))["status"] == 400


async def test_numbers_and_booleans_may_be_text_or_not(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1"), recvWindow="5000")
        for order_id in (placed["orderId"], str(placed["orderId"])):
            found = await api.result("order.status", symbol="BTCUSDT", orderId=order_id)
            assert found["clientOrderId"] == "a1"
        params = {**order("a2"), "apiKey": FUTURES.api_key, "timestamp": now_ms()}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        text = text.replace("&price", "&newOrderRespType=ACK&price")
        params |= {"newOrderRespType": "ACK", "signature": hmac_hex(FUTURES.secret, text)}
        assert (await api.reply(await api.post("order.place", params)))["status"] == 200


async def test_a_signature_over_percent_encoded_values_is_taken(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        params = {**order("a:1/b"), "apiKey": FUTURES.api_key, "timestamp": now_ms()}
        text = "&".join(f"{name}={quote(str(params[name]), safe='')}" for name in sorted(params))
        params["signature"] = hmac_hex(FUTURES.secret, text)
        reply = await api.reply(await api.post("order.place", params))
        assert reply["result"]["clientOrderId"] == "a:1/b"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"timestamp": now_ms() - 60_000}, 400, -1021),
        ({"timestamp": now_ms() + 3_600_000}, 400, -1021),
        ({"timestamp": ""}, 400, -1102),
        ({"recvWindow": 60_001}, 400, -1131),
        ({"apiKey": "nobody"}, 401, -2015),
        ({"apiKey": ""}, 401, -2014),
    ],
)
async def test_who_and_when(
    usdm: RunningSimulator, changed: dict[str, Any], status: int, code: int
) -> None:
    async with await open_api(usdm) as api:
        reply = await api.reply(await api.post("order.place", api.signed(order("a1"), **changed)))
        assert (reply["status"], reply["error"]["code"]) == (status, code)
    (row,) = usdm.control.ledger().requests
    assert (row["code"], row["processed"]) == (str(code), code in (-1102, -1131))
    assert usdm.control.ledger().orders == []


async def test_a_wrong_signature(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        params = api.signed(order("a1")) | {"price": "88001"}
        reply = await api.reply(await api.post("order.place", params))
        assert (reply["status"], reply["error"]["code"]) == (400, -1022)


async def test_a_request_just_inside_its_window_is_taken(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        early = await api.call("order.place", order("a1"), timestamp=now_ms() + 500)
        late = await api.call(
            "order.place", order("a2"), timestamp=now_ms() - 20_000, recvWindow=60_000
        )
        assert (early["status"], late["status"]) == (200, 200)


async def test_logon_with_an_ed25519_key(usdm: RunningSimulator) -> None:
    key, public = ed25519_pair()
    keys = usdm.control.create_account("ed", public_key=public, balances={"USDT": "1000000"})
    logon = ed25519_signed(key, {"apiKey": keys.api_key, "timestamp": now_ms()})
    async with await open_api(usdm, keys) as api:
        assert (await api.unsigned("session.status"))["result"]["apiKey"] is None
        unsigned = await api.unsigned("order.place", **order("a0"), timestamp=now_ms())
        assert unsigned["error"]["code"] == -2014
        shown = (await api.unsigned("session.logon", **logon))["result"]
        assert shown["apiKey"] == keys.api_key
        assert shown["authorizedSince"] >= shown["connectedSince"]
        placed = await api.unsigned("order.place", **order("a1"), timestamp=now_ms())
        assert placed["status"] == 200
        timeless = await api.unsigned("order.place", **order("a2"))
        assert timeless["error"]["code"] == -1102
        # A key and signature of its own override the logon.
        api.keys = FUTURES
        assert (await api.call("order.place", order("a3")))["status"] == 200
        assert (await api.unsigned("session.logout"))["result"]["authorizedSince"] is None
        assert (await api.unsigned("order.place", **order("a4"), timestamp=now_ms()))[
            "status"
        ] != 200
    async with await open_api(usdm, keys) as api:
        assert (await api.unsigned("session.status"))["result"]["apiKey"] is None
    owners = {row["client_id"]: row["account"] for row in usdm.control.ledger().orders}
    assert owners == {"a1": "ed", "a3": FUTURES.name}


async def test_requests_signed_by_an_ed25519_key(usdm: RunningSimulator) -> None:
    key, public = ed25519_pair()
    keys = usdm.control.create_account("ed", public_key=public, balances={"USDT": "1000000"})
    async with await open_api(usdm, keys) as api:
        params = {**order("a1"), "apiKey": keys.api_key, "timestamp": now_ms()}
        signed = ed25519_signed(key, params)
        assert (await api.reply(await api.post("order.place", signed)))["status"] == 200
        wrong = signed | {"price": "88001"}
        assert (await api.reply(await api.post("order.place", wrong)))["error"]["code"] == -1022


async def test_logon_with_an_hmac_key_is_refused(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        reply = await api.call("session.logon")
        assert (reply["status"], reply["error"]["code"]) == (401, -2015)


async def test_listen_keys_need_the_api_key_only(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api:
        key = {"apiKey": FUTURES.api_key}
        started = await api.unsigned("userDataStream.start", **key)
        assert started["result"] == futures.keyed("POST", "/fapi/v1/listenKey")
        assert (await api.unsigned("userDataStream.ping", **key))["result"] == started["result"]
        assert (await api.unsigned("userDataStream.stop", **key))["result"] == {}
        assert (await api.unsigned("userDataStream.ping", **key))["error"]["code"] == -1125
        assert futures.keyed("PUT", "/fapi/v1/listenKey")["code"] == -1125


async def test_account_and_market_queries(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        await api.call("order.place", order("a1", type="MARKET", price=None, timeInForce=None))
        for version in ("", "v2/"):
            (balance,) = (await api.call(f"{version}account.balance"))["result"]
            (position,) = (await api.call(f"{version}account.position"))["result"]
            status = await api.result(f"{version}account.status")
            assert balance["asset"] == "USDT"
            assert (position["symbol"], position["positionAmt"]) == ("BTCUSDT", "0.01")
            assert status["positions"][0]["positionAmt"] == "0.01"
        quote = await api.unsigned("ticker.book", symbol="BTCUSDT")
        assert (quote["result"]["bidPrice"], quote["result"]["askPrice"]) == (
            "89500.00",
            "89500.10",
        )
        assert (await api.unsigned("depth", symbol="BTCUSDT", limit=5))["result"]["bids"][0][0]
        assert (await api.unsigned("ticker.price", symbol="NOUSDT"))["error"]["code"] == -1121


async def test_accounts_do_not_see_each_other(usdm: RunningSimulator) -> None:
    other = AccountKeys("other", "other-key", "other-secret", "")
    usdm.control.create_account("other", balances={"USDT": "1000"})
    async with await open_api(usdm) as api, await open_api(usdm, other) as stranger:
        placed = await api.result("order.place", order("a1"))
        for name, value in (("orderId", placed["orderId"]), ("origClientOrderId", "a1")):
            found = await stranger.call("order.status", {"symbol": "BTCUSDT", name: value})
            assert found["error"]["code"] == -2013
            ended = await stranger.call("order.cancel", {"symbol": "BTCUSDT", name: value})
            assert ended["error"]["code"] == -2011


async def test_api_sockets_are_known_by_account_and_role(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        assert isinstance(api, Api)
        await api.call("account.status")
        (row,) = usdm.control.connections()
        assert (row["role"], row["account"], row["venue"]) == (
            "trade",
            FUTURES.name,
            "binance-usdm",
        )
