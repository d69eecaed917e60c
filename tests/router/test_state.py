"""The state machine: the table is whole, ends stay ends, unknown is left by evidence alone."""

import random
from decimal import Decimal

import pytest

from router.enums import OrderStatus
from router.state import (
    ENDS,
    TRANSITIONS,
    UNSEEN,
    Event,
    IllegalTransition,
    State,
    advance,
    status_of,
)

EVIDENCE = {Event.OPENED, Event.FILL, Event.FILL_ALL, Event.CANCELED, Event.EXPIRED}


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_is_reachable() -> None:
    reached, edge = {State.INITIALIZED}, [State.INITIALIZED]
    while edge:
        for after in TRANSITIONS[edge.pop()].values():
            if after not in reached:
                reached.add(after)
                edge.append(after)
    assert reached == set(State)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", sorted(EVIDENCE))
def test_evidence_of_the_venue_is_taken_in_every_state(state: State, event: Event) -> None:
    assert advance(state, event) not in (*UNSEEN, State.FAILED)


@pytest.mark.parametrize("event", [Event.REJECTED, Event.ABSENT, Event.OUTCOME_LOST])
@pytest.mark.parametrize("state", [State.ACCEPTED, State.CANCELING, State.FILLED, State.CANCELED])
def test_doubt_never_takes_back_proven_existence(state: State, event: Event) -> None:
    assert advance(state, event) is state


def test_unknown_is_not_left_without_evidence_or_proof() -> None:
    leaves = {event for event, after in TRANSITIONS[State.UNKNOWN].items() if after in ENDS}
    assert leaves == {
        Event.REJECTED,
        Event.ABSENT,
        Event.VANISHED,
        Event.FILL_ALL,
        Event.CANCELED,
        Event.EXPIRED,
    }


@pytest.mark.parametrize("seed", range(200))
def test_filled_stays_and_other_ends_only_become_filled_or_revive(seed: int) -> None:
    dice = random.Random(seed)
    state = State.INITIALIZED
    for _ in range(60):
        before, event = state, dice.choice(sorted(TRANSITIONS[state]))
        state = advance(state, event)
        if before is State.FILLED:
            assert state is (State.ACCEPTED if event is Event.ENLARGED else State.FILLED)
        if before in (State.CANCELED, State.EXPIRED):
            assert state in (before, State.FILLED)


def test_an_impossible_step_of_our_own_is_an_error() -> None:
    with pytest.raises(IllegalTransition, match="SENT cannot happen to an order that is FILLED"):
        advance(State.FILLED, Event.SENT)


@pytest.mark.parametrize(
    ("state", "filled", "status"),
    [
        (State.UNKNOWN, "0", OrderStatus.PENDING),
        (State.ACCEPTED, "0", OrderStatus.ACCEPTED),
        (State.ACCEPTED, "0.1", OrderStatus.PARTIALLY_FILLED),
        (State.CANCELING, "0.1", OrderStatus.CANCELING),
        (State.CANCELED, "0.1", OrderStatus.CANCELED),
    ],
)
def test_the_status_shown(state: State, filled: str, status: OrderStatus) -> None:
    assert status_of(state, Decimal(filled)) is status
