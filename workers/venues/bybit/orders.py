"""Write create, cancel and amend requests, for WebSocket and for REST: one body for both.

"Place Order", "Amend Order", "Cancel Order" and "WebSocket Trade", read 2026-07.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest
from workers.venues.bybit.settings import LIMITS
from workers.venues.bybit.signing import window
from workers.venues.bybit.words import OPS, ORDER_TYPES, PARAMS
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

#: Of orderLinkId; a reqId is at most as long.
CLIENT_ID = r"[A-Za-z0-9_-]{1,36}"
_ID = re.compile(CLIENT_ID)


def encode(request_id: str, commands: Sequence[Command], now_ms: int) -> str:
    """Return the frame of one request.

    Raises:
        CannotEncode: If Bybit has no way to say it.
    """
    kind = one_kind(commands, LIMITS.batch_size)
    at_ms, window_ms = window(_expiry(commands[0]), now_ms)
    frame = {
        "reqId": legal_id("request_id", request_id, _ID),
        "header": {"X-BAPI-TIMESTAMP": str(at_ms), "X-BAPI-RECV-WINDOW": str(window_ms)},
        "op": OPS[kind],
        "args": [_body(commands[0])],
    }
    return orjson.dumps(frame).decode()


def rest_command(command: Command) -> RestRequest:
    """Return the same request for REST.

    Raises:
        CannotEncode: If Bybit has no way to say it.
    """
    path = f"/v5/{OPS[kind_of(command)].replace('.', '/')}"
    headers = {"Content-Type": "application/json"}
    body = orjson.dumps(_body(command)).decode()
    return RestRequest("POST", path, body, headers, _expiry(command))


def _expiry(command: Command) -> int:
    return 0 if isinstance(command, Cancel) else command.expires_ms


def _body(command: Command) -> dict[str, Any]:
    instrument = command.instrument
    body: dict[str, Any] = {"category": instrument.kind, "symbol": instrument.venue_symbol}
    if isinstance(command, Place):
        return body | _place(command)
    if command.venue_id:
        body["orderId"] = command.venue_id
    else:
        body["orderLinkId"] = legal_id("client_id", command.client_id, _ID)
    return body | _amend(command) if isinstance(command, Modify) else body


def _place(command: Place) -> dict[str, Any]:
    order_type, _, time_in_force = order_word(command, ORDER_TYPES).partition(" ")
    instrument, is_market = command.instrument, order_type == "Market"
    price = None if is_market else limit_price(command)
    size = to_size(instrument, command.amount, price or command.reference_price)
    out: dict[str, Any] = {
        "side": "Buy" if command.side.is_buy else "Sell",
        "orderType": order_type,
        "qty": plain(size),
        "timeInForce": time_in_force,
        "orderLinkId": legal_id("client_id", command.client_id, _ID),
    }
    if price is not None:
        out["price"] = plain(price)
    elif instrument.kind == "spot":
        out["marketUnit"] = "baseCoin"  # a market buy is sized in quote units otherwise
    if command.reduce_only:
        if instrument.kind == "spot":
            raise CannotEncode("reduce_only", f"{instrument.symbol} has no position to reduce")
        out["reduceOnly"] = True
    if command.params:
        out.update(allowed(command.params, PARAMS))
    return out


def _amend(command: Modify) -> dict[str, Any]:
    if command.price is None and command.amount is None:
        raise CannotEncode("price", "nothing to change: give a price, an amount or both")
    out: dict[str, Any] = {}
    price = command.standing_price if command.price is None else command.price
    if command.amount is not None:
        out["qty"] = plain(to_size(command.instrument, command.amount, price))
    if command.price is not None:
        out["price"] = _positive(command.price)
    return out


def _positive(value: Decimal) -> str:
    if not value.is_finite() or value <= 0:
        raise CannotEncode("price", f"{value} is not a positive number")
    return plain(value)
