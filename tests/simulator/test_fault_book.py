"""The pure half of the faults: which armed fault meets which message."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.exchange.faults import BadFault, Context, FaultBook

ORDER = Context(
    op="order",
    group="place",
    transport="ws",
    socket="trade",
    account="a",
    path="/ws/v5/private",
    symbols=("BTC-USDT",),
    client_ids=("abc1",),
)


def armed(**order: Any) -> FaultBook:
    book = FaultBook()
    book.arm({"fault": "lose_ack", **order}, now_ms=1000)
    return book


@pytest.mark.parametrize(
    ("match", "meets"),
    [
        ({}, True),
        ({"symbol": "BTC-USDT"}, True),
        ({"symbol": "ETH-USDT"}, False),
        ({"symbol": ["ETH-USDT", "BTC-USDT"]}, True),
        ({"client_id": "abc1"}, True),
        ({"client_id": "abc"}, False),
        ({"client_id": "abc*"}, True),
        ({"op": "order"}, True),
        ({"op": "place"}, True),
        ({"op": "cancel"}, False),
        ({"transport": "rest"}, False),
        ({"socket": "trade"}, True),
        ({"socket": "private"}, False),
        ({"account": "b"}, False),
        ({"path": "private"}, True),
        ({"symbol": "BTC-USDT", "op": "cancel"}, False),
    ],
)
def test_every_part_of_a_match_must_hold(match: dict[str, Any], meets: bool) -> None:
    assert (armed(match=match).take(("lose_ack",), ORDER, 1000) is not None) is meets


def test_a_count_is_used_up_and_hits_stay_visible() -> None:
    book = armed(count=2)
    taken = [book.take(("lose_ack",), ORDER, 1000) is not None for _ in range(3)]
    assert taken == [True, True, False]
    assert [fault.hits for fault in book] == [2]
    assert not book


def test_a_duration_ends() -> None:
    book = armed(duration_ms=100)
    assert book.take(("lose_ack",), ORDER, 1099) is not None
    assert book.take(("lose_ack",), ORDER, 1100) is None
    assert not book


def test_disarming_one_leaves_the_others() -> None:
    book = armed()
    second = book.arm({"fault": "delay_ack", "delay_ms": 5}, 1000)
    assert [fault.name for fault in book.disarm(second.id)] == ["delay_ack"]
    assert book.take(("delay_ack",), ORDER, 1000) is None
    assert book.take(("lose_ack",), ORDER, 1000) is not None
    book.disarm()
    assert not book
    assert list(book) == []


def test_the_order_of_the_names_decides() -> None:
    book = armed()
    book.arm({"fault": "delay_ack"}, 1000)
    fault = book.take(("delay_ack", "lose_ack"), ORDER, 1000)
    assert fault is not None
    assert fault.name == "delay_ack"


@pytest.mark.parametrize(
    "order", [{"fault": "none such"}, {}, {"fault": "lose_ack", "match": {"colour": "red"}}]
)
def test_nonsense_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(BadFault):
        FaultBook().arm(order, 0)


def test_push_faults_meet_order_pushes_unless_told_otherwise() -> None:
    book = FaultBook()
    book.arm({"fault": "lose_push"}, 0)
    assert book.take(("lose_push",), Context(op="account"), 0) is None
    assert book.take(("lose_push",), Context(op="orders"), 0) is not None


@pytest.mark.parametrize(
    ("wanted", "meets"), [("private", True), ("trade", True), ("public", False)]
)
def test_a_private_handshake_may_become_either_socket(wanted: str, meets: bool) -> None:
    book = FaultBook()
    book.arm({"fault": "refuse_connections", "match": {"socket": wanted}}, 0)
    context = Context(op="connect", group="connect", socket="trade+private")
    assert (book.take(("refuse_connections",), context, 0) is not None) is meets
