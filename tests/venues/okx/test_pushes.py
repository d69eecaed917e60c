"""Pushes where the golden transcripts are not all: reasons, fees, snapshots, and bad input."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest

from router.evidence import OrderReport, VenueState
from tests.venues.okx.sample import INSTRUMENTS, VENUE
from workers.venue import (
    BalancesPushed,
    OrderPushed,
    PositionsPushed,
    Unreadable,
    VenueEvent,
)

ORDER: dict[str, Any] = {
    "accFillSz": "2",
    "avgPx": "40000",
    "cTime": "5",
    "clOrdId": "a1",
    "fee": "-0.4",
    "feeCcy": "USDT",
    "fillFee": "-0.4",
    "fillFeeCcy": "USDT",
    "fillPx": "40000",
    "fillSz": "2",
    "fillTime": "6",
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "ordId": "9",
    "ordType": "limit",
    "px": "40000",
    "reduceOnly": "false",
    "side": "buy",
    "state": "partially_filled",
    "sz": "5",
    "tradeId": "77",
    "uTime": "7",
}


def push(channel: str, *items: object, **wrapper: object) -> list[VenueEvent]:
    frame = {"arg": {"channel": channel, "instType": "ANY"}, "data": items, **wrapper}
    return VENUE.decode(json.dumps(frame), INSTRUMENTS)


def order(**change: object) -> OrderReport:
    [event] = push("orders", ORDER | change)
    assert isinstance(event, OrderPushed)
    return event.report


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1", "1 user"),
        ("13", "13 FOK could not fill whole"),
        ("14", "14 IOC remainder"),
        ("20", "20 cancel-all-after"),
        ("31", "31 post-only would take"),
        ("32", "32 self-trade prevention"),
        ("43", "43 canceled by the venue"),
        ("", ""),
    ],
)
def test_a_cancel_says_why(source: str, reason: str) -> None:
    found = order(state="canceled", cancelSource=source)
    assert (found.state, found.reason) == (VenueState.CANCELED, reason)


def test_market_maker_protection_is_a_cancel() -> None:
    found = order(state="mmp_canceled")
    assert (found.state, found.reason) == (VenueState.CANCELED, "market maker protection")


def test_amend_failures() -> None:
    assert order(amendResult="0").amend_failed == ""
    assert order(amendResult="-1", code="51008", msg="no").amend_failed == "51008 no"
    assert order(amendResult="1", code="0", msg="").amend_failed


def test_fees_are_positive_when_paid() -> None:
    paid, rebated = order().fill, order(fillFee="0.1", fillFeeCcy="OKB").fill
    assert paid is not None
    assert (paid.fee, paid.fee_currency) == (Decimal("0.4"), "USDT")
    assert rebated is not None
    assert (rebated.fee, rebated.fee_currency) == (Decimal("-0.1"), "OKB")


def test_a_quote_sized_order_has_no_amount() -> None:
    spot = {"instId": "BTC-USDT", "instType": "SPOT", "ordType": "market", "sz": "10"}
    assert order(**spot, tgtCcy="quote_ccy").amount is None
    assert order(**spot, tgtCcy="").amount is None
    assert order(**spot, tgtCcy="base_ccy").amount == 10
    assert order(**spot, tgtCcy="", side="sell").amount == 10
    assert order(instId="BTC-USD-SWAP").amount is None


def test_an_inverse_fill_is_converted_by_its_own_price() -> None:
    found = order(instId="BTC-USD-SWAP", fillPx="50000", avgPx="40000", accFillSz="4")
    assert found.filled == Decimal("0.01")
    assert found.fill is not None
    assert found.fill.amount == Decimal("0.004")


@pytest.mark.parametrize("zero", [{"tradeId": ""}, {"fillSz": "0"}, {"fillSz": ""}])
def test_without_trade_or_size_it_is_no_fill(zero: dict[str, str]) -> None:
    assert order(**zero).fill is None


@pytest.mark.parametrize(
    "change",
    [
        {"instId": "NO-USDT"},
        {"instId": None},
        {"state": "order_failed"},
        {"state": ["live"]},
        {"ordId": "", "clOrdId": ""},
        {"ordId": 9},
        {"sz": "five"},
        {"sz": 0.5},
        {"sz": "NaN"},
        {"sz": True},
        {"avgPx": "1e999999999"},
        {"uTime": "yesterday"},
        {"fillPx": ""},
        {"fillFee": {"USDT": "1"}},
    ],
)
def test_an_unreadable_item_leaves_its_neighbours_alone(change: dict[str, object]) -> None:
    events = push("orders", ORDER, ORDER | change, "x", ORDER | {"ordId": "10"})
    found = [one.report.venue_id for one in events if isinstance(one, OrderPushed)]
    wrong = [one for one in events if isinstance(one, Unreadable)]
    assert found == ["9", "10"]
    assert len(wrong) == 2
    assert all(one.reason for one in wrong)


SNAPSHOT = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
FLAT: list[dict[str, object]] = [
    {"eventType": "snapshot", "curPage": 1, "lastPage": False},
    {"eventType": "snapshot", "curPage": 2, "lastPage": True},
    {"eventType": "snapshot"},
    {"eventType": "event_update"},
    {},
]
POSITION = {"instId": "BTC-USDT-SWAP", "pos": "1", "posSide": "net", "avgPx": "4", "uTime": "5"}
ACCOUNT = {"uTime": "5", "details": [{"ccy": "BTC", "availBal": "1", "frozenBal": "0"}]}


@pytest.mark.parametrize(("channel", "item"), [("positions", POSITION), ("account", ACCOUNT)])
def test_only_a_whole_snapshot_is_complete(channel: str, item: object) -> None:
    for wrapper in (SNAPSHOT, *FLAT):
        [event] = push(channel, item, **wrapper)
        assert isinstance(event, BalancesPushed | PositionsPushed)
        assert event.complete is (wrapper is SNAPSHOT)


def test_a_snapshot_with_an_unreadable_item_is_not_complete() -> None:
    events = push("positions", POSITION, POSITION | {"pos": "x"}, **SNAPSHOT)
    assert [getattr(one, "complete", None) for one in events] == [False, None]
    events = push("account", ACCOUNT, {"details": [{"ccy": "", "availBal": "1"}]}, **SNAPSHOT)
    assert [getattr(one, "complete", None) for one in events] == [False, None]


def test_legs_of_a_contract_are_summed_within_a_whole_snapshot_alone() -> None:
    """A leg that is pushed is told as it is: what the other holds, no update says."""
    cross, isolated = POSITION, POSITION | {"pos": "-3", "mgnMode": "isolated"}
    [event] = push("positions", cross, isolated, **SNAPSHOT)
    assert isinstance(event, PositionsPushed)
    assert event.complete
    assert [one.signed_amount for one in event.positions] == [Decimal("-0.02")]
    [event] = push("positions", cross, isolated)
    assert isinstance(event, PositionsPushed)
    assert [one.signed_amount for one in event.positions] == [Decimal("0.01"), Decimal("-0.03")]


def test_positions_that_are_not_ours_hide_none_of_ours() -> None:
    margin = POSITION | {"instId": "BTC-USDT", "instType": "MARGIN"}
    option = POSITION | {"instId": "BTC-USD-241227-50000-C"}
    events = push("positions", margin, option, **SNAPSHOT)
    assert events[0] == PositionsPushed((), True)
    assert [type(one) for one in events[1:]] == [Unreadable]
    assert push("positions", margin) == []


@pytest.mark.parametrize(
    "levels",
    ["x", [["1"]], ["x"], [[1.5, "2"]], [{"px": "1"}], [["a", "b"]], None],
)
def test_a_broken_book_is_unreadable(levels: object) -> None:
    frame = {
        "arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"},
        "data": [{"bids": levels, "asks": [], "ts": "1"}],
    }
    [event] = VENUE.decode(orjson.dumps(frame).decode(), INSTRUMENTS)
    assert isinstance(event, Unreadable)
