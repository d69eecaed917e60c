"""Folding what the venue states: any order and repetition ends in the ledger's truth."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import ids
from router.enums import Exists, OrderSide, OrderStatus, OrderType
from router.evidence import Fill, OrderReport, Source, VenueState
from router.orders import (
    OrderRecord,
    Told,
    acked,
    add_fill,
    failed,
    fold,
    rest_fill,
    settle_end,
    step,
)
from router.state import ENDS, Event, State, advance

OID = ids.new_oid(ids.strategy_tag("alpha"))
SYMBOL = "BTCUSDT-PERP.OKX"


def sent_order(amount: str = "3") -> OrderRecord:
    record = OrderRecord(
        strategy="alpha",
        oid=OID,
        client_id=OID,
        symbol=SYMBOL,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(amount),
        price=Decimal(100),
    )
    record.state = advance(record.state, Event.SENT)
    return record


def market_order() -> OrderRecord:
    record = sent_order()
    record.type, record.price = OrderType.MARKET, None
    return record


def report(
    state: VenueState = VenueState.OPEN,
    filled: str = "0",
    *,
    fill: Fill | None = None,
    ts_ms: int = 1,
    source: Source = Source.PUSH,
    amount: str = "3",
    price: str = "100",
    reason: str = "",
) -> OrderReport:
    return OrderReport(
        symbol=SYMBOL,
        client_id=OID,
        venue_id="v1",
        state=state,
        filled=Decimal(filled),
        source=source,
        ts_ms=ts_ms,
        amount=Decimal(amount),
        price=Decimal(price),
        fill=fill,
        reason=reason,
    )


def fill(number: int, amount: str = "1", price: str = "100") -> Fill:
    return Fill(f"t{number}", Decimal(amount), Decimal(price), number, Decimal("0.1"), "USDT")


def statuses(told: list[Told]) -> list[OrderStatus]:
    return [one.status for one in told]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[OrderReport], list[Fill], VenueState]:
    """A true history at the venue: opened, fills, then open, filled or canceled."""
    count = draw(st.integers(0, 3))
    fills = [fill(number) for number in range(1, count + 1)]
    out = [report(ts_ms=1)]
    out += [
        report(
            VenueState.FILLED if n == 3 else VenueState.OPEN, str(n), fill=fills[n - 1], ts_ms=1 + n
        )
        for n in range(1, count + 1)
    ]
    end = VenueState.FILLED if count == 3 else VenueState.OPEN
    if count < 3 and draw(st.booleans()):
        end = VenueState.CANCELED
        out.append(report(end, str(count), ts_ms=9, reason="1 user"))
    return out, fills, end


@settings(max_examples=400, deadline=None)
@given(histories(), st.data())
def test_any_interleaving_duplication_and_reordering_ends_in_the_truth(
    history: tuple[list[OrderReport], list[Fill], VenueState], data: st.DataObject
) -> None:
    reports, fills, end = history
    record, told = sent_order(), []
    snapshots = [replace(one, source=Source.QUERY, fill=None) for one in reports]
    steps: list[Callable[[], list[Told]]] = [
        *(lambda one=one: fold(record, one) for one in reports),
        *(lambda one=one: fold(record, one) for one in snapshots),
        *(lambda one=one: add_fill(record, one) + settle_end(record, 1) for one in fills),
        lambda: acked(record, "v1", 1),
        lambda: failed(record, Event.ABSENT, "late doubt", 1) if record.ended else [],
    ]
    repeats = data.draw(st.lists(st.sampled_from(range(len(steps))), max_size=10))
    order = data.draw(st.permutations(range(len(steps))))
    for index in [*order, *repeats]:
        told += steps[index]()
    expected = {"OPEN": State.ACCEPTED, "FILLED": State.FILLED, "CANCELED": State.CANCELED}
    assert record.state is expected[end.value]
    assert record.filled == len(fills)
    assert record.exists is Exists.TRUE
    told_fills = [one.fill.trade_id for one in told if one.fill is not None]
    assert sorted(told_fills) == [one.trade_id for one in fills]
    ends = [one for one in statuses(told) if one.is_closed]
    assert ends == ([OrderStatus(end.value)] if end is not VenueState.OPEN else [])
    if ends:
        assert told[-1].status.is_closed, "each fill is told before the end"
    assert statuses(told).count(OrderStatus.ACCEPTED) <= 1
    assert statuses(told).count(OrderStatus.PENDING) <= 1


@given(histories())
def test_a_record_read_back_from_its_hash_folds_on_without_repeats(
    history: tuple[list[OrderReport], list[Fill], VenueState],
) -> None:
    reports, _, _ = history
    record = sent_order()
    stored = {
        "oid": OID,
        "client_id": OID,
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "amount": "3",
        "price": "100",
    }
    for one in reports:
        for told in fold(record, one):
            if told.fill:
                stored[f"fill:{told.fill.trade_id}"] = f"{told.fill.amount}@{told.fill.price}"
    again = OrderRecord.from_hash("alpha", stored | record.hash_fields())
    assert [told for one in reports for told in fold(again, one)] == []
    assert (again.state, again.filled, again.trades) == (record.state, record.filled, record.trades)


def test_an_order_found_at_the_venue_is_kept_as_the_intent_and_the_trades_that_made_it() -> None:
    record = sent_order()
    for number, price in enumerate(("100", "99")):
        add_fill(record, Fill(f"t{number}", Decimal(1), Decimal(price), number))
    kept = record.intent().fields() | record.hash_fields() | dict(record.trade_fields())
    again = OrderRecord.from_hash(record.strategy, kept)
    assert again.intent() == record.intent()
    assert (again.state, again.filled, again.trades) == (record.state, record.filled, record.trades)


@pytest.mark.parametrize("state", sorted(set(State) - (ENDS - {State.FAILED})))
@pytest.mark.parametrize("filled", [0, 1, 2])
def test_c17_expired_is_told_from_any_open_state(state: State, filled: int) -> None:
    record = sent_order()
    for number in range(filled):
        add_fill(record, fill(number))
    record.state = state
    told = fold(record, report(VenueState.EXPIRED, str(filled), reason="time is up"))
    assert told[-1] == Told(OrderStatus.EXPIRED, reason="time is up")
    assert [one.status for one in told if one.status.is_closed] == [OrderStatus.EXPIRED]
    assert (record.state, record.exists) == (State.EXPIRED, Exists.TRUE)
    assert record.filled == filled
    assert record.ended
    assert fold(record, report(VenueState.EXPIRED, str(filled))) == []


def test_c17_expired_waits_for_its_missing_fills() -> None:
    record = sent_order()
    assert OrderStatus.EXPIRED not in statuses(fold(record, report(VenueState.EXPIRED, "1")))
    told = add_fill(record, fill(1)) + settle_end(record, 1)
    assert statuses(told) == [OrderStatus.PARTIALLY_FILLED, OrderStatus.EXPIRED]


def test_an_end_waits_for_its_missing_fills() -> None:
    record = sent_order()
    assert statuses(fold(record, report(VenueState.CANCELED, "1", ts_ms=5))) == [
        OrderStatus.PENDING
    ]
    assert record.lacks_fills
    assert statuses(add_fill(record, fill(1)) + settle_end(record, 6)) == [
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.CANCELED,
    ]


def test_a_terminal_frame_without_a_trade_ends_the_order() -> None:
    """OKX spot market: the whole fill comes first, then "filled" with fillSz 0 (sheet §5.2)."""
    record = sent_order("2")
    record.type = OrderType.MARKET
    assert statuses(fold(record, report(filled="2", fill=fill(1, "2"), amount="2"))) == [
        OrderStatus.PENDING,
        OrderStatus.FILLED,
    ]
    assert fold(record, report(VenueState.FILLED, "2", amount="2")) == []


def test_a_failed_order_is_revived_by_a_fill() -> None:
    record = sent_order()
    failed(record, Event.REJECTED, "no", 1)
    told = fold(record, report(filled="1", fill=fill(1)))
    assert OrderStatus.PARTIALLY_FILLED in statuses(told)
    assert (record.state, record.exists, record.reason) == (State.ACCEPTED, Exists.TRUE, "")


def test_a_stale_snapshot_reduces_and_reopens_nothing() -> None:
    record = sent_order()
    for number in (1, 2, 3):
        fold(record, report(filled=str(number), fill=fill(number), ts_ms=number))
    assert fold(record, report(filled="1", source=Source.QUERY, ts_ms=9)) == []
    assert (record.state, record.filled) == (State.FILLED, Decimal(3))


def test_an_amend_keeps_fills_and_tells_the_new_terms() -> None:
    record = sent_order()
    fold(record, report(filled="1", fill=fill(1), ts_ms=2))
    told = fold(record, report(filled="1", price="101", ts_ms=3))
    assert statuses(told) == [OrderStatus.ACCEPTED]
    assert (record.price, record.filled, record.status) == (
        Decimal(101),
        Decimal(1),
        OrderStatus.PARTIALLY_FILLED,
    )


def test_quantity_told_without_trades_is_not_told_again_with_them() -> None:
    record = sent_order()
    fold(record, report(VenueState.CANCELED, "2", ts_ms=2))
    add_fill(record, rest_fill(record, 3))
    assert add_fill(record, fill(1)) == add_fill(record, fill(2)) == []
    assert record.filled == 2


@pytest.mark.parametrize(
    ("told", "average", "price"),
    [
        ((), "102.5", "102.5"),
        ((fill(1),), "102.5", "105"),
        ((fill(1), fill(2, "0.5", "101")), "102.5", "109"),
        ((fill(1),), None, "100"),
        ((fill(1),), "0.1", "100"),
        ((), None, "0"),
    ],
    ids=["all of it", "half", "three quarters", "no average", "average too low", "nothing known"],
)
def test_quantity_told_without_trades_has_the_price_that_makes_the_venues_average(
    told: tuple[Fill, ...], average: str | None, price: str
) -> None:
    record = market_order()
    for one in told:
        add_fill(record, one)
    canceled = report(VenueState.CANCELED, "2", ts_ms=2, price="0")
    fold(record, replace(canceled, avg_price=Decimal(average) if average else None))
    rest = rest_fill(record, 3)
    assert (rest.amount, rest.price) == (2 - record.filled, Decimal(price))
    add_fill(record, rest)
    assert record.filled == 2
    if average == "102.5":
        assert record.avg_price == Decimal(average)


def test_an_average_price_of_less_than_is_filled_prices_nothing() -> None:
    record = market_order()
    fold(record, replace(report(filled="1", ts_ms=2, price="0"), avg_price=Decimal(90)))
    fold(record, report(VenueState.CANCELED, "2", ts_ms=3, price="0"))
    assert rest_fill(record, 4).price == 0
    late = report(filled="1", ts_ms=2, price="0")
    fold(record, replace(late, avg_price=Decimal(90)))
    assert rest_fill(record, 4).price == 0


@pytest.mark.parametrize("event", [Event.NOT_SENT, Event.REJECTED, Event.ABSENT])
def test_a_failure_says_why_and_that_nothing_exists(event: Event) -> None:
    record = sent_order()
    [told] = failed(record, event, "because", 7)
    assert (told.status, told.reason) == (OrderStatus.FAILED, "because")
    assert (record.exists, record.ended_ms) == (Exists.FALSE, 7)


def test_an_ack_after_an_end_tells_nothing() -> None:
    record = sent_order("1")
    fold(record, report(VenueState.FILLED, "1", fill=fill(1), amount="1"))
    assert acked(record, "v1", 5) == []
    assert record.state is State.FILLED


def test_a_refusal_after_the_order_was_shown_is_dropped() -> None:
    record = sent_order()
    fold(record, report())
    assert failed(record, Event.REJECTED, "duplicate id", 5) == []
    assert (record.state, record.exists, record.reason) == (State.ACCEPTED, Exists.TRUE, "")


def test_a_venue_that_states_a_refusal_ends_the_order_with_its_reason() -> None:
    record = sent_order()
    [told] = fold(record, report(VenueState.REJECTED, reason="51008 no money", ts_ms=8))
    assert (told.status, told.reason) == (OrderStatus.FAILED, "51008 no money")
    assert (record.state, record.exists, record.ended_ms) == (State.FAILED, Exists.FALSE, 8)
    assert fold(record, report(VenueState.REJECTED)) == [], "told once"


@pytest.mark.parametrize("venue_id", ["v1", ""])
def test_an_ack_behind_the_refusal_of_its_order_does_not_revive_it(venue_id: str) -> None:
    """Told FAILED, then PENDING, it would stay so for ever: nothing more comes."""
    record = sent_order()
    fold(record, report(VenueState.REJECTED, reason="EC_RiskLimit", ts_ms=8))
    again = OrderRecord.from_hash("alpha", {**record.intent().fields(), **record.hash_fields()})
    for one in (record, again):
        assert acked(one, venue_id, 9) == []
        assert (one.state, one.exists, one.venue_id) == (State.FAILED, Exists.FALSE, "v1")
        assert (one.reason, one.ended_ms, one.acked_ms) == ("EC_RiskLimit", 8, 8)


def test_an_ack_of_another_copy_revives_an_order_whose_first_was_refused() -> None:
    """Proven absent and sent again: the refusal of the first copy says nothing about the second."""
    record = sent_order()
    fold(record, report(VenueState.REJECTED, reason="EC_RiskLimit", ts_ms=8))
    assert statuses(acked(record, "v2", 9)) == [OrderStatus.PENDING]
    assert (record.state, record.exists, record.venue_id) == (State.PENDING, Exists.TRUE, "v2")
    assert (record.reason, record.ended_ms) == ("", 0)


@pytest.mark.parametrize("traded", [0, 1])
def test_an_order_refused_after_it_was_shown_is_off_the_book(traded: int) -> None:
    """It existed, so it has not failed; left open, it would be asked about for ever."""
    record = sent_order()
    fold(record, report())
    if traded:
        add_fill(record, fill(1))
    [told] = fold(record, report(VenueState.REJECTED, str(traded), reason="EC_Others", ts_ms=8))
    assert (told.status, told.reason) == (OrderStatus.CANCELED, "EC_Others")
    assert record.exists is Exists.TRUE
    assert record.filled == traded


def test_a_trade_of_an_acknowledged_order_thought_failed_revives_it() -> None:
    """The ack was taken, then a wrong proof failed the order: the trade is evidence (C8)."""
    record = sent_order()
    acked(record, "v1", 1)
    record.state, record.reason, record.ended_ms = State.FAILED, "absent", 2
    assert statuses(add_fill(record, fill(1))) == [OrderStatus.PARTIALLY_FILLED]
    assert (record.state, record.reason, record.ended_ms) == (State.ACCEPTED, "", 0)


def test_an_end_stated_twice_is_told_once() -> None:
    record = sent_order()
    told = fold(record, report(VenueState.CANCELED, ts_ms=2))
    assert statuses(told) == [OrderStatus.PENDING, OrderStatus.CANCELED]
    assert settle_end(record, 3) == []
    assert record.ended_ms == 2


@pytest.mark.parametrize(("amount", "price"), [(None, None), ("0", "0")])
def test_terms_that_the_venue_does_not_state_stay(amount: str | None, price: str | None) -> None:
    record = sent_order()
    stated = [None if one is None else Decimal(one) for one in (amount, price)]
    fold(record, replace(report(), amount=stated[0], price=stated[1]))
    assert (record.amount, record.price) == (Decimal(3), Decimal(100))
    assert record.by_amount is (amount is not None)


def test_the_first_end_stands_unless_all_was_filled() -> None:
    record = sent_order()
    fold(record, report())
    step(record, Event.VANISHED)
    assert record.state is State.CANCELED
    assert fold(record, report(VenueState.EXPIRED, ts_ms=4)) == []
    assert record.state is State.CANCELED
    told = [one for n in (1, 2, 3) for one in add_fill(record, fill(n))]
    assert statuses(told)[-1] is OrderStatus.FILLED


def test_trades_of_its_old_amount_do_not_end_an_order_that_was_asked_to_grow() -> None:
    """Trades and terms come apart: the trade of an enlarged order may be told before its terms."""
    record = sent_order("1")
    fold(record, report(amount="1"))
    record.asked = Decimal(3)
    assert statuses(add_fill(record, fill(1, "1.2"))) == [OrderStatus.PARTIALLY_FILLED]
    assert statuses(fold(record, report(filled="1.2", ts_ms=2))) == [OrderStatus.ACCEPTED]
    assert statuses(add_fill(record, fill(2, "1.8"))) == [OrderStatus.FILLED]


def test_an_order_whose_growth_was_refused_ends_by_the_venues_word() -> None:
    record = sent_order("1")
    fold(record, report(amount="1"))
    record.asked = Decimal(3)
    whole = report(VenueState.FILLED, "1", amount="1", fill=fill(1), ts_ms=2)
    assert statuses(fold(record, whole)) == [OrderStatus.FILLED]


def test_what_was_asked_for_outlives_the_worker() -> None:
    record = sent_order("1")
    record.asked = Decimal(3)
    fields = {**record.intent().fields(), **record.hash_fields()}
    assert OrderRecord.from_hash("alpha", fields).asked == 3


@pytest.mark.parametrize(("ts_ms", "reopened"), [(3, True), (2, False)])
def test_a_later_word_that_a_filled_order_is_larger_and_open_reopens_it(
    ts_ms: int, reopened: bool
) -> None:
    """Somebody enlarged it by hand; an older word is from before its amount was filled."""
    record = sent_order("1")
    told = fold(record, report(filled="1", amount="1", fill=fill(1), ts_ms=2))
    assert statuses(told)[-1] is OrderStatus.FILLED
    told = fold(record, report(filled="1", ts_ms=ts_ms))
    assert statuses(told) == ([OrderStatus.ACCEPTED] if reopened else [])
    assert record.ended is not reopened
    if reopened:
        assert (record.end, record.ended_ms) == (None, 0)
        assert statuses(add_fill(record, fill(2, "2"))) == [OrderStatus.FILLED]
