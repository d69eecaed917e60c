"""Frames that order nothing: login, subscriptions, heartbeat; and their replies.

The trade socket speaks of ``retCode`` and ``reqId``, the others of ``success`` and ``req_id``. A
subscription's reply names nothing but that id, so each private topic is asked for by itself under
its own name.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from router.instruments import Instrument
from workers.venue import (
    Credentials,
    LoggedIn,
    LoginRefused,
    Pong,
    Proof,
    Subscribed,
    SubscriptionRefused,
    VenueEvent,
)
from workers.venues.bybit.answers import code_of
from workers.venues.bybit.words import CODES, LOGGED_IN
from workers.venues.commands import portions
from workers.venues.fields import Item, said

PING = '{"op":"ping"}'
TOPICS = ("order", "execution", "position", "wallet")
BOOK = "orderbook.1."
_BOOKS = "books"
#: The most topics in one request to a spot socket; others take more: "Connect", read 2026-07.
_BOOKS_A_FRAME = 10


def subscribe(channels: Sequence[str], credentials: Credentials, now_ms: int) -> list[str]:
    """Return one frame for each topic, so that the reply says which it is about."""
    return [_frame("subscribe", one, [one]) for one in channels]


def books(op: str, instruments: Sequence[Instrument]) -> list[str]:
    """Return the frames that subscribe to or unsubscribe from these best prices."""
    topics = [f"{BOOK}{one.venue_symbol}" for one in instruments]
    return [_frame(op, _BOOKS, some) for some in portions(topics, _BOOKS_A_FRAME)]


def _frame(op: str, request_id: str, args: Sequence[str]) -> str:
    return orjson.dumps({"op": op, "req_id": request_id, "args": args}).decode()


def read_session_reply(frame: Item) -> list[VenueEvent] | None:
    """Return what the reply to one of these frames says; None if it is none of them."""
    op: Any = frame.get("op")
    if op in ("ping", "pong"):
        return [Pong()]
    if op == "auth":
        return [_login(frame)]
    if op in ("subscribe", "unsubscribe"):
        return _subscription(frame, said(frame, "req_id"))
    return None


def _login(frame: Item) -> VenueEvent:
    code = code_of(frame)
    if code in LOGGED_IN or frame.get("success") is True:
        return LoggedIn()
    words = said(frame, "retMsg") or said(frame, "ret_msg") or "no text given"
    locked_out = CODES.proof(code, None, Proof.UNKNOWN) is Proof.LOCKED_OUT
    return LoginRefused(f"{code} {words}".strip(), fatal=locked_out)


def _subscription(frame: Item, topic: str) -> list[VenueEvent]:
    if frame.get("success") is not True:
        return [SubscriptionRefused(topic, said(frame, "ret_msg") or "no text given")]
    return [Subscribed(topic)] if topic in TOPICS else []
