"""Signatures by RSA keys; those by HMAC are the sample's vectors."""

import base64

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from router.errors import ConfigError
from tests.venues.binance.samples import ED25519
from workers.venue import Credentials, RestRequest
from workers.venues import load

VENUE = load("bybit", "live")


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def test_an_rsa_key_signs_both_ways(key: RSAPrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    credentials = Credentials("KEY", pem)
    signed = VENUE.sign(RestRequest("GET", "/v5/x?a=1"), credentials, 7)
    login = VENUE.login(credentials, 7)
    assert login is not None
    said = {
        "7KEY5000a=1": signed.headers["X-BAPI-SIGN"],
        "GET/realtime10007": orjson.loads(login)["args"][2],
    }
    for payload, sign in said.items():
        key.public_key().verify(base64.b64decode(sign), payload.encode(), PKCS1v15(), SHA256())


def test_a_key_of_another_kind_is_refused_and_never_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        VENUE.login(ED25519, 7)
    assert "RSA" in str(caught.value)
    assert "MC4C" not in str(caught.value)
