"""Orders, reports and limits that these tests share; times are ms, amounts base units."""

from decimal import Decimal
from typing import Any

from router.enums import OrderSide, OrderType
from router.evidence import BalanceReport, OrderReport, PositionReport, Source, VenueState
from router.orders import OrderRecord
from router.state import State

SYMBOL = "BTCUSDT-PERP.OKX"


def record(oid: str = "o1", strategy: str = "alpha", **changes: Any) -> OrderRecord:
    """Return an order on the book, unless told otherwise."""
    terms: dict[str, Any] = {
        "strategy": strategy,
        "oid": oid,
        "client_id": f"c-{oid}",
        "symbol": SYMBOL,
        "side": OrderSide.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.003"),
        "price": Decimal("90000"),
        "state": State.ACCEPTED,
        "venue_id": f"v-{oid}",
        "sent_ms": 1_000,
    }
    return OrderRecord(**terms | changes)


def report(oid: str = "o1", **changes: Any) -> OrderReport:
    """Return the venue's word that ``record(oid)`` is open."""
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "client_id": f"c-{oid}",
        "venue_id": f"v-{oid}",
        "state": VenueState.OPEN,
        "filled": Decimal(0),
        "source": Source.OPEN_ORDERS,
        "ts_ms": 1_100,
    }
    return OrderReport(**values | changes)


def position(symbol: str, amount: str, *, entry: str = "90000") -> PositionReport:
    return PositionReport(symbol, Decimal(amount), Decimal(entry), Decimal(0), Decimal(0), 1_000)


def balance(asset: str, free: str, locked: str = "0") -> BalanceReport:
    return BalanceReport(asset, Decimal(free), Decimal(locked), 1_000)
