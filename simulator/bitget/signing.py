"""Signatures of WebSocket logins and REST requests, checked as Bitget checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

from simulator.bitget.codes import Problem
from simulator.exchange.accounts import Account

# How far a timestamp may be off: Bitget documents, "Signature" (ACCESS-TIMESTAMP), 2026.
WINDOW_MS = 30_000
_SECONDS_DIGITS = 10
_DIGITS = re.compile(r"\d{10}|\d{13}")
_LOGIN_PATH = "GET/user/verify"

ByKey = Callable[[str], Account | None]


def signature(secret: str, text: str) -> str:
    """Return the Base64 HMAC-SHA256 of ``text``."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_login(argument: Mapping[str, Any], by_key: ByKey, now_ms: int) -> Account:
    """Return the account that a login argument opens.

    The timestamp is documented in seconds; milliseconds are taken too, and numbers as well as text
    (the sheet, "Login").

    Raises:
        Problem: With the 300xx code that Bitget answers.
    """
    account = by_key(str(argument.get("apiKey") or ""))
    if account is None:
        raise Problem("30011")
    if argument.get("passphrase") != account.passphrase:
        raise Problem("30012")
    stamp = str(argument.get("timestamp") or "")
    stamp_ms = _stamp_ms(stamp, "30013")
    if abs(stamp_ms - now_ms) > WINDOW_MS:
        raise Problem("30014")
    _compare(str(argument.get("sign") or ""), account.secret, stamp + _LOGIN_PATH, "30015")
    return account


def check_request(
    headers: Mapping[str, str], signed: Callable[[str], str], by_key: ByKey, now_ms: int
) -> Account:
    """Return the account that a REST request acts for.

    ``signed`` gives the text to sign for a timestamp.

    Raises:
        Problem: With the 400xx code that Bitget answers.
    """
    key = headers.get("ACCESS-KEY", "")
    sign = headers.get("ACCESS-SIGN", "")
    stamp = headers.get("ACCESS-TIMESTAMP", "")
    passphrase = headers.get("ACCESS-PASSPHRASE", "")
    for value, code in ((key, "40001"), (sign, "40003"), (stamp, "40005"), (passphrase, "40011")):
        if not value:
            raise Problem(code)
    check_age(headers, now_ms)
    account = by_key(key)
    if account is None:
        raise Problem("40006")
    if passphrase != account.passphrase:
        raise Problem("40012")
    _compare(sign, account.secret, signed(stamp), "40009")
    return account


def check_age(headers: Mapping[str, str], now_ms: int) -> None:
    """Raise 40008 if a REST request's timestamp is too far from ``now_ms``."""
    if abs(_stamp_ms(headers.get("ACCESS-TIMESTAMP", ""), "40005") - now_ms) > WINDOW_MS:
        raise Problem("40008")


def _stamp_ms(stamp: str, code: str) -> int:
    if not _DIGITS.fullmatch(stamp):
        raise Problem(code)
    return int(stamp) * (1000 if len(stamp) == _SECONDS_DIGITS else 1)


def _compare(sign: str, secret: str, text: str, code: str) -> None:
    if not hmac.compare_digest(sign.encode(), signature(secret, text).encode()):
        raise Problem(code)
