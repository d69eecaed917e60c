"""Signatures of WebSocket logins and REST requests, checked as OKX checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from simulator.exchange.accounts import Account
from simulator.okx.codes import Problem

# A login is good for 30 s, a REST timestamp too: OKX v5 documents, "Login", "Authentication".
WINDOW_MS = 30_000
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")

ByKey = Callable[[str], Account | None]


def signature(secret: str, text: str) -> str:
    """Return the Base64 HMAC-SHA256 of ``text``."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_login(argument: Mapping[str, Any], by_key: ByKey, now_ms: int) -> Account:
    """Return the account that a login argument opens.

    The timestamp may be text or an integer: several clients send a number.

    Raises:
        Problem: With the 600xx code that OKX answers.
    """
    stamp = argument.get("timestamp")
    stamp_text = str(stamp) if isinstance(stamp, (str, int)) and stamp != "" else ""
    if not re.fullmatch(r"\d+(\.\d+)?", stamp_text):
        raise Problem("60004")
    key = argument.get("apiKey")
    if not isinstance(key, str) or not key:
        raise Problem("60005")
    account = by_key(key)
    if account is None:
        raise Problem("60032")
    if abs(float(stamp_text) * 1000 - now_ms) > WINDOW_MS:
        raise Problem("60006")
    if argument.get("passphrase") != account.passphrase:
        raise Problem("60024")
    expected = signature(account.secret, stamp_text + "GET/users/self/verify")
    if not hmac.compare_digest(str(argument.get("sign", "")).encode(), expected.encode()):
        raise Problem("60007")
    return account


def check_request(
    headers: Mapping[str, str], signed: Callable[[str], str], by_key: ByKey, now_ms: int
) -> Account:
    """Return the account that a REST request acts for.

    ``signed`` gives the text to sign for a timestamp.

    Raises:
        Problem: With the 501xx code that OKX answers.
    """
    key = headers.get("OK-ACCESS-KEY", "")
    sign = headers.get("OK-ACCESS-SIGN", "")
    stamp = headers.get("OK-ACCESS-TIMESTAMP", "")
    passphrase = headers.get("OK-ACCESS-PASSPHRASE", "")
    for value, code in ((key, "50103"), (passphrase, "50104"), (sign, "50106"), (stamp, "50107")):
        if not value:
            raise Problem(code)
    if not _ISO.fullmatch(stamp):
        raise Problem("50112")
    account = by_key(key)
    if account is None:
        raise Problem("50119")
    if abs(_iso_ms(stamp) - now_ms) > WINDOW_MS:
        raise Problem("50102")
    if passphrase != account.passphrase:
        raise Problem("50105")
    if not hmac.compare_digest(sign.encode(), signature(account.secret, signed(stamp)).encode()):
        raise Problem("50113")
    return account


def _iso_ms(stamp: str) -> float:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise Problem("50112") from None
    return moment.astimezone(UTC).timestamp() * 1000
