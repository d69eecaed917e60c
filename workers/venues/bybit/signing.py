"""Signatures of REST calls and of the login; orders by WebSocket are not signed one by one.

"Integration guidance", "Authentication" and "WebSocket Trade", read 2026-07.
"""

from dataclasses import replace

import orjson

from workers.venue import Credentials, RestRequest
from workers.venues.keys import hmac_sha256_hex, is_pem, rsa_base64

#: How long a request without an expiry of its own (a cancel, a query) is good for.
WINDOW_MS = 5_000
_LOGIN_FOR_MS = 10_000


def signature(secret: str, payload: str) -> str:
    """Return what proves that the holder of ``secret``, shared or an RSA key, says ``payload``.

    Raises:
        ConfigError: If the secret is a PEM text, but no private RSA key.
    """
    return rsa_base64(secret, payload) if is_pem(secret) else hmac_sha256_hex(secret, payload)


def window(expires_ms: int, now_ms: int) -> tuple[int, int]:
    """Return timestamp and recv_window that together end at ``expires_ms``; 0 has no expiry.

    Bybit refuses (10002) what it gets later than both added up, or a second before the timestamp.
    """
    if not expires_ms:
        return now_ms, WINDOW_MS
    at_ms = min(now_ms, expires_ms - 1)
    return at_ms, expires_ms - at_ms


def sign_rest(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Return ``request`` with the headers that prove who sends it: query or body, exactly."""
    at_ms, window_ms = window(request.expires_ms, now_ms)
    payload = request.body or request.path.partition("?")[2]
    text = f"{at_ms}{credentials.key}{window_ms}{payload}"
    headers = {
        **request.headers,
        "X-BAPI-API-KEY": credentials.key,
        "X-BAPI-TIMESTAMP": str(at_ms),
        "X-BAPI-RECV-WINDOW": str(window_ms),
        "X-BAPI-SIGN": signature(credentials.secret, text),
    }
    return replace(request, headers=headers)


def login_frame(credentials: Credentials, now_ms: int) -> str:
    """Return the login, the same for the trade and the private socket."""
    expires_ms = now_ms + _LOGIN_FOR_MS
    sign = signature(credentials.secret, f"GET/realtime{expires_ms}")
    return orjson.dumps({"op": "auth", "args": [credentials.key, expires_ms, sign]}).decode()
