"""Trades and states of one order, told apart and in any order, end in the same order."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from router.enums import OrderStatus
from router.evidence import Fill, Source, VenueState
from router.orders import OrderRecord, Told
from router.state import State
from strategy_sdk.testing import linear_perpetual
from tests.workers.samples import SYMBOL, record, report
from workers.clock import Clock
from workers.statements import Statements
from workers.venue import Instruments

S = OrderStatus
Take = Callable[[Statements, OrderRecord], None]


class Notes:
    """The teller: what was told."""

    def __init__(self) -> None:
        self.told: list[OrderStatus] = []
        self.results: list[tuple[str, str]] = []

    def order(self, one: OrderRecord, told: list[Told]) -> None:
        self.told += [event.status for event in told]

    def request(
        self, one: OrderRecord, kind: object, result: str, reason: str, exists: str = ""
    ) -> None:
        self.results.append((result, exists))

    def cut(self) -> None: ...


def statements(kind: str = "linear") -> tuple[Statements, Notes]:
    notes = Notes()
    listed = linear_perpetual(SYMBOL).model_copy(update={"kind": kind})
    wiring: Any = SimpleNamespace(teller=notes, clock=Clock(), instruments=Instruments([listed]))
    return Statements(wiring), notes


def trade(trade_id: str, amount: str) -> Take:
    fill = Fill(trade_id, Decimal(amount), Decimal("90000"), 1_200, venue_id="v-o1", symbol=SYMBOL)
    return lambda on, one: on.take_fills(one, [fill])


def state(filled: str, venue_state: VenueState = VenueState.OPEN) -> Take:
    said = report(
        state=venue_state, filled=Decimal(filled), source=Source.PUSH, amount=Decimal("0.003")
    )
    return lambda on, one: on.take(one, said)


PUSHES = [
    state("0"),
    state("0.001"),
    trade("t1", "0.001"),
    trade("t2", "0.002"),
    state("0.003", VenueState.FILLED),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(PUSHES)))))
def test_states_and_trades_may_come_in_any_order(order: tuple[int, ...]) -> None:
    on, notes = statements()
    mine = record(state=State.PENDING, venue_id="")
    for place in order:
        PUSHES[place](on, mine)
        PUSHES[place](on, mine)  # and twice
    assert (mine.state, mine.filled) == (State.FILLED, Decimal("0.003"))
    assert [one for one in notes.told if one in (S.PARTIALLY_FILLED, S.FILLED)] == [
        S.PARTIALLY_FILLED,
        S.FILLED,
    ]
    assert notes.told[-1] is S.FILLED
    assert notes.told.count(S.PENDING) == 1


def test_a_trade_is_the_first_word_of_an_order() -> None:
    on, notes = statements()
    seen: list[str] = []
    on.on_seen = lambda one: seen.append(one.oid)
    mine = record(state=State.PENDING, venue_id="")
    trade("t1", "0.001")(on, mine)
    assert notes.told == [S.PENDING, S.PARTIALLY_FILLED]
    assert mine.venue_id == "v-o1"
    assert seen == ["o1"], "a cancel that waited for the order may go"


def test_the_venues_state_ends_what_is_sized_in_quote_value() -> None:
    """An inverse order may trade more base than was reckoned with, and still be open."""
    on, notes = statements("inverse")
    mine = record(state=State.PENDING, venue_id="")
    trade("t1", "0.004")(on, mine)
    state("0.004", VenueState.FILLED)(on, mine)
    assert notes.told == [S.PENDING, S.PARTIALLY_FILLED, S.FILLED]


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (VenueState.OPEN, ("ACK_TIMEOUT_CONFIRMED", "true")),
        (VenueState.REJECTED, ("ACK_TIMEOUT", "false")),
    ],
)
def test_the_truth_of_an_unknown_order_is_a_result_whatever_it_is(
    said: VenueState, result: tuple[str, str]
) -> None:
    on, notes = statements()
    on.take(record(state=State.UNKNOWN, venue_id=""), report(state=said, reason="no money"))
    assert notes.results == [result]


def test_an_order_that_was_asked_to_grow_and_seems_filled_is_looked_at() -> None:
    """The push that would say whether it has grown, or ended, may be lost."""
    on, notes = statements()
    looked_at: list[OrderRecord] = []
    on.on_doubtful_end = looked_at.append
    one = record(asked=Decimal(1))
    trade("t1", "0.003")(on, one)
    assert (notes.told, looked_at) == ([S.PARTIALLY_FILLED], [one])
