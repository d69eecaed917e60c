"""Subscriptions, and the frames that have an ``event``: login, subscription, errors, notices.

A refusal names the frame that it refuses only by the ``id`` that we gave it, or by the request
quoted inside its text. So each subscription carries an id that starts with ``sub``; ids of
orders are hex digits and never do.
"""

import re
from collections.abc import Sequence

import orjson

from router.enums import RequestKind
from router.instruments import Instrument
from workers.venue import (
    Answer,
    ClosingSoon,
    Credentials,
    LoggedIn,
    LoginRefused,
    Proof,
    Subscribed,
    SubscriptionRefused,
    Unreadable,
    VenueEvent,
)
from workers.venues.codes import refusal
from workers.venues.commands import portions
from workers.venues.fields import Item, quoted_object, said
from workers.venues.okx.words import CODES, KIND_OF_OP, LOGIN_RETRY, SUBSCRIPTION

PRIVATE_CHANNELS = ("orders:ANY", "account", "positions:ANY")
_BOOK = "bbo-tbt"
#: The sum of one frame's args may be 64 KB ("Subscribe", read 2026-11); 200 books are 11 KB.
_BOOKS_A_FRAME = 200
_SUB_ID = "sub"
_FULL_NAME = {name.partition(":")[0]: name for name in PRIVATE_CHANNELS}
_REQUEST_ID = re.compile(r'\\*"id\\*"\s*:\s*\\*"([A-Za-z0-9]{1,32})\\*"')
_NAMED_CHANNEL = re.compile(r"channel:\s*([\w-]+)(?:,\s*instId:\s*([\w-]+))?")


def _id_of(channel: str) -> str:
    return _SUB_ID + re.sub(r"\W", "", channel)


_CHANNEL_OF_ID = {_id_of(name): name for name in PRIVATE_CHANNELS}


def subscribe(channels: Sequence[str], credentials: Credentials, now_ms: int) -> list[str]:
    """Return one frame for each channel, so that a refusal names its channel."""
    return [_frame(_id_of(one), "subscribe", [_arg(one)]) for one in channels]


def books(op: str, instruments: Sequence[Instrument]) -> list[str]:
    """Return the frames that subscribe to or unsubscribe from these best-price channels."""
    args = [{"channel": _BOOK, "instId": one.venue_symbol} for one in instruments]
    return [_frame(f"{_SUB_ID}books", op, some) for some in portions(args, _BOOKS_A_FRAME)]


def _frame(request_id: str, op: str, args: Sequence[dict[str, str]]) -> str:
    return orjson.dumps({"id": request_id, "op": op, "args": args}).decode()


def _arg(channel: str) -> dict[str, str]:
    name, _, scope = channel.partition(":")
    return {"channel": name, "instType": scope} if scope else {"channel": name}


def _channel_of(arg: object) -> str:
    """Return our text of a channel: ``orders:ANY``, ``account``, ``bbo-tbt:BTC-USDT``."""
    if type(arg) is not dict:
        return ""
    scope = said(arg, "instId") or said(arg, "instType")
    return f"{said(arg, 'channel')}:{scope}" if scope else said(arg, "channel")


def read_event(frame: Item, text: str) -> list[VenueEvent]:
    """Return what a frame with an ``event`` says; [] for those that change nothing."""
    event = frame.get("event")
    reader = _READERS.get(event) if type(event) is str else None
    return reader(frame, text) if reader else [Unreadable(f"unknown event {event!r:.60}", text)]


def _subscribed(frame: Item, text: str) -> list[VenueEvent]:
    channel = _channel_of(frame.get("arg"))
    return [Subscribed(channel)] if channel else [Unreadable("subscribed to what?", text)]


def _login(frame: Item, text: str) -> list[VenueEvent]:
    return [LoggedIn()] if said(frame, "code") == "0" else _error(frame, text)


def _too_many(frame: Item, text: str) -> list[VenueEvent]:
    name = said(frame, "channel")
    reason = f"over the limit of connections, connCount {said(frame, 'connCount')}"
    return [SubscriptionRefused(_FULL_NAME.get(name, name), reason)]


def _notice(frame: Item, text: str) -> list[VenueEvent]:
    reason = _reason(frame)
    if said(frame, "code") == "64008":
        return [ClosingSoon(reason)]
    return [Unreadable(f"notice {reason}", text)]


def _nothing(frame: Item, text: str) -> list[VenueEvent]:
    return []


def _error(frame: Item, text: str) -> list[VenueEvent]:
    code, message = said(frame, "code"), said(frame, "msg")
    request = quoted_object(message)
    op = said(request, "op")
    if op == "login" or "passphrase" in text:
        # The venue quotes the refused login, secrets and all: it must not reach a log.
        return [LoginRefused(f"{code} the login request was not understood", fatal=True)]
    named = _REQUEST_ID.search(message)
    request_id = said(frame, "id") or said(request, "id") or (named.group(1) if named else "")
    if op == "subscribe" or request_id.startswith(_SUB_ID):
        return _refused_channels(frame, request, request_id, text)
    if request_id:
        return _refused_items(frame, request, request_id)
    if code in SUBSCRIPTION:
        return _refused_channels(frame, request, request_id, text)
    if code in LOGIN_RETRY or CODES.proof(code, None, Proof.UNKNOWN) is Proof.LOCKED_OUT:
        return [LoginRefused(_reason(frame), fatal=code not in LOGIN_RETRY)]
    return [Unreadable(f"error {_reason(frame)}", text)]


def _refused_items(frame: Item, request: Item, request_id: str) -> list[VenueEvent]:
    """Return an answer for each order that the error quotes, or one for all if it quotes none."""
    code = said(frame, "code")
    kind = KIND_OF_OP.get(said(request, "op"), RequestKind.CREATE)
    verdict = refusal(code, said(frame, "msg"), CODES.proof(code, kind, Proof.UNKNOWN))
    args = request.get("args")
    items = [arg for arg in args if type(arg) is dict] if type(args) is list else []
    if not items:
        return [Answer(request_id, verdict, whole=True)]
    return [
        Answer(request_id, verdict, said(item, "clOrdId"), said(item, "ordId"), index)
        for index, item in enumerate(items)
    ]


def _refused_channels(frame: Item, request: Item, request_id: str, text: str) -> list[VenueEvent]:
    args = request.get("args")
    quoted = [name for name in map(_channel_of, args) if name] if type(args) is list else []
    named = _NAMED_CHANNEL.search(said(frame, "msg"))
    if request_id in _CHANNEL_OF_ID:
        channels = [_CHANNEL_OF_ID[request_id]]
    elif named is not None and not quoted:
        name, scope = named.groups()
        channels = [f"{name}:{scope}" if scope else _FULL_NAME.get(name, name)]
    else:
        channels = quoted or ([_BOOK] if request_id else [])
    reason = _reason(frame)
    if not channels:
        return [Unreadable(f"error {reason}", text)]
    return [SubscriptionRefused(channel, reason) for channel in channels]


def _reason(frame: Item) -> str:
    return f"{said(frame, 'code')} {said(frame, 'msg') or 'no text given'}".strip()


_READERS = {
    "subscribe": _subscribed,
    "login": _login,
    "error": _error,
    "notice": _notice,
    "channel-conn-count-error": _too_many,
    "channel-conn-count": _nothing,
    "unsubscribe": _nothing,
}
