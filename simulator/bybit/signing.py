"""Signatures, keys and timestamps, checked as Bybit checks them: the sheet, 2."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulator.bybit.codes import Problem
from simulator.exchange.accounts import Account

_WINDOW_MS = 5000
# A timestamp may be ahead of the venue's time by less than this.
_AHEAD_MS = 1000

ByKey = Callable[[str], Account | None]


def signature(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of ``text`` in hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Stamp(NamedTuple):
    """When a request was made and how long it is good, in milliseconds, as the client wrote them.

    Both may be numbers or text: pybit sends numbers.
    """

    timestamp: object = None
    window: object = None

    @property
    def window_ms(self) -> int:
        """Return how long the request is good."""
        return int(str(self.window)) if str(self.window).isdigit() else _WINDOW_MS

    @property
    def good_until_ms(self) -> int | None:
        """Return until when the request is good, by the venue's clock; None if it does not say."""
        made = str(self.timestamp)
        return int(made) + self.window_ms if made.isdigit() else None

    def check(self, now_ms: int) -> None:
        """Refuse what is not of this time (10002)."""
        made, span_ms = str(self.timestamp), self.window_ms
        if not made.isdigit():
            raise Problem(10001, "X-BAPI-TIMESTAMP")
        if not now_ms - span_ms <= int(made) < now_ms + _AHEAD_MS:
            times = f"req_timestamp[{made}],server_timestamp[{now_ms}],recv_window[{span_ms}]"
            raise Problem(10002, times)


def check_login(args: object, by_key: ByKey, now_ms: int) -> Account:
    """Return the account that the arguments of ``auth`` open: key, expiry, signature.

    The expiry may be a number or text, since ccxt sends text.
    """
    if not isinstance(args, list) or len(args) != 3:
        raise Problem(10001, message="Params Error")
    key, expires, sign = args
    if not str(expires).isdigit():
        raise Problem(10001, message="Params Error")
    account = by_key(str(key))
    if account is None:
        raise Problem(10003)
    # What the venue answers to an expiry in the past is not documented; this is a guess.
    if int(expires) < now_ms:
        raise Problem(10004, message="Params Error: expires is in the past")
    _check(account, f"GET/realtime{expires}", str(sign))
    return account


def check_request(
    headers: Mapping[str, str], payload: str, stamp: Stamp, by_key: ByKey, now_ms: int
) -> Account:
    """Return whose REST request this is; ``payload`` is its query or its body as it was sent."""
    key, sign = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-SIGN", "")
    if not key or not sign or not stamp.timestamp:
        # 401 where authentication is left out: the sheet, 5.
        raise Problem(10001, message="empty value: key, timestamp or signature", status=401)
    account = by_key(key)
    if account is None:
        raise Problem(10003)
    stamp.check(now_ms)
    # A window left out is left out of what is signed as well: the sheet, 8.
    _check(account, f"{stamp.timestamp}{key}{stamp.window or ''}{payload}", sign)
    return account


def _check(account: Account, text: str, sign: str) -> None:
    expected = signature(account.secret, text)
    if not hmac.compare_digest(sign.encode(), expected.encode()):
        raise Problem(10004)
