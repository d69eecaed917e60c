"""Signatures of REST calls and of the WebSocket login."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import orjson

from workers.venue import Credentials, RestRequest

_WS_PATH = "GET/users/self/verify"


def signature(secret: str, text: str) -> str:
    """Return Base64(HMAC-SHA256(secret, text)): OKX v5 documents, "Signature", read 2026-11."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def timestamp(now_ms: int) -> str:
    """Return ``now_ms`` as REST wants it: ``2020-12-08T09:08:57.715Z``."""
    seconds, ms = divmod(now_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def sign_rest(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Return ``request`` with the headers that prove who sends it; valid for 30 s."""
    when = timestamp(now_ms)
    text = f"{when}{request.method}{request.path}{request.body}"
    headers = {
        **request.headers,
        "OK-ACCESS-KEY": credentials.key,
        "OK-ACCESS-SIGN": signature(credentials.secret, text),
        "OK-ACCESS-TIMESTAMP": when,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase,
    }
    return RestRequest(request.method, request.path, request.body, headers)


def login_frame(credentials: Credentials, now_ms: int) -> str:
    """Return the login frame; its timestamp is epoch seconds and it is valid for 30 s."""
    when = str(now_ms // 1000)
    login = {
        "apiKey": credentials.key,
        "passphrase": credentials.passphrase,
        "timestamp": when,
        "sign": signature(credentials.secret, when + _WS_PATH),
    }
    return orjson.dumps({"op": "login", "args": [login]}).decode()
