"""Signatures of REST calls and of the WebSocket login; orders by WebSocket are not signed."""

import base64
import hmac
from dataclasses import replace

import orjson

from workers.venue import Credentials, RestRequest

#: A request is refused (40008) when its timestamp is further away than this: "Signature".
_VALID_MS = 30_000


def signature(secret: str, text: str) -> str:
    """Return Base64(HMAC-SHA256(secret, text))."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()


def sign_rest(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Return ``request`` with the headers that prove who sends it.

    No field of v3's bodies is documented to end a request's time, but its timestamp does: one that
    must not be acted on later than ``expires_ms`` is dated so that its 30 s are over by then.
    """
    at_ms = min(now_ms, request.expires_ms - _VALID_MS) if request.expires_ms else now_ms
    text = f"{at_ms}{request.method}{request.path}{request.body}"
    headers = {
        **request.headers,
        "ACCESS-KEY": credentials.key,
        "ACCESS-SIGN": signature(credentials.secret, text),
        "ACCESS-TIMESTAMP": str(at_ms),
        "ACCESS-PASSPHRASE": credentials.passphrase,
    }
    return replace(request, headers=headers)


def login_frame(credentials: Credentials, now_ms: int) -> str:
    """Return the login frame; its timestamp is epoch seconds."""
    when = str(now_ms // 1000)
    login = {
        "apiKey": credentials.key,
        "passphrase": credentials.passphrase,
        "timestamp": when,
        "sign": signature(credentials.secret, f"{when}GET/user/verify"),
    }
    return orjson.dumps({"op": "login", "args": [login]}).decode()
