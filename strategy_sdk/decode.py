"""From Redis's text to values: result entries, stored orders, positions, balances, books. Pure.

Every function raises ``ValueError``, ``KeyError`` or ``ArithmeticError`` (see ``UNREADABLE``) on
text that is not what it should be; the caller logs and goes on.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from router.enums import (
    ExchangeType,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    WsOrderResultType,
)
from strategy_sdk.accounts import Account
from strategy_sdk.schema import ZERO, Balance, BookL1, Order, Position

UNREADABLE = (ValueError, KeyError, ArithmeticError, TypeError)
_NAN = float("nan")
# A lookup costs a tenth of calling the enumeration; both raise for a word that it has not.
_STATUSES = {one.value: one for one in OrderStatus}
_TYPES = {one.value: one for one in OrderType}
_SIDES = {one.value: one for one in OrderSide}
_TIFS = {one.value: one for one in TimeInForce}


def fields_of(flat: Sequence[str]) -> dict[str, str]:
    """Return a stream entry's or a hash's flat reply as a dict."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def order_from_result(
    fields: Mapping[str, str], account: Account, strategy: str, known: Order | None = None
) -> Order:
    """Return the order an ``order`` result tells of; ``known`` lends its trigger price."""
    get = fields.get
    oid, amount = fields["oid"], Decimal(fields["amount"])
    status = _STATUSES[fields["status"]]
    standing, price = get("standing"), get("price")
    # By position: by name, as many fields cost three to five times as much (docs/performance.md).
    order = Order(
        account.exchange,
        fields["symbol"],
        status,
        _STATUSES[standing] if standing else status,
        oid,
        amount,
        _SIDES[fields["side"]],
        _TYPES[fields["order_type"]],
        _TIFS[get("time_in_force", "GTC")],
        get("client_oid"),
        get("client_id", oid),
        get("eid"),
        amount,  # remaining
        int(get("ts_ms", "0")),
        Decimal(price) if price else None,
        known.trigger_price if known else None,
        get("reduce_only") == "1",
        get("reason"),
        strategy,
        account.id,
    )
    return _filled(order, fields) if "filled" in fields else order


def _filled(order: Order, fields: Mapping[str, str]) -> Order:
    """Return the order with what has been filled, and the fill that an event tells of."""
    get = fields.get
    filled, average = Decimal(fields["filled"]), _decimal(get("avg_price"))
    last, at = _decimal(get("last_filled")), _decimal(get("last_filled_price"))
    return order._replace(
        filled=filled,
        # An entry without it was written by Lua, which has no exact decimals.
        remaining=Decimal(fields["remaining"]) if "remaining" in fields else order.amount - filled,
        average=average,
        last_filled=last,
        last_filled_price=at,
        trade_id=get("trade_id"),
        fee=Decimal(get("fee", "0")),
        fee_currency=get("fee_currency"),
        cost=last * at if last is not None and at is not None else ZERO,
        cum_cost=filled * average if average is not None else ZERO,
    )


def order_from_hash(fields: Mapping[str, str], account: Account, strategy: str) -> Order:
    """Return the order stored in an order hash; ``status`` is its standing."""
    get = fields.get
    filled, amount = Decimal(get("filled", "0")), Decimal(fields["amount"])
    status = OrderStatus(get("status") or OrderStatus.INITIALIZED)
    done = status is OrderStatus.FILLED
    params = orjson.loads(get("params") or "{}")
    newest = max(int(get(name) or 0) for name in ("created_ms", "acked_ms", "venue_ms", "ended_ms"))
    return Order(
        exchange=account.exchange,
        symbol=fields["symbol"],
        status=status,
        standing=status,
        oid=fields["oid"],
        client_oid=get("client_oid") or None,
        client_id=get("client_id") or fields["oid"],
        eid=get("eid") or None,
        amount=amount,
        filled=filled,
        remaining=ZERO if done else max(ZERO, amount - filled),
        timestamp=newest,
        type=OrderType(fields["type"]),
        side=OrderSide(fields["side"]),
        time_in_force=TimeInForce(get("tif") or "GTC"),
        price=_decimal(get("price")),
        trigger_price=trigger_price(params),
        average=_decimal(get("avg_price")),
        fee=Decimal(get("fee") or "0"),
        fee_currency=get("fee_currency") or None,
        cum_cost=Decimal(get("cost") or "0"),
        reduce_only=get("reduce_only") == "1",
        reason=get("reason") or None,
        strategy=strategy,
        account=account.id,
    )


def trigger_price(params: Mapping[str, Any]) -> Decimal | None:
    """Return the trigger price among venue parameters; None if there is none."""
    value = params.get("trigger_price")
    return None if value in (None, "") else Decimal(str(value))


def position_from_json(text: str, account: Account) -> Position:
    """Return the position in a ``position`` result or in the positions hash."""
    values = orjson.loads(text)
    return Position(
        symbol=values["symbol"],
        exchange=account.exchange,
        account=account.id,
        signed_amount=Decimal(values["signed_amount"]),
        entry_price=Decimal(values["entry_price"]),
        unrealized_pnl=Decimal(values["unrealized_pnl"]),
        realized_pnl=Decimal(values["realized_pnl"]),
    )


def balance_from_values(values: Mapping[str, Any]) -> Balance:
    """Return one asset's balance from its JSON object."""
    return Balance(values["asset"], Decimal(values["free"]), Decimal(values["locked"]))


def balance_from_json(text: str) -> Balance:
    """Return one asset's balance as it stands in the balances hash."""
    return balance_from_values(orjson.loads(text))


def book_from_fields(
    fields: Mapping[str, str], symbol: str, exchange: ExchangeType, entry_id: str
) -> BookL1:
    """Return the best bid and ask in a book entry; NaN where a side is empty."""

    def number(name: str) -> float:
        return float(fields.get(name) or _NAN)

    return BookL1(
        exchange=exchange,
        symbol=symbol,
        bid=number("bid"),
        ask=number("ask"),
        bid_size=number("bid_size"),
        ask_size=number("ask_size"),
        timestamp=int(fields.get("ts_ms") or entry_id.partition("-")[0]),
    )


def request_dict(fields: Mapping[str, str], account: Account) -> dict[str, Any]:
    """Return what ``on_ws_order_request_result`` receives."""
    return {
        "oid": fields["oid"],
        "symbol": fields["symbol"],
        "exchange": fields["exchange"],
        "account": account.id,
        "request": fields["request"],
        "result_type": WsOrderResultType(fields["result_type"]),
        "reason": fields.get("reason", ""),
        "exists": fields.get("exists", "unknown"),
        "timestamp": int(fields["timestamp"]),
    }


def status_dict(fields: Mapping[str, str], account: Account) -> dict[str, Any]:
    """Return what ``on_private_ws_status`` receives."""
    return {
        "exchange": fields["exchange"],
        "account": account.id,
        "account_type": fields["account_type"],
        "event": fields["event"],
        "timestamp": int(fields["timestamp"]),
    }


def diff_dict(fields: Mapping[str, str], account: Account) -> dict[str, Any]:
    """Return what ``on_private_ws_resync_diff`` receives; ``diff`` is a dict."""
    diff = orjson.loads(fields["diff"])
    if not isinstance(diff, dict):
        raise ValueError(f"the diff is no JSON object: {fields['diff'][:80]}")
    return {
        "exchange": fields["exchange"],
        "account": account.id,
        "account_type": fields["account_type"],
        "timestamp": int(fields["timestamp"]),
        "diff": diff,
    }
