"""Write place, cancel and amend requests, for WebSocket and for REST.

The WebSocket names an instrument by ``instIdCode`` (an integer; any ``instId`` is ignored since
April 2026), REST by ``instId``: OKX change log 2025-11-20 and 2026-03, read 2026-11.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from router.enums import OrderType, TimeInForce
from router.ids import PLAIN_CLIENT_ID
from router.instruments import Instrument
from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest
from workers.venues.okx.settings import LIMITS
from workers.venues.okx.sizes import to_size

# clOrdId and message id are both [A-Za-z0-9]{1,32}: "Place order", read 2026-11.
_ID = re.compile(PLAIN_CLIENT_ID)

_OPS: dict[type, tuple[str, str]] = {
    Place: ("order", "batch-orders"),
    Cancel: ("cancel-order", "batch-cancel-orders"),
    Modify: ("amend-order", "batch-amend-orders"),
}
_PATHS: dict[type, str] = {
    Place: "/api/v5/trade/order",
    Cancel: "/api/v5/trade/cancel-order",
    Modify: "/api/v5/trade/amend-order",
}

ORDER_TYPES: dict[tuple[OrderType, TimeInForce], str] = {
    (OrderType.LIMIT, TimeInForce.GTC): "limit",
    (OrderType.LIMIT, TimeInForce.IOC): "ioc",
    (OrderType.LIMIT, TimeInForce.FOK): "fok",
    (OrderType.POST_ONLY, TimeInForce.GTC): "post_only",
    (OrderType.MARKET, TimeInForce.GTC): "market",
    (OrderType.MARKET, TimeInForce.IOC): "market",
}

#: What a caller may add to an order, with its JSON type: "Place order", read 2026-11. Not here:
#: tgtCcy (would change what the amount means), posSide (net mode is required), pxUsd, pxVol and
#: attachAlgoOrds (they would place more, or at another price, than the order says).
PARAMS: dict[str, type] = {
    "tdMode": str,
    "ccy": str,
    "tag": str,
    "stpMode": str,
    "banAmend": bool,
    "pxAmendType": str,
    "tradeQuoteCcy": str,
    "slippagePct": str,
    "isElpTakerAccess": bool,
}
_TD_MODES = {"spot": "cash", "linear": "cross", "inverse": "cross"}


def encode(request_id: str, commands: Sequence[Command], td_mode: str | None) -> str:
    """Return the frame of one request: single, or a batch of up to 20 of one kind.

    Raises:
        CannotEncode: If OKX has no way to say it, or (field "instIdCode") not by WebSocket.
    """
    kinds = {type(command) for command in commands}
    if len(kinds) != 1 or len(commands) > LIMITS.batch_size:
        raise CannotEncode("commands", f"1 to {LIMITS.batch_size} commands of one kind are needed")
    if not _ID.fullmatch(request_id):
        raise CannotEncode("request_id", f"{request_id!r} is not {PLAIN_CLIENT_ID}")
    args = [{"instIdCode": _code(one.instrument), **_item(one, td_mode)} for one in commands]
    frame: dict[str, Any] = {"id": request_id, "op": _OPS[kinds.pop()][len(commands) > 1]}
    # One expiry stands for the whole frame, so a batch dies with its earliest member.
    expiries = [one.expires_ms for one in commands if not isinstance(one, Cancel)]
    if expiries:
        frame["expTime"] = str(min(expiries))
    frame["args"] = args
    return orjson.dumps(frame).decode()


def rest_command(command: Command, td_mode: str | None) -> RestRequest:
    """Return the same request for REST; the expiry goes into a header there.

    Raises:
        CannotEncode: If OKX has no way to say it.
    """
    body = {"instId": command.instrument.venue_symbol, **_item(command, td_mode)}
    headers = {"Content-Type": "application/json"}
    if not isinstance(command, Cancel):
        headers["expTime"] = str(command.expires_ms)
    return RestRequest("POST", _PATHS[type(command)], orjson.dumps(body).decode(), headers)


def _item(command: Command, td_mode: str | None) -> dict[str, Any]:
    if isinstance(command, Place):
        return _place(command, td_mode)
    item = _named(command)
    return item if isinstance(command, Cancel) else _changed(item, command)


def _place(command: Place, td_mode: str | None) -> dict[str, Any]:
    instrument = command.instrument
    order_type = ORDER_TYPES.get((command.type, command.time_in_force))
    if order_type is None:
        raise _no_such_type(command)
    item: dict[str, Any] = {
        "tdMode": td_mode or _TD_MODES[instrument.kind],
        "clOrdId": _client_id(command.client_id),
        "side": "buy" if command.side.is_buy else "sell",
        "ordType": order_type,
    }
    if command.params:
        item.update(_allowed(command.params))
    is_market = order_type == "market"
    if not is_market:
        item["px"] = plain(_limit_price(command))
    sizing_price = command.reference_price if is_market else command.price
    item["sz"] = plain(to_size(instrument, command.amount, sizing_price))
    if is_market and instrument.kind == "spot":
        item.update(_base_target(command, item["tdMode"]))
    if command.reduce_only:
        item["reduceOnly"] = _reduces(instrument, item["tdMode"])
    return item


def _no_such_type(command: Place) -> CannotEncode:
    if command.type in (OrderType.LIMIT, OrderType.POST_ONLY, OrderType.MARKET):
        tif = command.time_in_force
        return CannotEncode("time_in_force", f"OKX has no {command.type} order that is {tif}")
    return CannotEncode(
        "type", f"OKX takes {command.type} as an algo order, which is not supported here"
    )


def _limit_price(command: Place) -> Decimal:
    if command.price is None or not command.price.is_finite() or command.price <= 0:
        raise CannotEncode("price", f"a {command.type} order needs a positive price")
    return command.price


def _base_target(command: Place, td_mode: str) -> dict[str, str]:
    # tgtCcy is for spot market orders only; a margin market buy is sized in quote units, so that
    # our base amount would mean something else: "Place order", sz, read 2026-11.
    if td_mode not in ("cross", "isolated"):
        return {"tgtCcy": "base_ccy"}
    if command.side.is_buy:
        problem = f"OKX sizes a {td_mode} market buy in quote units; use LIMIT with IOC"
        raise CannotEncode("tdMode", problem)
    return {}


def _reduces(instrument: Instrument, td_mode: str) -> bool:
    if instrument.kind == "spot" and td_mode == "cash":
        raise CannotEncode("reduce_only", f"{instrument.symbol} has no position to reduce")
    return True


def _allowed(params: Any) -> dict[str, Any]:
    unknown = sorted(set(params) - set(PARAMS))
    if unknown:
        raise CannotEncode(
            ", ".join(unknown), f"not allowed on an OKX order; allowed: {', '.join(PARAMS)}"
        )
    for name, value in params.items():
        if type(value) is not PARAMS[name]:
            raise CannotEncode(name, f"{value!r} is not of type {PARAMS[name].__name__}")
    return dict(params)


def _changed(item: dict[str, Any], command: Modify) -> dict[str, Any]:
    if command.price is None and command.amount is None:
        raise CannotEncode("price", "nothing to change: give a price, an amount or both")
    if command.amount is not None:
        item["newSz"] = plain(to_size(command.instrument, command.amount, command.price))
    if command.price is not None:
        item["newPx"] = plain(command.price)
    return item


def _named(command: Cancel | Modify) -> dict[str, Any]:
    if command.venue_id:
        return {"ordId": command.venue_id}
    return {"clOrdId": _client_id(command.client_id)}


def _client_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise CannotEncode("client_id", f"{value!r} is not {PLAIN_CLIENT_ID}")
    return value


def _code(instrument: Instrument) -> int:
    code = instrument.venue_ids.get("instIdCode", "")
    if not code.isdecimal():
        raise CannotEncode(
            "instIdCode", f"{instrument.venue_symbol} has none yet; OKX takes it by REST only"
        )
    return int(code)


def plain(value: Decimal) -> str:
    """Return ``value`` without an exponent."""
    return format(value, "f")
