"""Signatures of WebSocket requests, of REST calls and of the logon.

An HMAC key signs each request; an Ed25519 key (a PEM text as the secret) logs a session on, after
which its requests carry the time alone. "Request security" of the WebSocket APIs, read 2026-11.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import orjson

from workers.venue import Credentials, RestRequest
from workers.venues.keys import ed25519_base64, hmac_sha256_hex, is_pem

Params = Mapping[str, str | int]

LISTEN_KEY = "/fapi/v1/listenKey"
LOGON_ID = "logon"
_MOST_WINDOW_MS = 60_000


def signature(secret: str, payload: str) -> str:
    """Return what proves that the holder of ``secret`` says ``payload``.

    Raises:
        ConfigError: If the secret is a PEM text, but no private Ed25519 key.
    """
    return ed25519_base64(secret, payload) if is_pem(secret) else hmac_sha256_hex(secret, payload)


def window(expires_ms: int, now_ms: int) -> dict[str, int]:
    """Return ``timestamp`` and ``recvWindow`` that together end at ``expires_ms``.

    Binance refuses what it gets later than both added up: "Timing security", read 2026-11.
    """
    at_ms = min(now_ms, expires_ms - 1)
    return {"timestamp": at_ms, "recvWindow": min(expires_ms - at_ms, _MOST_WINDOW_MS)}


def signed(params: Params, credentials: Credentials) -> dict[str, str | int]:
    """Return the WebSocket request's params with key and signature: of all, sorted by name."""
    full: dict[str, str | int] = {**params, "apiKey": credentials.key}
    payload = "&".join([f"{name}={full[name]}" for name in sorted(full)])
    full["signature"] = signature(credentials.secret, payload)
    return full


def logon_frame(credentials: Credentials, now_ms: int) -> str | None:
    """Return the logon; None for keys that sign each request."""
    if not is_pem(credentials.secret):
        return None
    return frame(LOGON_ID, "session.logon", signed({"timestamp": now_ms}, credentials))


def frame(request_id: str, method: str, params: Params) -> str:
    return orjson.dumps({"id": request_id, "method": method, "params": params}).decode()


def sign_rest(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Return ``request`` as its sender must send it: the query signed exactly as it is sent.

    Requests about the listenKey take the key alone.
    """
    headers = {**request.headers, "X-MBX-APIKEY": credentials.key}
    if request.path == LISTEN_KEY:
        return replace(request, headers=headers)
    times = window(request.expires_ms, now_ms) if request.expires_ms else {"timestamp": now_ms}
    path, _, query = request.path.partition("?")
    query = f"{query}&{urlencode(times)}" if query else urlencode(times)
    sign = quote(signature(credentials.secret, query), safe="")
    return replace(request, path=f"{path}?{query}&signature={sign}", headers=headers)
