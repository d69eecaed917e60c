"""What stands in a result: texts without exponents, nothing that says nothing."""

from decimal import Decimal

import orjson

from router.enums import (
    Exists,
    OrderSide,
    OrderStatus,
    OrderType,
    RequestKind,
    TimeInForce,
    WsOrderResultType,
)
from router.evidence import BalanceReport, Fill, PositionReport
from router.orders import OrderRecord, Told, acked, add_fill
from router.results import (
    balance_json,
    balances_result,
    diff_result,
    order_result,
    position_json,
    position_result,
    read_balance,
    read_position,
    request_result,
    status_result,
)

D = Decimal


def order(**changes: object) -> OrderRecord:
    one = OrderRecord(
        strategy="alpha",
        oid="o1",
        client_id="c1",
        symbol="BTCUSDT.OKX",
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=D("1E-7"),
        price=D("9E+4"),
    )
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def test_an_order_tells_its_event_and_its_standing() -> None:
    told = Told(OrderStatus.CANCEL_FAILED, reason="too late")
    found = order_result(order(exists=Exists.UNKNOWN), told, 5)
    assert (found["type"], found["status"], found["ts_ms"]) == ("order", "CANCEL_FAILED", "5")
    assert (found["standing"], found["reason"]) == ("INITIALIZED", "too late")
    assert (found["oid"], found["side"], found["exists"]) == ("o1", "BUY", "unknown")
    assert (found["amount"], found["price"]) == ("0.0000001", "90000")


def test_what_says_nothing_is_left_out() -> None:
    found = order_result(order(price=None), Told(OrderStatus.PENDING), 5)
    assert "" not in found.values()
    unsaid = {"price", "avg_price", "eid", "reason", "trade_id", "fee", "last_filled", "client_oid"}
    assert not unsaid & set(found)


def test_a_fill_tells_its_trade_and_the_sums() -> None:
    one = order(amount=D(2))
    acked(one, "v1", 1)
    fill = Fill("t1", D(1), D(100), 2, D("0.1"), "USDT")
    told = add_fill(one, fill)[-1]
    found = order_result(one, told, 5)
    assert (found["trade_id"], found["last_filled"], found["last_filled_price"]) == (
        "t1",
        "1",
        "100",
    )
    assert (found["filled"], found["remaining"], found["avg_price"]) == ("1", "1", "100")
    assert (found["fee"], found["fee_currency"], found["eid"]) == ("0.1", "USDT", "v1")


def test_a_request_tells_how_it_ended_and_whether_the_order_exists() -> None:
    found = request_result(
        "o1",
        "BTCUSDT.OKX",
        RequestKind.CREATE,
        WsOrderResultType.ACK_TIMEOUT,
        "no answer",
        exists=Exists.UNKNOWN,
        exchange="okx",
        now_ms=7,
    )
    assert found["type"] == "ws_order_request_result"
    assert (found["request"], found["result_type"]) == ("create", "ACK_TIMEOUT")
    assert (found["exists"], found["reason"], found["exchange"]) == ("unknown", "no answer", "okx")


def test_socket_events_diffs_and_holdings() -> None:
    assert status_result("okx", "main", "resynced", 7)["event"] == "resynced"
    assert orjson.loads(diff_result("okx", "main", {"success": True}, 7)["diff"]) == {
        "success": True
    }
    balances = [BalanceReport(asset, D("1E-3"), D(0), 4) for asset in ("BTC", "USDT")]
    found = orjson.loads(balances_result("okx", balances, 7)["balances"])
    assert [one["asset"] for one in found] == ["BTC", "USDT"]
    assert orjson.loads(balance_json(balances[0])) == found[0]
    assert found[0]["free"] == "0.001"
    position = PositionReport("BTCUSDT-PERP.OKX", D("-0.5"), D(90_000), D("1E+2"), D(0), 4)
    told = orjson.loads(position_result("okx", position, 7)["position"])
    assert (told["signed_amount"], told["unrealized_pnl"]) == ("-0.5", "100")


def test_choices_that_are_no_defaults_are_told() -> None:
    one = order(client_oid="mine", tif=TimeInForce.IOC, reduce_only=True)
    found = order_result(one, Told(OrderStatus.PENDING), 5)
    assert (found["client_id"], found["client_oid"]) == ("c1", "mine")
    assert (found["time_in_force"], found["reduce_only"]) == ("IOC", "1")


def test_a_client_id_that_is_the_oid_is_left_out() -> None:
    assert "client_id" not in order_result(order(client_id="o1"), Told(OrderStatus.PENDING), 5)


def test_balances_and_positions_are_read_as_they_were_written() -> None:
    balance = BalanceReport("USDT", D("1.5"), D("1E-7"), 7)
    position = PositionReport(
        symbol="BTCUSDT-PERP.OKX",
        signed_amount=D("-0.25"),
        entry_price=D("9E+4"),
        unrealized_pnl=D("-1.5"),
        realized_pnl=D(0),
        ts_ms=8,
    )
    assert read_balance(balance_json(balance)) == balance
    assert read_position(position_json(position)) == position


def test_a_price_nobody_told_leaves_no_average() -> None:
    """Filled by what the venue says of the order alone: how much, and not at which price."""
    fields = order_result(order(filled=D("1E-7")), Told(OrderStatus.FILLED), 1)
    assert fields["filled"] == "0.0000001"
    assert "avg_price" not in fields
