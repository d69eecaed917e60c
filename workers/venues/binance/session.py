"""Frames that order nothing: the logon, the user data subscription, books; and their replies.

A reply names its request only by the id that we gave it. Ids of orders are hex digits around an
"r"; those here are not.
"""

from collections.abc import Sequence

import orjson

from router.instruments import Instrument
from workers.venue import (
    Credentials,
    LoggedIn,
    LoginRefused,
    Subscribed,
    SubscriptionRefused,
    VenueEvent,
)
from workers.venues.binance.answers import CLOCK_CODES, error_verdict
from workers.venues.binance.pushes import BOOK
from workers.venues.binance.signing import LOGON_ID, frame, signed
from workers.venues.commands import portions
from workers.venues.fields import Item

USER_DATA = "user-data"
#: A frame of 200 streams is 5 KB; the host takes 1024 streams, and 10 frames a second.
_BOOKS_A_FRAME = 200


def subscribe(channels: Sequence[str], credentials: Credentials, now_ms: int) -> list[str]:
    """Return spot's one subscription, signed by itself: it works with any kind of key."""
    params = signed({"timestamp": now_ms}, credentials)
    return [frame(one, "userDataStream.subscribe.signature", params) for one in channels]


def books(method: str, instruments: Sequence[Instrument]) -> list[str]:
    """Return the frames that SUBSCRIBE to or UNSUBSCRIBE from these best prices."""
    streams = [f"{one.venue_symbol.lower()}{BOOK}" for one in instruments]
    return [
        orjson.dumps({"method": method, "params": some, "id": number}).decode()
        for number, some in enumerate(portions(streams, _BOOKS_A_FRAME), 1)
    ]


def read_session_reply(reply: Item) -> VenueEvent | None:
    """Return what the reply to one of the frames above says; None for the reply to an order.

    A 401 without an id is the venue's word that the key was revoked.
    """
    request_id, status = reply.get("id"), reply.get("status")
    if request_id not in (LOGON_ID, USER_DATA) and (request_id or status != 401):
        return None
    if status == 200:
        return LoggedIn() if request_id == LOGON_ID else Subscribed(USER_DATA)
    found = error_verdict(status if type(status) is int else 0, reply.get("error"), None)
    if request_id == USER_DATA:
        return SubscriptionRefused(USER_DATA, found.reason)
    return LoginRefused(found.reason, fatal=status == 401 and found.code not in CLOCK_CODES)
