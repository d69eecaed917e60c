"""What the strategies were told, from their own recordings; the guide's example from its results.

The example is run unchanged, so it records nothing: its result stream says what was delivered, and
its log shows which fills its callback got.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo.recording import recorded
from router.contracts import ResultType
from router.enums import Exists, OrderStatus, RequestKind, WsOrderResultType

_ORDER_KEYS = ("oid", "client_id", "status", "standing", "filled", "reason")
_FILLED_LOG = re.compile(r"Filled ([0-9a-f]{32}) @")


@dataclass(frozen=True, slots=True)
class OrderTold:
    """One order event as a callback got it."""

    at_ms: float
    oid: str
    client_id: str
    status: OrderStatus
    standing: OrderStatus
    filled: Decimal
    trade_id: str = ""
    fill_amount: Decimal = Decimal(0)
    fill_price: Decimal = Decimal(0)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RequestTold:
    """One outcome of a request as a callback got it."""

    at_ms: float
    oid: str
    request: RequestKind
    result_type: WsOrderResultType
    exists: Exists
    reason: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """One call that made or repeated an order."""

    at_ms: float
    oid: str
    key: str
    scope: str


@dataclass(slots=True)
class Told:
    """All that one strategy did and was told."""

    strategy: str
    submitted: list[Submitted] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    orders: list[OrderTold] = field(default_factory=list)
    requests: list[RequestTold] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    diffs: int = 0
    refused: list[str] = field(default_factory=list)
    done: bool = False
    planned: int = 0
    placed: int = 0
    seqs: dict[str, list[int]] = field(default_factory=dict)
    """``seq`` of every entry on the result stream of each account, as they stand there."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """How many order events and outcomes it had been told when it was started, each time."""
    gaps: list[str] = field(default_factory=list)
    """What is wrong with the recording itself."""

    def events_of(self, oid: str) -> list[OrderTold]:
        """Return the order's events in the order they came."""
        return [one for one in self.orders if one.oid == oid]


def read_recording(strategy: str, path: Path) -> Told:
    """Return what a demo strategy wrote down."""
    told = Told(strategy)
    for line in recorded(path):
        _take(told, line)
    if not told.starts:
        told.gaps.append("the strategy never started")
    return told


def _take(told: Told, line: Mapping[str, Any]) -> None:
    match line["kind"]:
        case "order":
            told.orders.append(order_told(line, line["t_ms"]))
        case "request":
            told.requests.append(request_told(line, line["t_ms"]))
        case "status":
            told.statuses.append(line["event"])
        case "diff":
            told.diffs += 1
        case _:
            _take_call(told, line)


def _take_call(told: Told, line: Mapping[str, Any]) -> None:
    match line["kind"]:
        case "submit":
            told.submitted.append(
                Submitted(line["submit_ms"], line["oid"], line["key"], line["scope"])
            )
        case "repeat":
            if line["oid"] != line["first"]:
                told.gaps.append(f"key {line['key']} gave {line['first']}, then {line['oid']}")
        case "cancel":
            told.cancels.append(line["oid"])
        case "refused":
            told.refused.append(line["error"])
        case "started":
            told.planned = line["planned"]
            told.starts.append((len(told.orders), len(told.requests)))
        case "done":
            told.done, told.placed = True, line["placed"]


def order_told(line: Mapping[str, Any], at_ms: float) -> OrderTold:
    """Return the order event in a line of a recording, or in the fields of a result."""
    return OrderTold(
        at_ms=at_ms,
        oid=line["oid"],
        client_id=line.get("client_id") or line["oid"],
        status=OrderStatus(line["status"]),
        standing=OrderStatus(line.get("standing") or line["status"]),
        filled=Decimal(line.get("filled") or 0),
        trade_id=line.get("trade_id") or "",
        fill_amount=Decimal(line.get("last_filled") or 0),
        fill_price=Decimal(line.get("last_filled_price") or 0),
        reason=line.get("reason") or "",
    )


def request_told(line: Mapping[str, Any], at_ms: float) -> RequestTold:
    """Return the outcome in a line of a recording, or in the fields of a result."""
    return RequestTold(
        at_ms=at_ms,
        oid=line["oid"],
        request=RequestKind(line["request"]),
        result_type=WsOrderResultType(line["result_type"]),
        exists=Exists(str(line["exists"]).lower()),
        reason=line.get("reason") or "",
    )


def read_results(
    strategy: str,
    entries: Iterable[Mapping[str, str]],
    admitted: Iterable[Mapping[str, str]],
    log_text: str,
) -> Told:
    """Return what the guide's example was told: its results, as far as its log confirms them."""
    told, at_ms = Told(strategy, done=True), 0.0
    for fields in entries:
        # They come in the order of ``seq``; the next owner's clock may be behind the last one's.
        at_ms = max(at_ms, float(fields.get("ts_ms") or 0))
        match fields.get("type"):
            case ResultType.ORDER:
                told.orders.append(order_told(fields, at_ms))
            case ResultType.REQUEST:
                told.requests.append(request_told(fields, at_ms))
            case ResultType.STATUS:
                told.statuses.append(fields["event"])
            case ResultType.DIFF:
                told.diffs += 1
    for order in admitted:
        told.submitted.append(
            Submitted(float(order["created_ms"]), order["oid"], order.get("idem", ""), "strategy")
        )
    logged = _FILLED_LOG.findall(log_text)
    filled = [one.oid for one in told.orders if one.status is OrderStatus.FILLED]
    if sorted(logged) != sorted(filled):
        told.gaps.append(f"results say filled {filled}, the callback logged {logged}")
    return told
