"""The outcome rules: what an answer proves, what to do about it, and when absence is proven. Pure.

Rules:
1. Only the venue's word ends a request; silence, a lost socket and a failed query end nothing.
2. A request in doubt is never sent again before its absence is proven.
3. Absence is proven by two complete ladders that answered cleanly "not found", both after the
   request's own expiry, the clock skew and the venue's visibility lag have passed.
4. A failed query is no answer; it neither proves nor disproves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from router.enums import RequestKind


class Proof(StrEnum):
    """What a venue's answer to a request proves."""

    DONE = "DONE"  # it took the request
    REJECTED = "REJECTED"  # it refused the request, finally; a create made no order
    THROTTLED = "THROTTLED"  # it did not act; the same request may go again after a pause
    GONE = "GONE"  # cancel/modify: the order has ended or is unknown there; ask which
    ABSENT = "ABSENT"  # query: it answered cleanly that it has no such order (not yet proof)
    UNKNOWN = "UNKNOWN"  # it may or may not have acted
    LOCKED_OUT = "LOCKED_OUT"  # credentials or permission; no request will work until fixed


@dataclass(frozen=True, slots=True)
class Verdict:
    """A proof with the venue's own code and text (``reason`` is never empty unless DONE)."""

    proof: Proof
    code: str = ""
    reason: str = ""


class Action(StrEnum):
    """What the worker does about an answer."""

    TAKE = "TAKE"  # the request is done
    REFUSE = "REFUSE"  # tell ACK_REJECTED
    PAUSE = "PAUSE"  # send the same request again later, while the intent is valid
    ASK = "ASK"  # query the order, tell what it really is
    CLIMB = "CLIMB"  # in doubt: the ladder


_P, _A = Proof, Action
_CHANGE = {
    _P.DONE: _A.TAKE,
    _P.REJECTED: _A.ASK,
    _P.THROTTLED: _A.PAUSE,
    _P.GONE: _A.ASK,
    _P.ABSENT: _A.ASK,
    _P.UNKNOWN: _A.CLIMB,
    _P.LOCKED_OUT: _A.REFUSE,
}
ACTIONS: dict[RequestKind, dict[Proof, Action]] = {
    RequestKind.CREATE: {
        _P.DONE: _A.TAKE,
        _P.REJECTED: _A.REFUSE,
        _P.THROTTLED: _A.PAUSE,
        # A create cannot be refused for an order's end; whoever says so has to be asked.
        _P.GONE: _A.CLIMB,
        _P.ABSENT: _A.CLIMB,
        _P.UNKNOWN: _A.CLIMB,
        _P.LOCKED_OUT: _A.REFUSE,
    },
    RequestKind.CANCEL: _CHANGE,
    RequestKind.MODIFY: _CHANGE,
}


def act(request: RequestKind, proof: Proof, *, sent_before: bool = False) -> Action:
    """Return what to do about an answer to ``request``.

    ``sent_before``: an earlier copy of this create went out. A refusal of the second copy may then
    speak of the first ("duplicate id"), so the order is asked for instead of declared failed.
    """
    action = ACTIONS[request][proof]
    return Action.CLIMB if sent_before and action is Action.REFUSE else action


class Rung(StrEnum):
    """What one query of the ladder answered."""

    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    NO_ANSWER = "NO_ANSWER"


class Finding(StrEnum):
    """How a climb ended."""

    FOUND = "FOUND"
    ABSENT = "ABSENT"
    UNKNOWN = "UNKNOWN"


MISSES_FOR_PROOF = 2


def ladder_answer(rungs: list[Rung]) -> Rung:
    """Return what a whole ladder says: found if any rung found it, absent only if all did."""
    if Rung.FOUND in rungs:
        return Rung.FOUND
    return Rung.NO_ANSWER if Rung.NO_ANSWER in rungs or not rungs else Rung.NOT_FOUND


@dataclass(slots=True)
class Climb:
    """One request in doubt. Times are ms of one clock.

    ``absent_from_ms``: a clean "not found" counts towards proof from then on.
    ``unknown_at_ms``: give up for now and say that the outcome is unknown.
    """

    absent_from_ms: int
    unknown_at_ms: int
    misses: int = 0

    def whole(self, now_ms: int) -> bool:
        """Whether a ladder begun now can count towards proof, so all rungs are worth asking."""
        return now_ms >= self.absent_from_ms

    def observe(self, answer: Rung, begun_ms: int, now_ms: int) -> Finding | None:
        """Return the finding after one more ladder begun at ``begun_ms``; None to go on."""
        if answer is Rung.FOUND:
            return Finding.FOUND
        if answer is Rung.NOT_FOUND and self.whole(begun_ms):
            self.misses += 1
            if self.misses >= MISSES_FOR_PROOF:
                return Finding.ABSENT
        return Finding.UNKNOWN if now_ms >= self.unknown_at_ms else None


def absent_from(sent_ms: int, *, expiry_ms: int, clock_skew_ms: int, visibility_lag_ms: int) -> int:
    """Return when absence may begin to be proven for a request sent at ``sent_ms`` (rule 3)."""
    return sent_ms + expiry_ms + clock_skew_ms + visibility_lag_ms


def backoff_s(first: float, most: float, jitter: Callable[[], float]) -> Iterator[float]:
    """Yield delays that double from ``first`` to ``most``, each scaled by ``jitter()``."""
    delay = first
    while True:
        yield delay * jitter()
        delay = min(most, delay * 2)
