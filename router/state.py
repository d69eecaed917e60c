"""The order state machine: one table of (state, event), one function that reads it.

Rules:
1. Only what the venue said, or what we provably did not do, moves an order to an end.
2. UNKNOWN is left by evidence alone; no event means "time has passed, so it failed".
3. Evidence of existence always wins: FAILED is revived by it, and a late refusal or loss never
   takes back what a push has shown.
4. "Partially filled" is a quantity, not a state; ``status_of`` shows it.
5. A fill after CANCELED or EXPIRED counts. FILLED is left by one thing alone: the venue's later
   word that the order, made larger meanwhile, is on the book.
"""

from decimal import Decimal
from enum import StrEnum

from router.enums import OrderStatus


class State(StrEnum):
    INITIALIZED = "INITIALIZED"  # admitted, not sent
    PENDING = "PENDING"  # sent or acknowledged, not yet seen on the book
    UNKNOWN = "UNKNOWN"  # the outcome was lost; the venue may have it
    ACCEPTED = "ACCEPTED"  # on the book
    CANCELING = "CANCELING"  # the venue took a cancel request
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class Event(StrEnum):
    SENT = "SENT"  # handed to a socket or to REST
    NOT_SENT = "NOT_SENT"  # provably never left us
    ACKED = "ACKED"  # the venue took the create request
    REJECTED = "REJECTED"  # the venue refused the create request
    OUTCOME_LOST = "OUTCOME_LOST"  # no answer, and none could be had
    ABSENT = "ABSENT"  # proven: the venue never had it
    OPENED = "OPENED"  # seen on the book
    FILL = "FILL"  # a trade, quantity left
    FILL_ALL = "FILL_ALL"  # a trade, nothing left
    CANCEL_ACKED = "CANCEL_ACKED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    ENLARGED = "ENLARGED"  # on the book with a larger amount than the one that was filled
    VANISHED = "VANISHED"  # the venue had it, and no longer lists it anywhere


class IllegalTransition(Exception):
    """An event of our own making that cannot happen in this state: a defect, not bad luck."""


_S, _E = State, Event

_ENDS = {_E.FILL_ALL: _S.FILLED, _E.CANCELED: _S.CANCELED, _E.EXPIRED: _S.EXPIRED}
_BORN = {_E.ACKED: _S.PENDING, _E.OPENED: _S.ACCEPTED, _E.FILL: _S.ACCEPTED, **_ENDS}
_DIED = {_E.REJECTED: _S.FAILED, _E.ABSENT: _S.FAILED}


def _ignored(state: State, *events: Event) -> dict[Event, State]:
    return dict.fromkeys(events, state)


#: What contradicts proven existence and is therefore dropped (rule 3).
_DOUBTS = (_E.REJECTED, _E.OUTCOME_LOST, _E.ABSENT)

TRANSITIONS: dict[State, dict[Event, State]] = {
    _S.INITIALIZED: {
        _E.SENT: _S.PENDING,
        _E.NOT_SENT: _S.FAILED,
        _E.OUTCOME_LOST: _S.UNKNOWN,
        _E.CANCEL_ACKED: _S.CANCELING,
        _E.CANCEL_REFUSED: _S.INITIALIZED,
        _E.VANISHED: _S.CANCELED,
        **_BORN,
        **_DIED,
    },
    _S.PENDING: {
        _E.SENT: _S.PENDING,
        _E.NOT_SENT: _S.FAILED,
        _E.OUTCOME_LOST: _S.UNKNOWN,
        _E.CANCEL_ACKED: _S.CANCELING,
        _E.CANCEL_REFUSED: _S.PENDING,
        _E.VANISHED: _S.CANCELED,
        **_BORN,
        **_DIED,
    },
    _S.UNKNOWN: {
        _E.SENT: _S.PENDING,  # by REST, after its absence was proven
        _E.OUTCOME_LOST: _S.UNKNOWN,
        _E.CANCEL_ACKED: _S.CANCELING,
        _E.CANCEL_REFUSED: _S.UNKNOWN,
        _E.VANISHED: _S.CANCELED,
        **_BORN,
        **_DIED,
    },
    _S.ACCEPTED: {
        _E.FILL: _S.ACCEPTED,
        _E.CANCEL_ACKED: _S.CANCELING,
        _E.VANISHED: _S.CANCELED,
        **_ENDS,
        **_ignored(_S.ACCEPTED, _E.ACKED, _E.OPENED, _E.CANCEL_REFUSED, *_DOUBTS),
    },
    _S.CANCELING: {
        _E.FILL: _S.CANCELING,
        _E.CANCEL_REFUSED: _S.ACCEPTED,
        _E.VANISHED: _S.CANCELED,
        **_ENDS,
        **_ignored(_S.CANCELING, _E.ACKED, _E.OPENED, _E.CANCEL_ACKED, *_DOUBTS),
    },
    _S.CANCELED: {
        _E.FILL_ALL: _S.FILLED,
        **_ignored(_S.CANCELED, *(set(_E) - {_E.FILL_ALL, _E.SENT, _E.NOT_SENT})),
    },
    _S.EXPIRED: {
        _E.FILL_ALL: _S.FILLED,
        **_ignored(_S.EXPIRED, *(set(_E) - {_E.FILL_ALL, _E.SENT, _E.NOT_SENT})),
    },
    _S.FILLED: {
        _E.ENLARGED: _S.ACCEPTED,
        **_ignored(_S.FILLED, *(set(_E) - {_E.ENLARGED, _E.SENT, _E.NOT_SENT})),
    },
    _S.FAILED: {
        **_ignored(
            _S.FAILED,
            *(_E.REJECTED, _E.OUTCOME_LOST, _E.ABSENT, _E.VANISHED, _E.CANCEL_REFUSED),
        ),
        _E.CANCEL_ACKED: _S.CANCELING,
        **_BORN,
    },
}

ENDS = frozenset({_S.FILLED, _S.CANCELED, _S.EXPIRED, _S.FAILED})
#: States in which the venue has not yet been seen to hold the order.
UNSEEN = frozenset({_S.INITIALIZED, _S.PENDING, _S.UNKNOWN})


def advance(state: State, event: Event) -> State:
    """Return the state after ``event``.

    Raises:
        IllegalTransition: If the table has no such step.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to an order that is {state}") from None


_SHOWN: dict[State, OrderStatus] = {
    one: OrderStatus.PENDING if one is State.UNKNOWN else OrderStatus(one.value) for one in State
}


def status_of(state: State, filled: Decimal) -> OrderStatus:
    """Return the status shown to strategies; an UNKNOWN order shows as PENDING (it counts as
    open)."""
    if state is State.ACCEPTED and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    return _SHOWN[state]
