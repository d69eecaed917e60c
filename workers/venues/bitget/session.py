"""Subscriptions, and the frames that have an ``event``: login, subscription, errors."""

from collections.abc import Sequence
from typing import Any

import orjson

from router.instruments import Instrument
from workers.venue import (
    LoggedIn,
    LoginRefused,
    Proof,
    Subscribed,
    SubscriptionRefused,
    Unreadable,
    VenueEvent,
)
from workers.venues.bitget.answers import code_of, read_operation, read_refusal
from workers.venues.bitget.words import CODES, LOGIN, LOGIN_RETRY
from workers.venues.commands import portions
from workers.venues.fields import Item, said

#: Of the whole account, all products in one.
CHANNELS = ("order", "fill", "account", "position")
_ACCOUNT = "UTA"
BOOK = "books1"
#: The channels of one frame may be 4,096 bytes long together: "Websocket intro".
_BOOKS_A_FRAME = 40


def subscribe(channels: Sequence[str]) -> list[str]:
    """Return one frame for all channels; a refusal names its own."""
    return [_frame("subscribe", [{"instType": _ACCOUNT, "topic": one} for one in channels])]


def books(op: str, instruments: Sequence[Instrument]) -> list[str]:
    """Return the frames that subscribe to or unsubscribe from these best-price channels."""
    args = [
        {
            "instType": one.venue_ids["category"].lower(),
            "topic": BOOK,
            "symbol": one.venue_symbol,
        }
        for one in instruments
    ]
    return [_frame(op, some) for some in portions(args, _BOOKS_A_FRAME)]


def _frame(op: str, args: Sequence[dict[str, str]]) -> str:
    return orjson.dumps({"op": op, "args": args}).decode()


def _channel_of(arg: object) -> str:
    """Return our text of a channel: ``order``, ``books1:spot:BTCUSDT``; "" if it names none."""
    if type(arg) is not dict:
        return ""
    topic, scope = said(arg, "topic"), said(arg, "instType")
    return topic if scope == _ACCOUNT else ":".join((topic, scope, said(arg, "symbol")))


def read_event(frame: Item, text: str) -> list[VenueEvent]:
    """Return what a frame with an ``event`` says; [] for those that change nothing."""
    event: Any = frame["event"]
    if event == "trade":
        return read_operation(frame, text)
    if event == "error":
        return _error(frame, text)
    if event == "login":
        return [LoggedIn()] if code_of(frame) == "0" else _error(frame, text)
    if event == "subscribe":
        channel = _channel_of(frame.get("arg"))
        return [Subscribed(channel)] if channel else [Unreadable("subscribed to what?", text)]
    return [] if event == "unsubscribe" else [Unreadable(f"unknown event {event!r:.60}", text)]


def _error(frame: Item, text: str) -> list[VenueEvent]:
    if "passphrase" in text:
        # A refused login quoted, secrets and all: it must not reach a log.
        return [LoginRefused(f"{code_of(frame)} the login was not understood", fatal=True)]
    if said(frame, "id"):
        return read_refusal(frame)
    code = code_of(frame)
    reason = f"{code} {said(frame, 'msg') or 'no text given'}".strip()
    if channel := _channel_of(frame.get("arg")):
        return [SubscriptionRefused(channel, reason)]
    if code in LOGIN or CODES.proof(code, None, Proof.UNKNOWN) is Proof.LOCKED_OUT:
        return [LoginRefused(reason, fatal=code not in LOGIN_RETRY)]
    return [Unreadable(f"error {reason}", text)]
