"""Signatures; the constants were made with openssl, not with the code under test:

printf %s TEXT | openssl dgst -sha256 -hmac SECRET -binary | base64
"""

import orjson

from tests.venues.okx.samples import VENUE
from workers.venue import Credentials, RestRequest
from workers.venues.okx.signing import timestamp

KEYS = Credentials("KEY", "22582BD0CFF14C41EDBF1AB98506286D", "PASS")
WHEN = 1607418537715


def test_rest_get() -> None:
    request = RestRequest("GET", "/api/v5/account/balance?ccy=BTC", headers={"a": "b"})
    assert VENUE.sign(request, KEYS, WHEN) == RestRequest(
        "GET",
        "/api/v5/account/balance?ccy=BTC",
        "",
        {
            "a": "b",
            "OK-ACCESS-KEY": "KEY",
            "OK-ACCESS-SIGN": "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
            "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
            "OK-ACCESS-PASSPHRASE": "PASS",
        },
    )


def test_rest_post_signs_the_exact_body() -> None:
    request = RestRequest("POST", "/api/v5/trade/order", '{"instId":"BTC-USDT","sz":"1"}')
    signed = VENUE.sign(request, KEYS, WHEN)
    assert signed.headers["OK-ACCESS-SIGN"] == "TGG9gpeGW3L8JW/02jBsydBRt/UEJ3UzQ80H+KAhLEs="
    assert signed.body == request.body


def test_signing_again_replaces_the_signature() -> None:
    request = RestRequest("GET", "/api/v5/account/balance?ccy=BTC", headers={"a": "b"})
    assert VENUE.sign(VENUE.sign(request, KEYS, 0), KEYS, WHEN) == VENUE.sign(request, KEYS, WHEN)


def test_login_signs_whole_seconds() -> None:
    frame = VENUE.login(KEYS, 1704876947999)
    assert frame is not None
    [login] = orjson.loads(frame)["args"]
    assert login == {
        "apiKey": "KEY",
        "passphrase": "PASS",
        "timestamp": "1704876947",
        "sign": "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU=",
    }


def test_timestamps_always_have_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1607418537005) == "2020-12-08T09:08:57.005Z"
