"""What stands in a result entry (design §6): flat text fields, made here and read by the SDK."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from router.contracts import ResultType, plain
from router.enums import Exists, RequestKind, WsOrderResultType
from router.evidence import BalanceReport, PositionReport
from router.orders import OrderRecord, Told


def order_result(record: OrderRecord, told: Told, now_ms: int) -> dict[str, str]:
    """Return an ``order`` result: ``status`` is the event told, ``standing`` the order's own."""
    fill = told.fill
    out = {
        "type": ResultType.ORDER,
        "ts_ms": str(now_ms),
        "oid": record.oid,
        "symbol": record.symbol,
        "side": record.side.value,
        "order_type": record.type.value,
        "time_in_force": record.tif.value,
        "status": told.status.value,
        "standing": record.status.value,
        "amount": plain(record.amount),
        "filled": plain(record.filled),
        "remaining": plain(record.remaining),
        "reduce_only": "1" if record.reduce_only else "0",
        "exists": record.exists.value,
        "client_id": record.client_id,
    }
    optional = {
        "client_oid": record.client_oid,
        "eid": record.venue_id,
        "price": plain(record.price) if record.price is not None else "",
        "avg_price": plain(record.avg_price) if record.avg_price is not None else "",
        "reason": told.reason or record.reason,
    }
    if fill is not None:
        optional |= {
            "last_filled": plain(fill.amount),
            "last_filled_price": plain(fill.price),
            "trade_id": fill.trade_id,
            "fill_fee": plain(fill.fee),
        }
    if record.filled:
        optional |= {"fee": plain(record.fee), "fee_currency": record.fee_currency}
    return out | {name: value for name, value in optional.items() if value}


def request_result(
    oid: str,
    symbol: str,
    request: RequestKind,
    result_type: WsOrderResultType,
    reason: str,
    *,
    exists: Exists,
    exchange: str,
    now_ms: int,
) -> dict[str, str]:
    """Return a ``ws_order_request_result``: how a request ended when not in plain success."""
    return {
        "type": ResultType.REQUEST,
        "ts_ms": str(now_ms),
        "oid": oid,
        "symbol": symbol,
        "exchange": exchange,
        "request": request.value,
        "result_type": result_type.value,
        "reason": reason,
        "exists": exists.value,
        "timestamp": str(now_ms),
    }


def status_result(exchange: str, account_type: str, event: str, now_ms: int) -> dict[str, str]:
    """Return a ``private_ws_status`` result."""
    return {
        "type": ResultType.STATUS,
        "ts_ms": str(now_ms),
        "exchange": exchange,
        "account_type": account_type,
        "event": event,
        "timestamp": str(now_ms),
    }


def diff_result(
    exchange: str, account_type: str, diff: Mapping[str, Any], now_ms: int
) -> dict[str, str]:
    """Return a ``private_ws_resync_diff`` result with the diff as JSON."""
    return {
        "type": ResultType.DIFF,
        "ts_ms": str(now_ms),
        "exchange": exchange,
        "account_type": account_type,
        "timestamp": str(now_ms),
        "diff": orjson.dumps(diff).decode(),
    }


def balance_json(report: BalanceReport) -> str:
    """Return one asset's balance as it stands in the balances hash."""
    return orjson.dumps(
        {
            "asset": report.asset,
            "free": plain(report.free),
            "locked": plain(report.locked),
            "ts_ms": report.ts_ms,
        }
    ).decode()


def position_json(report: PositionReport) -> str:
    """Return one position as it stands in the positions hash."""
    return orjson.dumps(
        {
            "symbol": report.symbol,
            "signed_amount": plain(report.signed_amount),
            "entry_price": plain(report.entry_price),
            "unrealized_pnl": plain(report.unrealized_pnl),
            "realized_pnl": plain(report.realized_pnl),
            "ts_ms": report.ts_ms,
        }
    ).decode()


def read_balance(text: str) -> BalanceReport:
    """Return the balance that ``balance_json`` wrote.

    Raises:
        ValueError, KeyError, TypeError, ArithmeticError: If it is none.
    """
    values = orjson.loads(text)
    return BalanceReport(
        values["asset"], Decimal(values["free"]), Decimal(values["locked"]), int(values["ts_ms"])
    )


def read_position(text: str) -> PositionReport:
    """Return the position that ``position_json`` wrote.

    Raises:
        ValueError, KeyError, TypeError, ArithmeticError: If it is none.
    """
    values = orjson.loads(text)
    return PositionReport(
        symbol=values["symbol"],
        signed_amount=Decimal(values["signed_amount"]),
        entry_price=Decimal(values["entry_price"]),
        unrealized_pnl=Decimal(values["unrealized_pnl"]),
        realized_pnl=Decimal(values["realized_pnl"]),
        ts_ms=int(values["ts_ms"]),
    )


def balances_result(exchange: str, reports: list[BalanceReport], now_ms: int) -> dict[str, str]:
    """Return a ``balance`` result naming the assets that changed."""
    return {
        "type": ResultType.BALANCE,
        "ts_ms": str(now_ms),
        "exchange": exchange,
        "balances": f"[{','.join(balance_json(report) for report in reports)}]",
    }


def position_result(exchange: str, report: PositionReport, now_ms: int) -> dict[str, str]:
    """Return a ``position`` result."""
    return {
        "type": ResultType.POSITION,
        "ts_ms": str(now_ms),
        "exchange": exchange,
        "position": position_json(report),
    }
