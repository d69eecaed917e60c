"""What a venue has said, in venue-neutral terms; amounts are base units, times are ms."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from pydantic import TypeAdapter

ZERO = Decimal(0)


class VenueState(StrEnum):
    """An order's state as the venue names it, reduced to what differs for us."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # taken, acknowledged, then refused (Bybit's order stream does this)


class Source(StrEnum):
    """Where a report came from; a push is an event, the others are snapshots."""

    PUSH = "push"
    QUERY = "query"
    OPEN_ORDERS = "open_orders"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one order. ``fee`` is positive when paid, negative when a rebate."""

    trade_id: str
    amount: Decimal
    price: Decimal
    ts_ms: int
    fee: Decimal = ZERO
    fee_currency: str = ""
    client_id: str = ""
    venue_id: str = ""
    symbol: str = ""


@dataclass(slots=True)  # one a push; frozen would triple the cost of making one
class OrderReport:
    """One statement of the venue about one order.

    ``filled`` is cumulative. ``fill`` is the trade that caused this report, if one did.
    ``client_id`` or ``venue_id`` may be "" but not both. ``amount`` and ``price`` are None where
    the venue did not say (or where the size was given in quote units).
    """

    symbol: str
    client_id: str
    venue_id: str
    state: VenueState
    filled: Decimal
    source: Source
    ts_ms: int
    avg_price: Decimal | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    side: str = ""
    order_type: str = ""
    time_in_force: str = ""
    reduce_only: bool = False
    created_ms: int = 0
    fill: Fill | None = None
    reason: str = ""
    amend_failed: str = ""


@dataclass(frozen=True, slots=True)
class BalanceReport:
    """One asset of the account."""

    asset: str
    free: Decimal
    locked: Decimal
    ts_ms: int


@dataclass(frozen=True, slots=True)
class PositionReport:
    """One position in base units, negative when short; 0 when the venue says it is closed."""

    symbol: str
    signed_amount: Decimal
    entry_price: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    ts_ms: int


@dataclass(frozen=True, slots=True)
class BookTop:
    """Best bid and ask; None where that side is empty. Sizes in base units."""

    symbol: str
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    ts_ms: int


@cache
def _report_adapter() -> TypeAdapter[OrderReport]:
    return TypeAdapter(OrderReport)


def report_json(report: OrderReport) -> str:
    """Return a report as JSON text, for a job to hand to the account's owner."""
    return _report_adapter().dump_json(report).decode()


def read_report(text: str) -> OrderReport:
    """Return the report in ``report_json``'s text.

    Raises:
        ValueError: If it is none.
    """
    return _report_adapter().validate_json(text)
