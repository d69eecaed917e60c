"""Bitget codes: their texts, their HTTP statuses, and what the exchange's refusals are called.

Sources: the Bitget sheet; frames recorded by users of the venue (NexusTrader 2025-08, roq 2026-01);
for the 300xx and 400xx codes ccxt 4.5.90; cancel reasons: UTA documents, "Enumeration", 2026.
"""

from __future__ import annotations

from typing import Any

from simulator.exchange.orders import CancelSource, Reason, Refusal

TEXTS = {
    "0": "Success",
    "00000": "success",
    "00001": "startTime and endTime interval cannot be greater than 30 days",
    "429": "Too Many Requests",
    "22002": "No position to close",
    "25202": "Insufficient balance",
    "25203": "Insufficient margin",
    "25204": "Order does not exist",
    "25206": "{0} trading price cannot exceed {1}%",
    "25212": "Duplicate clientOid",
    "30001": "{0} doesn't exist",
    "30002": "Illegal request",
    "30003": "Invalid op",
    "30004": "User needs to log in",
    "30005": "Login failed",
    "30006": "Request too many",
    "30011": "Invalid ACCESS_KEY",
    "30012": "Invalid ACCESS_PASSPHRASE",
    "30013": "Invalid ACCESS_TIMESTAMP",
    "30014": "Request timestamp expired",
    "30015": "Invalid sign",
    "30016": "Param error",
    "40001": "ACCESS_KEY cannot be empty",
    "40003": "Signature cannot be empty",
    "40005": "Invalid ACCESS_TIMESTAMP",
    "40006": "Invalid ACCESS_KEY",
    "40008": "Request timestamp expired",
    "40009": "sign signature error",
    "40010": "Request timed out",
    "40011": "ACCESS_PASSPHRASE cannot be empty",
    "40012": "apikey/password is incorrect",
    "40015": "System is abnormal, please try again later",
    "40019": "Parameter {0} cannot be empty",
    "40020": "Parameter {0} error",
    "40109": "The data of the order cannot be found, please confirm the order number",
    "40305": "client_oid length is not greater than 50, and cannot be Martian characters",
    "40306": "Batch processing orders can only process up to 20",
    "40404": "Request URL NOT FOUND",
    "40725": "service return an error",
    "40808": "Parameter verification exception {0}",
    "41101": "Param {0} error",
    "43027": "The minimum order value {0} is not met",
    "45001": "unknown error",
}

# Every other refusal is HTTP 400: the tables of the classic documents; those of UTA have no column.
HTTP_STATUS = {"429": 429, "40404": 404}

REASON_CODES: dict[Reason, str] = {
    "duplicate_client_id": "25212",
    "insufficient_balance": "25202",
    "price_band": "25206",
    "too_many_open": "40808",
    "no_position": "22002",
    "wrong_direction": "22002",
    "not_open": "25204",
    "not_found": "25204",
    "size_lot": "40808",
    "size_min": "40808",
    "size_max": "40808",
    "tick": "40808",
    "would_take": "40808",
}

CANCEL_REASONS: dict[CancelSource, str] = {
    "": "",
    "system": "delegated_risk_order_cancel",
    "user": "normal_cancel",
    "fok": "fok_not_full_cancel",
    "ioc": "ioc_not_full_cancel",
    "cancel_all_after": "normal_cancel",
    # The documents name no reason for a reduce-only order that has nothing left to reduce.
    "reduce_only": "back_contract_cancel",
    "post_only": "post_only_fill_cancel",
    "self_trade": "stp_cancel",
    "expired": "normal_cancel",
}


class Problem(Exception):
    """A request that Bitget would refuse: its code and text."""

    def __init__(self, code: str, *detail: str) -> None:
        self.code = code
        self.text = text(code, *detail)
        super().__init__(f"{code} {self.text}")


def text(code: str, *detail: str) -> str:
    """Return the venue's text of ``code`` with its blanks filled; "" if it is not known."""
    template = TEXTS.get(code, "")
    return template.format(*detail, "", "") if "{" in template else template


def refused(refusal: Refusal, *, spot: bool, pair: str, band_percent: str) -> Problem:
    """Return what Bitget says to a refusal of the exchange."""
    reason = refusal.reason
    code = REASON_CODES[reason]
    if reason == "insufficient_balance" and not spot:
        return Problem("25203")
    if reason == "price_band":
        return Problem(code, pair, band_percent)
    return Problem(code, f"{reason} {' '.join(refusal.detail)}".strip())


def envelope(now_ms: int, data: Any, code: str = "00000", message: str = "success") -> Any:
    """Return a REST reply."""
    return {"code": code, "msg": message, "requestTime": now_ms, "data": data}
