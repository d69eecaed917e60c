"""Write place, cancel and amend requests, for WebSocket and for REST.

The WebSocket names an instrument by ``instIdCode`` (an integer; any ``instId`` is ignored since
April 2026), REST by ``instId``: OKX change log 2025-11-20 and 2026-03, read 2026-11.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from router.ids import PLAIN_CLIENT_ID
from router.instruments import Instrument
from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest
from workers.venues.commands import (
    allowed,
    kind_of,
    legal_id,
    limit_price,
    one_kind,
    order_word,
    plain,
)
from workers.venues.okx.settings import LIMITS
from workers.venues.okx.words import MARGIN_MODES, OPS, ORDER_TYPES, PARAMS, TD_MODES
from workers.venues.sizes import to_size

# clOrdId and message id are both [A-Za-z0-9]{1,32}: "Place order", read 2026-11.
_ID = re.compile(PLAIN_CLIENT_ID)


def encode(request_id: str, commands: Sequence[Command], td_mode: str | None) -> str:
    """Return the frame of one request: single, or a batch of up to 20 of one kind.

    Raises:
        CannotEncode: If OKX has no way to say it, or (``rest_can``) not by WebSocket.
    """
    kind = one_kind(commands, LIMITS.batch_size)
    legal_id("request_id", request_id, _ID)
    frame: dict[str, Any] = {"id": request_id, "op": OPS[kind][len(commands) > 1]}
    args = [_item({"instIdCode": _code(one.instrument)}, one, td_mode) for one in commands]
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
    body = _item({"instId": command.instrument.venue_symbol}, command, td_mode)
    headers = {"Content-Type": "application/json"}
    expires_ms = 0 if isinstance(command, Cancel) else command.expires_ms
    if expires_ms:
        headers["expTime"] = str(expires_ms)
    path = f"/api/v5/trade/{OPS[kind_of(command)][0]}"
    return RestRequest("POST", path, orjson.dumps(body).decode(), headers, expires_ms)


def _item(item: dict[str, Any], command: Command, td_mode: str | None) -> dict[str, Any]:
    """Return ``item``, which names the instrument, with what the command asks for."""
    if isinstance(command, Place):
        return _placed(item, command, td_mode)
    if command.venue_id:
        item["ordId"] = command.venue_id
    else:
        item["clOrdId"] = legal_id("client_id", command.client_id, _ID)
    return _changed(item, command) if isinstance(command, Modify) else item


def _placed(item: dict[str, Any], command: Place, td_mode: str | None) -> dict[str, Any]:
    instrument = command.instrument
    order_type = order_word(command, ORDER_TYPES)
    item["tdMode"] = td_mode or TD_MODES[instrument.kind]
    item["clOrdId"] = legal_id("client_id", command.client_id, _ID)
    item["side"] = "buy" if command.side.is_buy else "sell"
    item["ordType"] = order_type
    if "tdMode" in command.params:
        raise CannotEncode("tdMode", "set td_mode in the account's options; queries go by it, too")
    if command.params:
        item.update(allowed(command.params, PARAMS))
    is_market = order_type == "market"
    if not is_market:
        item["px"] = plain(limit_price(command))
    sizing_price = command.reference_price if is_market else command.price
    item["sz"] = plain(to_size(instrument, command.amount, sizing_price))
    if is_market and instrument.kind == "spot":
        item.update(_base_target(command, item["tdMode"]))
    if command.reduce_only:
        if instrument.kind == "spot" and item["tdMode"] == "cash":
            raise CannotEncode("reduce_only", f"{instrument.symbol} has no position to reduce")
        item["reduceOnly"] = True
    return item


def _base_target(command: Place, td_mode: str) -> dict[str, str]:
    # tgtCcy is for spot market orders only; a margin market buy is sized in quote units, so that
    # our base amount would mean something else: "Place order", sz, read 2026-11.
    if td_mode not in MARGIN_MODES:
        return {"tgtCcy": "base_ccy"}
    if command.side.is_buy:
        problem = f"OKX sizes a {td_mode} market buy in quote units; use LIMIT with IOC"
        raise CannotEncode("tdMode", problem)
    return {}


def _changed(item: dict[str, Any], command: Modify) -> dict[str, Any]:
    if command.amount is not None:
        item["newSz"] = plain(to_size(command.instrument, command.amount, command.price))
    if command.price is not None:
        item["newPx"] = plain(command.price)
    return item


def _code(instrument: Instrument) -> int:
    code = instrument.venue_ids.get("instIdCode", "")
    if not code.isdecimal():
        problem = f"{instrument.venue_symbol} has none yet; OKX takes it by REST only"
        raise CannotEncode("instIdCode", problem, rest_can=True)
    return int(code)
