"""Binance codes: their texts, their HTTP statuses, and the four faces of 503.

Source: the Binance sheet, A4 (futures) and part B (spot), read 2026-11.
"""

from __future__ import annotations

from typing import Any

TEXTS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests; current limit of IP({0}) is {1} requests per minute.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution "
    "status unknown.",
    -1008: "Request throttled by system-level protection. Reduce-only/close-position orders are "
    "exempt. Please try again.",
    -1013: "Filter failure: {0}",
    -1015: "Too many new orders; current limit is {0} orders per {1}.",
    -1016: "This service is no longer available.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1102: "Mandatory parameter '{0}' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '{0}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -1130: "Data sent for parameter '{0}' is not valid.",
    -1131: "recvWindow must be less than 60000",
    -1135: "Invalid JSON Request",
    -2010: "{0}",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2019: "Margin is insufficient.",
    -2022: "ReduceOnly Order is rejected.",
    -2025: "Reach max open order limit.",
    -2026: "Order was canceled or expired with no executed qty over 90 days ago and has been "
    "archived.",
    -2035: "User data stream subscription is already active.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4016: "Limit price can't be higher than {0}.",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {0}.",
    -4061: "Order's position side does not match user's setting.",
    -4116: "ClientOrderId is duplicated.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints "
    "instead.",
    -4164: "Order's notional must be no smaller than {0} (unless you choose reduce only).",
    -4165: "Invalid time interval.",
    -4531: "The position mode cannot be changed.",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history.",
    -5027: "No need to modify the order.",
    -5028: "Timestamp for this request is outside of the ME recvWindow.",
    -5040: "Invalid goodTillDate.",
    -5047: "ReduceOnly cannot be set by a modification of this order.",
}

# On the WebSocket the same numbers stand under ``status``. That -1007 goes with 408 there is the
# sheet's guess (A4).
STATUS = {
    -1003: 429,
    -1006: 500,
    -1007: 408,
    -1008: 503,
    -1001: 503,
    -1015: 429,
    -1016: 503,
    -2014: 401,
    -2015: 401,
}
BANNED = 418

# The four faces of 503: the sheet, A4, "HTTP rules". Only the first leaves the outcome open. The
# sheet gives the texts; that the second bears -1016 is a guess.
FACES = {
    "unknown": (-1000, "Unknown error, please check your request or try again later."),
    "unavailable": (-1016, "Service Unavailable."),
    "internal": (-1001, TEXTS[-1001]),
    "throttled": (-1008, TEXTS[-1008]),
}


class Problem(Exception):
    """A request that Binance would refuse: code, text, status, and when to come again."""

    def __init__(
        self,
        code: int,
        *detail: str,
        message: str = "",
        status: int = 0,
        retry_after_s: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.text = message or text(code, *detail)
        self.status = status or STATUS.get(code, 400)
        self.retry_after_s = retry_after_s
        self.data = data
        super().__init__(f"{code} {self.text}")

    @property
    def body(self) -> dict[str, Any]:
        """Return the error as REST and the WebSocket show it alike."""
        shown = {"code": self.code, "msg": self.text}
        return shown if self.data is None else shown | {"data": self.data}


def text(code: int, *detail: str) -> str:
    """Return the venue's text of ``code`` with its blanks filled; "" if it is not known."""
    template = TEXTS.get(code, "")
    return template.format(*detail, "", "") if "{" in template else template
