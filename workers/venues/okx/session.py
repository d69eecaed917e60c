"""Subscriptions, and the frames that have an ``event``: login, subscription, errors, notices.

A refusal names the frame that it refuses only by the ``id`` that we gave it, or by the request
quoted inside its text. So each subscription carries an id that starts with ``sub``; ids of
orders are hex digits and never do.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from router.enums import RequestKind
from workers.venue import (
    Answer,
    ClosingSoon,
    LoggedIn,
    LoginRefused,
    Proof,
    Subscribed,
    SubscriptionRefused,
    Unreadable,
    VenueEvent,
)
from workers.venues.okx.answers import OPS, proof, refusal

Frame = Mapping[str, Any]

PRIVATE_CHANNELS = ("orders:ANY", "account", "positions:ANY")
BOOK = "bbo-tbt"
#: The sum of one frame's args may be 64 KB ("Subscribe", read 2026-11); 200 books are 11 KB.
_BOOKS_A_FRAME = 200
_SUB_ID = "sub"
_CHANNEL_OF_ID = {_SUB_ID + re.sub(r"\W", "", name): name for name in PRIVATE_CHANNELS}
_FULL_NAME = {name.partition(":")[0]: name for name in PRIVATE_CHANNELS}
_REQUEST_ID = re.compile(r'\\*"id\\*"\s*:\s*\\*"([A-Za-z0-9]{1,32})\\*"')
_NAMED_CHANNEL = re.compile(r"channel:\s*([\w-]+)(?:,\s*instId:\s*([\w-]+))?")

#: Login refusals that other keys would not cure: clock, pace, order of frames, venue's own error.
_LOGIN_RETRY = frozenset({"50102", "60004", "60006", "60011", "60023", "60031", "63999"})
_LOGIN_FATAL = frozenset({"60005", "60007", "60008", "60009", "60024", "60032"})
_SUBSCRIPTION = frozenset({"60018", "60028", "64001", "64002", "64003"})


def subscribe(channels: Sequence[str]) -> list[str]:
    """Return one frame for each channel, so that a refusal names its channel."""
    return [
        _frame(_SUB_ID + re.sub(r"\W", "", channel), "subscribe", [_arg(channel)])
        for channel in channels
    ]


def books(op: str, venue_symbols: Sequence[str]) -> list[str]:
    """Return the frames that subscribe to or unsubscribe from these best-price channels."""
    parts = range(0, len(venue_symbols), _BOOKS_A_FRAME)
    return [
        _frame(f"{_SUB_ID}books", op, [_arg(f"{BOOK}:{name}") for name in some])
        for some in (venue_symbols[start : start + _BOOKS_A_FRAME] for start in parts)
    ]


def _frame(request_id: str, op: str, args: list[dict[str, str]]) -> str:
    return orjson.dumps({"id": request_id, "op": op, "args": args}).decode()


def _arg(channel: str) -> dict[str, str]:
    name, _, scope = channel.partition(":")
    if not scope:
        return {"channel": name}
    return {"channel": name, "instId" if name == BOOK else "instType": scope}


def channel_of(arg: object) -> str:
    """Return our text of a channel: ``orders:ANY``, ``account``, ``bbo-tbt:BTC-USDT``."""
    if type(arg) is not dict:
        return ""
    scope = _text(arg, "instId") or _text(arg, "instType")
    return f"{_text(arg, 'channel')}:{scope}" if scope else _text(arg, "channel")


def read_event(frame: Frame, text: str) -> list[VenueEvent]:
    """Return what a frame with an ``event`` says; [] for those that change nothing."""
    event = frame.get("event")
    reader = _READERS.get(event) if type(event) is str else None
    return reader(frame, text) if reader else [Unreadable(f"unknown event {event!r:.60}", text)]


def _subscribed(frame: Frame, text: str) -> list[VenueEvent]:
    channel = channel_of(frame.get("arg"))
    return [Subscribed(channel)] if channel else [Unreadable("subscribed to what?", text)]


def _login(frame: Frame, text: str) -> list[VenueEvent]:
    return [LoggedIn()] if _text(frame, "code") == "0" else _error(frame, text)


def _too_many(frame: Frame, text: str) -> list[VenueEvent]:
    name = _text(frame, "channel")
    reason = f"over the limit of connections, connCount {_text(frame, 'connCount')}"
    return [SubscriptionRefused(_FULL_NAME.get(name, name), reason)]


def _notice(frame: Frame, text: str) -> list[VenueEvent]:
    reason = _reason(frame)
    if _text(frame, "code") == "64008":
        return [ClosingSoon(reason)]
    return [Unreadable(f"notice {reason}", text)]


def _nothing(frame: Frame, text: str) -> list[VenueEvent]:
    return []


def _error(frame: Frame, text: str) -> list[VenueEvent]:
    code, message = _text(frame, "code"), _text(frame, "msg")
    request = _quoted_request(message)
    op = _text(request, "op")
    if op == "login" or "passphrase" in text:
        # The venue quotes the refused login, secrets and all: it must not reach a log.
        return [LoginRefused(f"{code} the login request was not understood", fatal=True)]
    named = _REQUEST_ID.search(message)
    request_id = _text(frame, "id") or _text(request, "id") or (named.group(1) if named else "")
    if op == "subscribe" or request_id.startswith(_SUB_ID):
        return _refused_channels(frame, request, request_id, text)
    if request_id:
        return _refused_items(frame, request, request_id)
    if code in _SUBSCRIPTION:
        return _refused_channels(frame, request, request_id, text)
    if code in _LOGIN_RETRY or code in _LOGIN_FATAL or code.startswith("501"):
        return [LoginRefused(_reason(frame), fatal=code not in _LOGIN_RETRY)]
    return [Unreadable(f"error {_reason(frame)}", text)]


def _quoted_request(message: str) -> dict[str, Any]:
    """Return the request that an error quotes in its text; {} if none can be read."""
    start = message.find("{")
    if start < 0:
        return {}
    try:
        request, _ = json.JSONDecoder().raw_decode(message, start)
    except (ValueError, RecursionError):  # not JSON, a number of 5,000 digits, endless nesting
        return {}
    return request if type(request) is dict else {}


def _refused_items(frame: Frame, request: Frame, request_id: str) -> list[VenueEvent]:
    """Return an answer for each order that the error quotes, or one for all if it quotes none."""
    code = _text(frame, "code")
    kind = OPS.get(_text(request, "op"), RequestKind.CREATE)
    verdict = refusal(code, _text(frame, "msg"), proof(code, kind, Proof.UNKNOWN))
    args = request.get("args")
    items = [arg for arg in args if type(arg) is dict] if type(args) is list else []
    if not items:
        return [Answer(request_id, verdict, whole=True)]
    return [
        Answer(request_id, verdict, _text(item, "clOrdId"), _text(item, "ordId"), index)
        for index, item in enumerate(items)
    ]


def _refused_channels(frame: Frame, request: Frame, request_id: str, text: str) -> list[VenueEvent]:
    args = request.get("args")
    quoted = [name for name in map(channel_of, args) if name] if type(args) is list else []
    named = _NAMED_CHANNEL.search(_text(frame, "msg"))
    if request_id in _CHANNEL_OF_ID:
        channels = [_CHANNEL_OF_ID[request_id]]
    elif named is not None and not quoted:
        name, scope = named.groups()
        channels = [f"{name}:{scope}" if scope else _FULL_NAME.get(name, name)]
    else:
        channels = quoted or ([BOOK] if request_id else [])
    reason = _reason(frame)
    if not channels:
        return [Unreadable(f"error {reason}", text)]
    return [SubscriptionRefused(channel, reason) for channel in channels]


def _reason(frame: Frame) -> str:
    return f"{_text(frame, 'code')} {_text(frame, 'msg') or 'no text given'}".strip()


def _text(item: Frame, key: str) -> str:
    value = item.get(key)
    return value if type(value) is str else ""


_READERS = {
    "subscribe": _subscribed,
    "login": _login,
    "error": _error,
    "notice": _notice,
    "channel-conn-count-error": _too_many,
    "channel-conn-count": _nothing,
    "unsubscribe": _nothing,
}
