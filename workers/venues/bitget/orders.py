"""Write place, cancel and modify requests, for WebSocket and for REST: one body for both.

"Place Order", "Modify Order", "Cancel Order" and their channels, v3, read 2026-11.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest
from workers.venues.bitget.settings import LIMITS
from workers.venues.bitget.words import ORDER_TYPES, PARAMS, TOPICS
from workers.venues.commands import (
    allowed,
    kind_of,
    legal_id,
    limit_price,
    one_kind,
    order_word,
    plain,
)
from workers.venues.sizes import to_size

#: Of clientOid; the documents differ about more of it. A message's id may be 40 long.
CLIENT_ID = r"[A-Za-z0-9_-]{1,32}"
_ID = re.compile(CLIENT_ID)
#: What receiveWindow may be.
_WINDOW_MS = (10, 60_000)


def encode(request_id: str, commands: Sequence[Command], now_ms: int) -> str:
    """Return the frame of one request.

    Raises:
        CannotEncode: If Bitget has no way to say it.
    """
    kind = one_kind(commands, LIMITS.batch_size)
    [command] = commands
    frame: dict[str, Any] = {
        "op": "trade",
        "id": legal_id("request_id", request_id, _ID),
        "category": category_of(command).lower(),
        "topic": TOPICS[kind],
    }
    body = _body(command)
    if isinstance(command, Place):
        at_ms, window_ms = _window(command.expires_ms, now_ms)
        # The window counts only beside a requestTime on the envelope, and for place-order only: by
        # WebSocket a change that is late is still made. What came of it is asked for.
        frame["requestTime"], body["receiveWindow"] = str(at_ms), str(window_ms)
    return orjson.dumps({**frame, "args": [body]}).decode()


def rest_command(command: Command) -> RestRequest:
    """Return the same request for REST; its expiry is the signature's.

    Raises:
        CannotEncode: If Bitget has no way to say it.
    """
    body = _body(command)
    if isinstance(command, Place):
        body = {"category": category_of(command), **body}
    path = f"/api/v3/trade/{TOPICS[kind_of(command)]}"
    headers = {"Content-Type": "application/json"}
    expires_ms = 0 if isinstance(command, Cancel) else command.expires_ms
    return RestRequest("POST", path, orjson.dumps(body).decode(), headers, expires_ms)


def category_of(command: Command) -> str:
    return command.instrument.venue_ids["category"]


def _window(expires_ms: int, now_ms: int) -> tuple[int, int]:
    """Return requestTime and receiveWindow that together end at ``expires_ms``, or before it."""
    least, most = _WINDOW_MS
    at_ms = min(now_ms, expires_ms - least)
    return at_ms, min(expires_ms - at_ms, most)


def _body(command: Command) -> dict[str, Any]:
    if isinstance(command, Place):
        return _place(command)
    if command.venue_id:
        body = {"orderId": command.venue_id}
    else:
        body = {"clientOid": legal_id("client_id", command.client_id, _ID)}
    return body | _changes(command) if isinstance(command, Modify) else body


def _place(command: Place) -> dict[str, Any]:
    order_type, _, time_in_force = order_word(command, ORDER_TYPES).partition(" ")
    instrument, is_market = command.instrument, order_type == "market"
    if is_market and instrument.kind == "spot" and command.side.is_buy:
        # "the same base-coin/quote-coin distinction for market orders still applies": v2 to v3
        # guide, note 2. What our amount would buy depends on a price that nobody knows.
        raise CannotEncode(
            "type",
            f"Bitget sizes a market buy of {instrument.symbol} in {instrument.quote}; "
            "use LIMIT with IOC",
        )
    out: dict[str, Any] = {
        "symbol": instrument.venue_symbol,
        "side": "buy" if command.side.is_buy else "sell",
        "orderType": order_type,
        "qty": plain(to_size(instrument, command.amount, None)),
        "clientOid": legal_id("client_id", command.client_id, _ID),
    }
    if not is_market:
        out["price"], out["timeInForce"] = plain(limit_price(command)), time_in_force
    if command.reduce_only:
        if instrument.kind == "spot":
            raise CannotEncode("reduce_only", f"{instrument.symbol} has no position to reduce")
        out["reduceOnly"] = "YES"
    if command.params:
        out.update(allowed(command.params, PARAMS))
    return out


def _changes(command: Modify) -> dict[str, str]:
    if command.price is None and command.amount is None:
        raise CannotEncode("price", "nothing to change: give a price, an amount or both")
    out = {"autoCancel": "no"}  # else a change that fails takes the order with it
    if command.amount is not None:
        out["qty"] = plain(to_size(command.instrument, command.amount, None))
    if command.price is not None:
        out["price"] = _positive(command.price)
    return out


def _positive(value: Decimal) -> str:
    if not value.is_finite() or value <= 0:
        raise CannotEncode("price", f"{value} is not a positive number")
    return plain(value)
