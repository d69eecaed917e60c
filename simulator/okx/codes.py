"""OKX codes: their texts, their HTTP statuses, and what the exchange's refusals are called.

Source: OKX v5 documents, "Error code", read 2026-07.
"""

from __future__ import annotations

from typing import Any

from simulator.exchange.orders import CancelSource, Reason, Refusal

TEXTS = {
    "50001": "Service temporarily unavailable. Please try again later.",
    "50002": "JSON syntax error",
    "50004": "API endpoint request timeout (does not mean that the request was successful or "
    "failed, please check the request result).",
    "50011": "Too Many Requests",
    "50013": "Systems are busy. Please try again later.",
    "50014": "Parameter {0} can not be empty",
    "50026": "System error. Please try again later.",
    "50036": "The expTime can't be earlier than the current system time. Please adjust the expTime "
    "and try again.",
    "50037": "Order expired.",
    "50061": "Order rate limit reached. Please try again later.",
    "50101": "APIKey does not match current environment.",
    "50102": "Timestamp request expired",
    "50103": 'Request header "OK-ACCESS-KEY" can not be empty.',
    "50104": 'Request header "OK-ACCESS-PASSPHRASE" can not be empty.',
    "50105": 'Request header "OK-ACCESS-PASSPHRASE" incorrect.',
    "50106": 'Request header "OK-ACCESS-SIGN" can not be empty.',
    "50107": 'Request header "OK-ACCESS-TIMESTAMP" can not be empty.',
    "50111": "Invalid OK-ACCESS-KEY",
    "50112": "Invalid OK-ACCESS-TIMESTAMP",
    "50113": "Invalid Sign",
    "50119": "API key doesn't exist",
    # Two blanks stand in the venue's own text: seen by users of nautilus_trader (#3191, #4116).
    "51000": "Parameter {0}  error",
    "51001": "Instrument ID, Instrument ID code or Spread ID doesn't exist.",
    "51006": "Order price is not within the price limit (max buy price: {0} min sell price: {1})",
    "51008": "Order failed. Insufficient {0} balance in account",
    "51010": "Request unsupported under current account mode",
    "51016": "Client order ID already exists.",
    "51020": "Your order should meet or exceed the minimum order amount.",
    "51054": "Request timed out. Please try again.",
    "51121": "Order quantity must be a multiple of the lot size.",
    "51149": "Order timed out. Please try again later.",
    "51169": "Order failed because you don't have any positions in this direction for this "
    "contract to reduce or close.",
    "51170": "Failed to place the reduce-only order. Reduce-only orders must be in the opposite "
    "direction of your position.",
    "51174": "Order failed. The number of {0} pending orders reached the upper limit of {1} "
    "(orders).",
    "51202": "Market order amount exceeds the maximum amount.",
    "51400": "Order cancellation failed as the order has been filled, canceled or does not exist.",
    "51401": "Cancellation failed as the order is already canceled.",
    "51402": "Cancellation failed as the order is already completed.",
    "51407": "Either order ID or client order ID is required.",
    "51410": "Cancellation failed as the order is already in canceling status or pending "
    "settlement.",
    "51412": "Cancellation timed out, please try again later.",
    "51500": "You must enter a price, quantity, or TP/SL",
    "51502": "Insufficient margin for this amendment.",
    "51503": "Order modification failed as the order has been filled, canceled or does not exist.",
    "51512": "Failed to amend orders in batches. You cannot have duplicate orders in the same "
    "amend-batch-orders request.",
    "51511": "Operation failed as the order price doesn't meet the requirement for placing Post "
    "Only orders.",
    "51603": "Order does not exist",
    "60004": "Invalid timestamp",
    "60005": "Invalid apiKey",
    "60006": "Timestamp request expired",
    "60007": "Invalid sign",
    "60009": "Login failed.",
    "60011": "Please log in",
    "60012": "Invalid request: {0}",
    "60013": "Invalid args",
    "60014": "Requests too frequent",
    "60018": "Wrong URL or channel:{0} doesn't exist. Please use the correct URL, channel and "
    "parameters referring to API document.",
    "60019": "Invalid op: {0}",
    "60024": "Wrong passphrase",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
    "60032": "API key doesn't exist",
    "63999": "Internal system error",
    "64003": "Your trading fee tier doesn't meet the requirement to access this channel.",
    "64008": "The connection will soon be closed for a service upgrade. Please reconnect.",
}

HTTP_STATUS = {
    "50001": 503,
    "50004": 400,
    "50011": 429,
    "50013": 429,
    "50002": 400,
    "50014": 400,
    "50026": 500,
    "50061": 429,
    "51054": 500,
    "51149": 500,
    **dict.fromkeys(
        (
            "50101",
            "50102",
            "50103",
            "50104",
            "50105",
            "50106",
            "50107",
            "50110",
            "50111",
            "50112",
            "50113",
        ),
        401,
    ),
}

REASON_CODES: dict[Reason, str] = {
    "duplicate_client_id": "51016",
    "insufficient_balance": "51008",
    "price_band": "51006",
    "too_many_open": "51174",
    "no_position": "51169",
    "wrong_direction": "51170",
    "not_open": "51400",
    "not_found": "51603",
    "size_lot": "51121",
    "size_min": "51020",
    "size_max": "51202",
    "tick": "51000",
    "would_take": "51511",
}

# OKX v5 documents, "Order channel" cancelSource, 2026-07; reduce_only stands under 23 there.
CANCEL_SOURCES: dict[CancelSource, str] = {
    "": "",
    "system": "0",
    "user": "1",
    "fok": "13",
    "ioc": "14",
    "cancel_all_after": "20",
    "reduce_only": "23",
    "post_only": "31",
    "self_trade": "32",
    "expired": "0",
}


class Problem(Exception):
    """A request that OKX would refuse: its code and text."""

    def __init__(self, code: str, *detail: str) -> None:
        self.code = code
        self.text = text(code, *detail)
        super().__init__(f"{code} {self.text}")


def text(code: str, *detail: str) -> str:
    """Return the venue's text of ``code`` with its blanks filled; "" if it is not known."""
    template = TEXTS.get(code, "")
    return template.format(*detail, "", "") if "{" in template else template


def refused(refusal: Refusal, *, amending: bool = False) -> Problem:
    """Return what OKX says to a refusal of the exchange."""
    code = REASON_CODES[refusal.reason]
    if refusal.reason == "tick":
        return Problem(code, "px")
    if amending and refusal.reason == "not_open":
        return Problem("51503")
    if amending and refusal.reason == "insufficient_balance":
        return Problem("51502")
    return Problem(code, *refusal.detail)


def envelope(code: str, message: str = "", data: list[Any] | None = None) -> dict[str, Any]:
    """Return a REST reply."""
    return {"code": code, "msg": message, "data": data or []}
