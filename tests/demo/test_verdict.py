"""The verdict: true tellings pass, and every kind of lie is found. Rules as numbered there."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from demo.told import OrderTold, RequestTold, Submitted, Told
from demo.verdict import compare
from router.enums import Exists, OrderStatus, RequestKind, WsOrderResultType
from simulator.client import FillRow, Ledger, OrderRow

OID = "a" * 32
Lie = Callable[[Ledger, Told], None]


def order_row(client_id: str = OID, state: str = "filled", **changes: object) -> OrderRow:
    row = {
        "venue_id": f"v-{client_id}",
        "client_id": client_id,
        "account": "okx-demo",
        "symbol": "BTC-USDT",
        "inst_type": "SPOT",
        "side": "buy",
        "type": "limit",
        "size": "0.002",
        "amount": "0.002",
        "price": "89500",
        "filled": "0.002" if state == "filled" else "0",
        "avg_price": None,
        "fee": "0",
        "fee_currency": "BTC",
        "state": state,
        "cancel_source": "",
        "created_ms": 1,
        "updated_ms": 2,
        "transport": "ws",
        "external": False,
        "reduce_only": False,
    }
    return {**row, **changes}  # type: ignore[typeddict-item]


def fill_row(trade_id: str, amount: str, client_id: str = OID) -> FillRow:
    return {
        "trade_id": trade_id,
        "venue_id": f"v-{client_id}",
        "client_id": client_id,
        "account": "okx-demo",
        "symbol": "BTC-USDT",
        "side": "buy",
        "size": amount,
        "amount": amount,
        "price": "89500",
        "fee": "0",
        "fee_currency": "BTC",
        "role": "taker",
        "ts_ms": 2,
    }


def event(status: OrderStatus, filled: str = "0", trade: str = "", amount: str = "0") -> OrderTold:
    return OrderTold(
        at_ms=10,
        oid=OID,
        client_id=OID,
        status=status,
        standing=status,
        filled=Decimal(filled),
        trade_id=trade,
        fill_amount=Decimal(amount),
        fill_price=Decimal(89500 if trade else 0),
    )


def request(kind: WsOrderResultType, exists: Exists) -> RequestTold:
    return RequestTold(11, OID, RequestKind.CREATE, kind, exists, "why")


@pytest.fixture
def ledger() -> Ledger:
    """One order, filled by two trades."""
    fills = [fill_row("1", "0.0005"), fill_row("2", "0.0015")]
    return Ledger([], [], [order_row()], fills, [], 0)


@pytest.fixture
def told() -> Told:
    """The same, told truly."""
    return Told(
        "maker",
        submitted=[Submitted(1, OID, "k1", "strategy")],
        orders=[
            event(OrderStatus.PENDING),
            event(OrderStatus.PARTIALLY_FILLED, "0.0005", "1", "0.0005"),
            event(OrderStatus.FILLED, "0.002", "2", "0.0015"),
        ],
        done=True,
        seqs={"okx-main": [1, 2, 3]},
    )


@pytest.mark.parametrize(("source", "differs"), [("ioc", False), ("user", True), ("", True)])
def test_expired_is_true_of_what_ended_by_its_own_terms(
    ledger: Ledger, source: str, differs: bool
) -> None:
    told = Told(
        "maker",
        submitted=[Submitted(1, OID, "k1", "strategy")],
        orders=[event(OrderStatus.PENDING), event(OrderStatus.EXPIRED)],
        done=True,
    )
    true = replace(ledger, orders=[order_row(state="canceled", cancel_source=source)], fills=[])
    assert bool(compare(true, [told])) is differs


def test_the_truth_has_no_difference(ledger: Ledger, told: Told) -> None:
    assert compare(ledger, [told]) == []


def test_results_that_the_jobs_have_cut_are_no_gap(ledger: Ledger, told: Told) -> None:
    told.seqs["okx-main"] = [7, 8, 9]
    assert compare(ledger, [told]) == []


def test_an_external_order_need_not_be_told(ledger: Ledger, told: Told) -> None:
    ledger.orders.append(order_row("byhand", "live", external=True))
    assert compare(ledger, [told]) == []


def test_a_signal_shared_by_two_strategies_is_one_order(ledger: Ledger, told: Told) -> None:
    told.submitted.append(Submitted(1, OID, "signal", "account"))
    other = Told("taker", submitted=[Submitted(2, OID, "signal", "account")], done=True)
    assert compare(ledger, [told, other]) == []


def untold_order(ledger: Ledger, told: Told) -> None:
    ledger.orders.append(order_row("b" * 32, "live"))


def order_by_hand_told_as_ours(ledger: Ledger, told: Told) -> None:
    ledger.orders[0]["external"] = True


def second_order_for_one_oid(ledger: Ledger, told: Told) -> None:
    ledger.orders.insert(0, order_row(state="canceled", venue_id="v-other"))


def second_oid_for_one_key(ledger: Ledger, told: Told) -> None:
    told.submitted.append(Submitted(5, "c" * 32, "k1", "strategy"))


def wrong_end(ledger: Ledger, told: Told) -> None:
    ledger.orders[0]["state"] = "canceled"


def wrong_filled_amount(ledger: Ledger, told: Told) -> None:
    ledger.orders[0]["filled"] = "0.001"


def told_but_not_there(ledger: Ledger, told: Told) -> None:
    ledger.orders.clear()
    ledger.fills.clear()


def fill_not_told(ledger: Ledger, told: Told) -> None:
    ledger.fills.append(fill_row("3", "0.0001"))


def fill_told_twice(ledger: Ledger, told: Told) -> None:
    told.orders.insert(1, told.orders[1])


def fill_with_wrong_price(ledger: Ledger, told: Told) -> None:
    told.orders[1] = replace(told.orders[1], fill_price=Decimal(1))


def fill_out_of_thin_air(ledger: Ledger, told: Told) -> None:
    del ledger.fills[0]


def nothing_told(ledger: Ledger, told: Told) -> None:
    told.orders.clear()
    ledger.orders.clear()
    ledger.fills.clear()


def cancel_without_outcome(ledger: Ledger, told: Told) -> None:
    ledger.orders[0] |= {"state": "partially_filled", "filled": "0.0005"}
    del ledger.fills[1], told.orders[2]
    told.cancels.append(OID)


def not_sent_but_there(ledger: Ledger, told: Told) -> None:
    told.requests.append(request(WsOrderResultType.REQUEST_NOT_SENT, Exists.FALSE))


def rejected_but_alive(ledger: Ledger, told: Told) -> None:
    ledger.orders[0]["state"] = "live"
    told.requests.append(request(WsOrderResultType.ACK_REJECTED, Exists.FALSE))


def absent_but_there(ledger: Ledger, told: Told) -> None:
    told.requests.append(request(WsOrderResultType.ACK_TIMEOUT, Exists.FALSE))


def unknown_for_ever(ledger: Ledger, told: Told) -> None:
    told.requests.append(request(WsOrderResultType.ACK_TIMEOUT, Exists.UNKNOWN))


def gap_in_the_results(ledger: Ledger, told: Told) -> None:
    told.seqs["okx-main"] = [1, 3]


def strategy_that_died(ledger: Ledger, told: Told) -> None:
    told.done = False


def strategy_that_hardly_traded(ledger: Ledger, told: Told) -> None:
    told.planned, told.placed = 10, 4


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        (1, untold_order),
        (1, order_by_hand_told_as_ours),
        (2, second_order_for_one_oid),
        (2, second_oid_for_one_key),
        (3, wrong_end),
        (3, wrong_filled_amount),
        (3, told_but_not_there),
        (4, fill_not_told),
        (4, fill_told_twice),
        (4, fill_with_wrong_price),
        (4, fill_out_of_thin_air),
        (5, nothing_told),
        (5, cancel_without_outcome),
        (6, not_sent_but_there),
        (6, rejected_but_alive),
        (7, absent_but_there),
        (7, unknown_for_ever),
        (8, gap_in_the_results),
        (8, strategy_that_died),
        (8, strategy_that_hardly_traded),
    ],
)
def test_every_lie_is_found(rule: int, lie: Lie, ledger: Ledger, told: Told) -> None:
    lie(ledger, told)
    assert rule in {one.rule for one in compare(ledger, [told])}


def test_an_unknown_that_was_resolved_is_fine(ledger: Ledger, told: Told) -> None:
    told.requests.append(
        replace(request(WsOrderResultType.ACK_TIMEOUT, Exists.UNKNOWN), at_ms=5),
    )
    assert compare(ledger, [told]) == []
