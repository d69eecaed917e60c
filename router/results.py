"""What stands in a result entry (design §6): flat text fields, made here and read by the SDK."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from router.contracts import ResultType, plain
from router.enums import Exists, RequestKind, TimeInForce, WsOrderResultType
from router.evidence import BalanceReport, Fill, PositionReport
from router.orders import OrderRecord, Told


def order_result(record: OrderRecord, told: Told, now_ms: int) -> dict[str, str]:
    """Return an ``order`` result: ``status`` is the event told, ``standing`` the order's own.

    What has its default is left out, as in every stream of ours: ``standing`` where it equals
    ``status``, ``client_id`` where it is the oid, GTC, no reduce_only, nothing filled and all of
    the amount remaining, ``exists`` where it is true.
    """
    out = {
        "type": ResultType.ORDER,
        "ts_ms": str(now_ms),
        "oid": record.oid,
        "symbol": record.symbol,
        "side": record.side,
        "order_type": record.type,
        "status": told.status,
        "amount": plain(record.amount),
    }
    if (standing := record.status) is not told.status:
        out["standing"] = standing
    if record.venue_id:
        out["eid"] = record.venue_id
    if record.price is not None:
        out["price"] = plain(record.price)
    if reason := told.reason or record.reason:
        out["reason"] = reason
    _add_choices(out, record)
    if record.filled:
        _add_filled(out, record)
    if told.fill is not None:
        _add_fill(out, told.fill)
    return out


def _add_choices(out: dict[str, str], record: OrderRecord) -> None:
    if record.client_id != record.oid:
        out["client_id"] = record.client_id
    if record.client_oid:
        out["client_oid"] = record.client_oid
    if record.tif is not TimeInForce.GTC:
        out["time_in_force"] = record.tif
    if record.reduce_only:
        out["reduce_only"] = "1"
    if record.exists is not Exists.TRUE:
        out["exists"] = record.exists


def _add_filled(out: dict[str, str], record: OrderRecord) -> None:
    out["filled"] = plain(record.filled)
    out["remaining"] = plain(record.remaining)
    if record.avg_price is not None:
        out["avg_price"] = plain(record.avg_price)
    out["fee"] = plain(record.fee)
    if record.fee_currency:
        out["fee_currency"] = record.fee_currency


def _add_fill(out: dict[str, str], fill: Fill) -> None:
    out["last_filled"] = plain(fill.amount)
    out["last_filled_price"] = plain(fill.price)
    out["trade_id"] = fill.trade_id
    out["fill_fee"] = plain(fill.fee)


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


def status_result(
    exchange: str, account_type: str, event: str, now_ms: int, at_ms: int | None = None
) -> dict[str, str]:
    """Return a ``private_ws_status`` result; ``at_ms``: when it happened, if not now."""
    return {
        "type": ResultType.STATUS,
        "ts_ms": str(now_ms),
        "exchange": exchange,
        "account_type": account_type,
        "event": event,
        "timestamp": str(now_ms if at_ms is None else at_ms),
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
