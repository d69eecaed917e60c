"""Signatures, keys and timestamps, checked as Binance checks them: the sheet, A2.1."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from functools import lru_cache
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from simulator.binance.codes import Problem
from simulator.binance.params import Words, required
from simulator.exchange.accounts import Account

DEFAULT_WINDOW_MS = 5000
_LONGEST_WINDOW_MS = 60_000
# A timestamp may be ahead of the venue's time by less than this.
_AHEAD_MS = 1000
_AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")


def check_time(given: Words, now_ms: int) -> None:
    """Refuse a request from too far in the past or the future (-1021)."""
    stamp = required(given, "timestamp")
    if not stamp.isdigit():
        raise Problem(-1102, "timestamp")
    window_ms = recv_window_ms(given)
    if window_ms > _LONGEST_WINDOW_MS:
        raise Problem(-1131)
    if int(stamp) >= now_ms + _AHEAD_MS:
        raise Problem(-1021, message=_AHEAD)
    if now_ms - int(stamp) > window_ms:
        raise Problem(-1021)


def recv_window_ms(given: Words) -> float:
    """Return how long after its timestamp the request is good; spot allows three decimals."""
    window = given.get("recvWindow") or str(DEFAULT_WINDOW_MS)
    try:
        return float(window)
    except ValueError:
        raise Problem(-1102, "recvWindow") from None


def check_words(account: Account, given: Words) -> None:
    """Refuse WebSocket parameters that are not signed by the account's key (-1022).

    The text signed is every parameter but the signature, sorted by name. The official SDK signs
    percent-encoded values while it sends plain ones, hence the second try: the sheet, A2.1.
    """
    signature = required(given, "signature")
    said = sorted(given.items())
    plain = "&".join([f"{name}={value}" for name, value in said if name != "signature"])
    if _is_signed(account, plain, signature):
        return
    encoded = "&".join(
        [f"{name}={quote(value, safe='')}" for name, value in said if name != "signature"]
    )
    if not _is_signed(account, encoded, signature):
        raise Problem(-1022)


def check_query(account: Account, query: str, body: str) -> None:
    """Refuse a REST request whose text, as it was sent, is not signed by the key (-1022)."""
    found = _SIGNATURE.search(query) or _SIGNATURE.search(body)
    if found is None:
        raise Problem(-1102, "signature")
    total = _SIGNATURE.sub("", query) + _SIGNATURE.sub("", body)
    if not _is_signed(account, total, unquote(found[2])):
        raise Problem(-1022)


def _is_signed(account: Account, text: str, signature: str) -> bool:
    if account.public_key:
        return _is_ed25519(account.public_key, text, signature)
    expected = _keyed(account.secret).copy()
    expected.update(text.encode())
    return hmac.compare_digest(signature.lower().encode(), expected.hexdigest().encode())


def _is_ed25519(public_key: str, text: str, signature: str) -> bool:
    try:
        _loaded(public_key).verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, binascii.Error):
        return False
    return True


@lru_cache(maxsize=64)
def _keyed(secret: str) -> hmac.HMAC:
    return hmac.new(secret.encode(), digestmod="sha256")


@lru_cache(maxsize=64)
def _loaded(public_key: str) -> Ed25519PublicKey:
    key = load_pem_public_key(public_key.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("an account's public_key must be an Ed25519 key")
    return key
