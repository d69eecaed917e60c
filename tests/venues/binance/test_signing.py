"""Signatures: the sheet's vectors, and what a request carries with which key."""

import base64
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from router.errors import ConfigError
from tests.venues.binance.samples import BTC, ED25519, FUTURES, KEYS, PEM, SPOT, limit
from workers.venue import Cancel, Credentials, RestRequest, Venue
from workers.venues.binance.signing import signature, signed

#: The frames that the official SDK 18.0.1 sent, 2026-11-22, with the secret SECRET.
SDK = [
    '{"apiKey": "KEY", "newClientOrderId": "cid-1", "newOrderRespType": "RESULT", "price": "50000.1", "quantity": "0.001", "recvWindow": "5000", "side": "BUY", "symbol": "BTCUSDT", "timeInForce": "GTC", "timestamp": 1795385480782, "type": "LIMIT", "signature": "faa2e6593b4ae0d9d23ca54f46ab7dc4e6ebe0e38c3048a4fbaa0623e5c82613"}',  # noqa: E501
    '{"apiKey": "KEY", "positionSide": "BOTH", "quantity": "0.001", "reduceOnly": "true", "side": "SELL", "symbol": "BADUSDT", "timestamp": 1795385480783, "type": "MARKET", "signature": "8176a131a070279cafa3e6b2f17bb185aa19e72e57bab1c745ae7d59ac54a90e"}',  # noqa: E501
    '{"apiKey": "KEY", "origClientOrderId": "cid-1", "symbol": "BTCUSDT", "timestamp": 1795385480784, "signature": "925e5650a961d6462834b790d901fed9ad6307faa318c6d8bbddf6138a9724a8"}',  # noqa: E501
    '{"apiKey": "KEY", "orderId": "325078477", "symbol": "BTCUSDT", "timestamp": 1795385480785, "signature": "1750342e0ae0fa50407174b0fe8d5e6f63ad85f32cffd657de20c85e2c8a2e23"}',  # noqa: E501
    '{"apiKey": "KEY", "origClientOrderId": "cid-1", "price": "50001.0", "quantity": "0.002", "side": "BUY", "symbol": "BTCUSDT", "timestamp": 1795385480785, "signature": "59f2efd66d490d730e239885f41bdaded56fd2251fc14bdf80019786d9437f48"}',  # noqa: E501
    '{"apiKey": "KEY", "origClientOrderId": "cid-1", "symbol": "BTCUSDT", "timestamp": 1795385480786, "signature": "2838ddef8714822f6b54a50af56543da4ddb453b23ec2c662df258be79d2b1ef"}',  # noqa: E501
]


@pytest.mark.parametrize("text", SDK)
def test_params_are_signed_as_the_official_sdk_signs_them(text: str) -> None:
    expected = orjson.loads(text)
    bare = {name: value for name, value in expected.items() if name not in ("apiKey", "signature")}
    assert signed(bare, KEYS) == expected


def test_rest_signs_the_query_as_it_is_sent() -> None:
    """The documents' own vector, of orders by REST."""
    keys = Credentials("K", "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    request = RestRequest("POST", f"/fapi/v1/order?{query}&recvWindow=5000", headers={"a": "b"})
    sent = FUTURES.sign(request, keys, 1591702613943)
    assert sent.path == (
        f"/fapi/v1/order?{query}&recvWindow=5000&timestamp=1591702613943&signature="
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )
    assert sent.headers == {"a": "b", "X-MBX-APIKEY": "K"}
    assert (sent.method, sent.body) == ("POST", "")


def test_a_query_without_parameters_is_signed_too() -> None:
    sent = FUTURES.sign(RestRequest("GET", "/fapi/v3/balance"), KEYS, 5)
    assert sent.path.startswith("/fapi/v3/balance?timestamp=5&signature=")


def test_the_listen_key_takes_the_key_alone() -> None:
    plan = FUTURES.private_socket()
    assert plan is not None
    assert plan.ticket is not None
    sent = FUTURES.sign(plan.ticket.obtain, KEYS, 5)
    assert sent == RestRequest("POST", "/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "KEY"})


@pytest.mark.parametrize(
    ("now_ms", "timestamp", "window_ms"),
    [
        (1795385483782, 1795385483782, 2000),
        (1795385485781, 1795385485781, 1),
        (1795385485782, 1795385485781, 1),  # expired: the venue refuses it, whenever it comes
        (1795385490000, 1795385485781, 1),
        (1795385400000, 1795385400000, 60_000),  # the most that the venue takes
    ],
)
def test_timestamp_and_window_end_when_the_request_expires(
    now_ms: int, timestamp: int, window_ms: int
) -> None:
    frame = orjson.loads(FUTURES.encode("1r1", [limit()], KEYS, now_ms))["params"]
    assert (frame["timestamp"], frame["recvWindow"]) == (timestamp, window_ms)
    sent = FUTURES.sign(FUTURES.rest_command(limit()), KEYS, now_ms)
    query = parse_qs(urlsplit(sent.path).query)
    assert query["timestamp"] == [str(timestamp)]
    assert query["recvWindow"] == [str(window_ms)]


def test_a_cancel_has_the_venues_own_window() -> None:
    frame = orjson.loads(FUTURES.encode("1r1", [Cancel(BTC, "a", "")], KEYS, 5))["params"]
    assert "recvWindow" not in frame
    assert FUTURES.rest_command(Cancel(BTC, "a", "")).expires_ms == 0
    assert FUTURES.rest_command(limit()).expires_ms == limit().expires_ms


# --- Ed25519 ------------------------------------------------------------------------------------


def test_ed25519_signs_as_rfc_8032_does() -> None:
    """Section 7.1, test 2: the message is the one byte 72, an "r"."""
    expected = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert base64.b64decode(signature(PEM, "r")).hex() == expected


@pytest.mark.parametrize("venue", [FUTURES, SPOT], ids=["futures", "spot"])
def test_an_ed25519_key_logs_on_and_then_sends_the_time_alone(venue: Venue) -> None:
    text = venue.login(ED25519, 1649729878532)
    assert text is not None
    logon = orjson.loads(text)
    assert (logon["id"], logon["method"]) == ("logon", "session.logon")
    assert logon["params"] == {
        "apiKey": "KEY",
        "timestamp": 1649729878532,
        "signature": signature(PEM, "apiKey=KEY&timestamp=1649729878532"),
    }
    params = orjson.loads(venue.encode("1r1", [limit()], ED25519, 1795385483782))["params"]
    assert "timestamp" in params
    assert {"apiKey", "signature"} & set(params) == set()


def test_an_ed25519_signature_is_escaped_in_a_query() -> None:
    for now_ms in range(40):
        sent = FUTURES.sign(RestRequest("GET", "/fapi/v3/balance"), ED25519, now_ms)
        sign = sent.path.partition("&signature=")[2]
        assert not set("+/=") & set(sign)
        assert parse_qs(f"s={sign}")["s"] == [signature(PEM, f"timestamp={now_ms}")]


@pytest.mark.parametrize(
    "pem",
    [
        "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----",
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
    ],
    ids=["unreadable", "another kind"],
)
def test_a_key_that_cannot_sign_is_a_matter_of_configuration(pem: str) -> None:
    with pytest.raises(ConfigError, match="PEM") as caught:
        FUTURES.sign(RestRequest("GET", "/fapi/v3/balance"), Credentials("KEY", pem), 5)
    assert "nonsense" not in str(caught.value), "a secret is never quoted"
