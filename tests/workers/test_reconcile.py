"""What changed while nobody watched; the invariants are those of workers/reconcile.py."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import ids
from router.evidence import OrderReport, PositionReport
from router.orders import OrderRecord
from router.state import State
from tests.workers.samples import balance, position, record, report
from workers.reconcile import (
    Sorted,
    balances_diff,
    due,
    empty_diff,
    external_order,
    failed_diff,
    positions_diff,
    sort_snapshot,
)
from workers.registry import Registry

ALPHA = ids.strategy_tag("alpha")
DIFF_KEYS = {
    "success",
    "error",
    "positions_opened",
    "positions_closed",
    "positions_changed",
    "balances_changed",
    "open_orders_added",
    "open_orders_removed",
    "open_orders_external",
}


def sort(
    reports: list[OrderReport],
    records: list[OrderRecord],
    *,
    meanwhile: Callable[[Registry], None] = lambda registry: None,
) -> Sorted:
    """Return the snapshot sorted; ``meanwhile``: what happens between question and answer."""
    registry = Registry()
    for one in records:
        registry.add(one)
    asked_for = due(registry.live())
    meanwhile(registry)

    def find(one: OrderReport) -> OrderRecord | None:
        return registry.find(one.symbol, one.client_id, one.venue_id)

    return sort_snapshot(reports, asked_for, find, {ALPHA: "alpha"})


# --- open orders --------------------------------------------------------------------------------


def test_each_order_of_the_snapshot_goes_where_it_belongs() -> None:
    mine, gone = record("o1"), record("o2")
    orphan = report("lost", client_id=ids.new_oid(ALPHA))
    stranger = report("by-hand", client_id=ids.new_oid(ids.strategy_tag("nobody")))
    nameless = report("nameless", client_id="")
    found = sort([report("o1"), orphan, stranger, nameless], [mine, gone])
    assert [(one.oid, said.venue_id) for one, said in found.known] == [("o1", "v-o1")]
    assert found.orphans == [("alpha", orphan)]
    assert found.external == [stranger, nameless]
    assert found.missing == [gone]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"sent_ms": 2**50}, True),  # by the clock of the host that sent it
        ({"state": State.INITIALIZED, "sent_ms": 0}, False),  # never sent
        ({"state": State.UNKNOWN}, True),
        ({"state": State.CANCELING}, True),
        ({"state": State.FILLED}, False),
        ({"state": State.FAILED}, False),
    ],
)
def test_missing_are_live_orders_that_the_snapshot_must_know(
    changes: dict[str, Any], missing: bool
) -> None:
    assert bool(sort([], [record("o1", **changes)]).missing) is missing


def test_an_order_sent_after_the_snapshot_was_asked_for_is_not_missing() -> None:
    assert sort([], [], meanwhile=lambda registry: registry.add(record("o1"))).missing == []


def test_an_order_that_ended_meanwhile_is_not_missing() -> None:
    one = record("o1")

    def end(registry: Registry) -> None:
        one.state = State.FILLED

    assert sort([], [one], meanwhile=end).missing == []


def test_an_order_known_by_its_venue_id_alone_is_present() -> None:
    found = sort([report("o1", client_id="")], [record("o1")])
    assert [one.oid for one, _ in found.known] == ["o1"]
    assert found.missing == []


@given(present=st.sets(st.integers(0, 9)), live=st.sets(st.integers(0, 9)))
def test_every_order_is_sorted_exactly_once(present: set[int], live: set[int]) -> None:
    found = sort([report(f"o{n}") for n in present], [record(f"o{n}") for n in live])
    known = {one.oid for one, _ in found.known}
    assert known == {f"o{n}" for n in present & live}
    assert {one.client_id for one in found.external} == {f"c-o{n}" for n in present - live}
    assert {one.oid for one in found.missing} == {f"o{n}" for n in live - present}


def test_an_external_order_is_shown_in_plain_digits() -> None:
    shown = external_order(
        report("x", side="BUY", amount=Decimal("1E-7"), price=Decimal("9E4"), filled=Decimal(0))
    )
    assert shown == {
        "client_id": "c-x",
        "eid": "v-x",
        "symbol": "BTCUSDT-PERP.OKX",
        "side": "BUY",
        "amount": "0.0000001",
        "filled": "0",
        "price": "90000",
    }
    assert external_order(report("x"))["price"] == ""


# --- positions and balances ---------------------------------------------------------------------


def holding(**amounts: str) -> dict[str, PositionReport]:
    return {symbol: position(symbol, amount) for symbol, amount in amounts.items()}


def test_positions_open_close_and_change() -> None:
    diff = positions_diff(holding(A="1", B="2", C="3", D="4"), holding(B="2", C="-3", E="5"))
    assert diff == {
        "positions_opened": ["E"],
        "positions_closed": ["A", "D"],
        "positions_changed": [{"symbol": "C", "before": "3", "after": "-3"}],
    }


@pytest.mark.parametrize("after", [holding(A="0"), holding()])
def test_a_position_of_zero_and_a_missing_one_are_the_same(
    after: dict[str, PositionReport],
) -> None:
    assert positions_diff(holding(A="1"), after)["positions_closed"] == ["A"]
    assert positions_diff(after, holding(A="1"))["positions_opened"] == ["A"]
    assert not any(positions_diff(holding(A="0"), after).values())


def test_marks_alone_change_no_position() -> None:
    before, after = {"A": position("A", "1")}, {"A": position("A", "1", entry="91000")}
    assert not any(positions_diff(before, after).values())


def test_balances_tell_totals_before_and_after() -> None:
    before = {
        "USDT": balance("USDT", "90", "10"),
        "BTC": balance("BTC", "1"),
        "OLD": balance("OLD", "5"),
    }
    after = {
        "USDT": balance("USDT", "80", "20"),
        "BTC": balance("BTC", "2"),
        "NEW": balance("NEW", "7"),
    }
    assert balances_diff(before, after) == {
        "BTC": {"before": "1", "after": "2"},
        "NEW": {"before": "0", "after": "7"},
        "OLD": {"before": "5", "after": "0"},
    }, "locking alone changes no total"


def test_an_asset_of_zero_and_a_missing_one_are_the_same() -> None:
    assert balances_diff({"X": balance("X", "0")}, {}) == {}
    assert balances_diff({}, {"X": balance("X", "0")}) == {}


# --- the diff itself ----------------------------------------------------------------------------


def test_a_failed_diff_says_that_and_nothing_else() -> None:
    diff = failed_diff("502 Bad Gateway")
    assert set(diff) == set(empty_diff()) == DIFF_KEYS
    assert (diff["success"], diff["error"]) == (False, "502 Bad Gateway")
    assert not any(value for key, value in diff.items() if key not in ("success", "error"))


def test_an_empty_diff_is_a_success_and_never_shared() -> None:
    one, other = empty_diff(), empty_diff()
    assert (one["success"], one["error"]) == (True, None)
    one["positions_opened"].append("A")
    assert other["positions_opened"] == []
