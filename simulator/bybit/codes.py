"""Bybit's return codes, their texts, and which of them a refusal of the exchange becomes.

Texts: real frames in the Bybit sheet, 3.3 and 7; else docs/v5/error.mdx of bybit-exchange/docs,
2026-07.
"""

from __future__ import annotations

from typing import Any

from simulator.exchange.orders import Reason, Refusal, Side

TEXTS = {
    10000: "Server Timeout",
    10001: "params error: {0}",
    10002: "invalid request, please check your server timestamp or recv_window param. {0}",
    10003: "API key is invalid.",
    10004: "Error sign, please check your signature generation algorithm.",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits. Exceeded the API Rate Limit.",
    10007: "User authentication failed.",
    10014: "Invalid duplicate request.",
    10016: "Internal server error.",
    10017: "Route not found.",
    10019: "ws trade service is restarting",
    10403: "Exceeded the IP Rate Limit.",
    10404: "op type is not found",
    10429: "System level frequency protection",
    20001: "Repeat auth",
    20003: "Too frequent requests under the same session",
    20006: "Duplicate reqId",
    30228: "No new positions during delisting.",
    110001: "order not exists or too late to {0}",
    110003: "price is invalid",
    110007: "ab not enough for new order",
    110008: "The order has been completed or cancelled.",
    110010: "The order has been cancelled",
    110017: "orderQty will be truncated to zero",
    110020: "Not allowed to have more than {1} active orders.",
    110064: "The modified contract quantity cannot be less than or equal to the filled quantity.",
    110072: "OrderLinkedID is duplicate",
    110079: "The order is processing and can not be operated, please try again later",
    110094: "Order notional value below the lower limit",
    170007: "Timeout waiting for response from backend server.",
    170115: "Invalid timeInForce.",
    170116: "Invalid orderType.",
    170117: "Invalid side.",
    170121: "Invalid symbol.",
    170124: "Order amount too large.",
    170130: "Data sent for paramter '{0}' is not valid.",
    170131: "Insufficient balance.",
    170134: "Order price decimal too long.",
    170136: "Order quantity lower than the minimum.",
    170137: "Order volume decimal too long",
    170139: "Order has been filled.",
    170140: "Order value exceeded lower limit",
    170141: "Duplicate clientOrderId",
    170142: "Order has been cancelled",
    170193: "Buy order price cannot be higher than {0}.",
    170194: "Sell order price cannot be lower than {1}.",
    170213: "Order does not exist.",
    170313: "The modified contract quantity cannot be less than to the filled quantity",
    170810: "Cannot exceed maximum of {1} conditional, TP/SL and active orders.",
}

# Business errors come with HTTP 200: the sheet, 5.
STATUS = {10017: 404, 10403: 403, 10429: 429}

# What never reached the engine.
NOT_PROCESSED = frozenset(
    (10002, 10003, 10004, 10005, 10006, 10007, 10019, 10403, 10404, 10429, 20003, 20006)
)

_CONTRACT: dict[Reason, int] = {
    "duplicate_client_id": 110072,
    "insufficient_balance": 110007,
    "price_band": 110003,
    "too_many_open": 110020,
    "no_position": 110017,
    "wrong_direction": 110017,
}
_SPOT: dict[Reason, int] = {
    "duplicate_client_id": 170141,
    "insufficient_balance": 170131,
    "too_many_open": 170810,
    "size_lot": 170137,
    "size_min": 170136,
    "size_max": 170124,
    "tick": 170134,
}
# What a contract's form lacks is a parameter error. That these are its words is a guess.
_FORM: dict[Reason, str] = {
    "size_lot": "Qty invalid",
    "size_min": "The number of contracts exceeds minimum limit allowed",
    "size_max": "The number of contracts exceeds maximum limit allowed: too large",
    "tick": "price invalid",
}


class Problem(Exception):
    """A request that Bybit would refuse: code, text and HTTP status."""

    def __init__(self, code: int, *detail: str, message: str = "", status: int = 0) -> None:
        self.code = code
        self.text = message or text(code, *detail)
        self.status = status or STATUS.get(code, 200)
        super().__init__(f"{code} {self.text}")


def text(code: int, *detail: str) -> str:
    """Return the venue's text of ``code`` with its blanks filled; "" if it is not known."""
    template = TEXTS.get(code, "")
    return template.format(*detail, "", "") if "{" in template else template


def refused(refusal: Refusal, side: Side, *, spot: bool) -> Problem:
    """Return what the venue says to a refusal of the exchange."""
    reason, detail = refusal.reason, refusal.detail
    if not spot:
        if reason in _CONTRACT:
            return Problem(_CONTRACT[reason], *detail)
        return Problem(10001, message=_FORM.get(reason, text(10001, reason)))
    if reason == "price_band":
        return Problem(170193 if side == "buy" else 170194, *detail)
    return Problem(_SPOT.get(reason, 170130), *detail)


def missing(verb: str, *, spot: bool) -> Problem:
    """Return what the venue says of an order that it cannot find open: the sheet, 3.3 and 7."""
    return Problem(170213) if spot else Problem(110001, verb)


def envelope(
    result: Any, now_ms: int, ext: Any = None, *, said: str = "OK", code: int = 0
) -> dict[str, Any]:
    """Return a REST reply's body."""
    return {
        "retCode": code,
        "retMsg": said,
        "result": result,
        "retExtInfo": {} if ext is None else ext,
        "time": now_ms,
    }
