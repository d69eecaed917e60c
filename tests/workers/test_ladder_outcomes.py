"""The ladder as a table: every answer of every rung, and what becomes of the create.

``rule`` states what has to happen in plain words, beside the code that does it; all combinations
are walked. There is no "otherwise" in it: an answer that it does not name fails the test.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from router.enums import WsOrderResultType as Result
from router.evidence import VenueState
from router.orders import OrderRecord
from router.outcomes import Verdict
from router.settings import OrderSettings
from router.state import State
from tests.workers.ladder_world import LATE_SHOWS, Ended, Says, World, create_in_doubt
from tests.workers.samples import record, report
from tests.workers.virtual_time import VirtualLoop
from workers.venue import Answer, Proof

RUNGS = ("by_id", "open", "history", "fills")
NO_ANSWER = (Says.ERROR, Says.REFUSED)
#: What each rung can answer; an open order is not in the history, an ended one not among the open.
ANSWERS: dict[str, tuple[Says, ...]] = {
    "by_id": (Says.LIVE, Says.ENDED, Says.FILLED, Says.DENIED, Says.NOTHING, Says.LATE, *NO_ANSWER),
    "open": (Says.LIVE, Says.NOTHING, Says.LATE, *NO_ANSWER),
    "history": (Says.ENDED, Says.FILLED, Says.NOTHING, Says.LATE, *NO_ANSWER),
    "fills": (Says.FILLED, Says.PARTLY, Says.NOTHING, Says.LATE, *NO_ANSWER),
}
PASSES = OrderSettings(
    ack_timeout_ms=1_500,
    ladder_budget_ms=800,
    expiry_ms=300,
    clock_skew_ms=50,
    visibility_lag_ms=100,
    terminal_check_ms=200,
)
PROOF_BEGINS_MS = 450
NEVER_PASSES = PASSES.model_copy(update={"expiry_ms": 30_000})
#: As late as the venue may be: its lag after the last moment at which it may take the request.
LATE_MS = PROOF_BEGINS_MS - 10


@dataclass(frozen=True)
class Case:
    """One row: what the rungs answer, and under which circumstances."""

    answers: tuple[Says, ...]
    expiry_passes: bool
    """Whether the request's expiry passes before the time for an answer is over."""
    fallback: bool
    valid: bool
    """Whether the intent may still be sent when absence is proven."""


CONFIRMED = (Result.ACK_TIMEOUT_CONFIRMED.value, "true")
TOLD_UNKNOWN = (Result.ACK_TIMEOUT.value, "unknown")
UNKNOWN = Ended((TOLD_UNKNOWN,), State.UNKNOWN, copies=0, handed=True)
ABSENT = Ended(((Result.ACK_TIMEOUT.value, "false"),), State.FAILED, copies=0, handed=False)
SENT_BY_REST = Ended((), State.PENDING, copies=1, handed=False)
SHOWN = {
    Says.LIVE: Ended((CONFIRMED,), State.ACCEPTED, copies=0, handed=False),
    Says.PARTLY: Ended((CONFIRMED,), State.ACCEPTED, copies=0, handed=False),
    Says.ENDED: Ended((CONFIRMED,), State.CANCELED, copies=0, handed=False),
    Says.FILLED: Ended((CONFIRMED,), State.FILLED, copies=0, handed=False),
    Says.DENIED: Ended(
        ((Result.ACK_REJECTED.value, "false"),), State.FAILED, copies=0, handed=False
    ),
}


def rule(case: Case) -> Ended:
    """What must become of the create."""
    shown = first_to_show(case)
    if shown is not None:
        return SHOWN[shown]  # evidence always wins, whatever the other rungs failed to say
    if case.expiry_passes and set(case.answers) == {Says.NOTHING}:
        return SENT_BY_REST if case.fallback and case.valid else ABSENT
    return after_unknown(case)


def after_unknown(case: Case) -> Ended:
    """What must become of a create told as unknown, once its expiry has passed at last.

    The same answers are then believed; but whoever was told "unknown" is sent nothing any more.
    """
    at_last = replace(case, expiry_passes=True)
    late = first_to_show(at_last)
    if late is not None:
        truth = SHOWN[late]
    elif set(case.answers) == {Says.NOTHING}:
        truth = ABSENT
    else:
        assert any(said in NO_ANSWER for said in case.answers)
        return UNKNOWN  # somebody cannot be asked: never a failure by mere time
    return replace(truth, results=(TOLD_UNKNOWN, *truth.results), handed=True)


def first_to_show(case: Case) -> Says | None:
    """Return what the first rung to show the order says; None if none is ever heard to.

    The other three are asked at once where the query by id fails, else from when a "not found"
    counts; the one that is asked earlier in the ladder is believed.
    """
    by_id_fails = case.answers[0] in NO_ANSWER
    others_from_ms = 0 if by_id_fails else PROOF_BEGINS_MS if case.expiry_passes else None
    heard = []
    for at, (rung, said) in enumerate(zip(RUNGS, case.answers, strict=True)):
        asked_from_ms = 0 if rung == "by_id" else others_from_ms
        if asked_from_ms is None:
            continue
        if said is Says.LATE:
            heard.append((max(asked_from_ms, LATE_MS), at, LATE_SHOWS[rung]))
        elif said in SHOWN:
            heard.append((asked_from_ms, at, said))
    return min(heard)[2] if heard else None


def world(case: Case) -> World:
    return create_in_doubt(
        PASSES if case.expiry_passes else NEVER_PASSES,
        dict(zip(RUNGS, case.answers, strict=True)),
        late_ms=LATE_MS,
        fallback=case.fallback,
        valid_ms=10_000 if case.valid else PROOF_BEGINS_MS - 50,
    )


async def outcome(case: Case) -> Ended:
    return await world(case).resolve()


@pytest.fixture
def runner() -> Iterator["asyncio.Runner"]:
    """A loop of virtual time; the workers' many warnings are not what is looked at."""
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=VirtualLoop) as one:
        yield one
    logging.disable(logging.NOTSET)


COMBINATIONS = list(itertools.product(*ANSWERS.values()))


def test_the_table_is_whole() -> None:
    """Every answer there is stands in the table of at least one rung, and is named by the rule."""
    in_table = set(itertools.chain(*ANSWERS.values()))
    assert in_table | {Says.THROTTLED} == set(Says)  # throttled: a failed query, tested below
    assert in_table == {*SHOWN, *NO_ANSWER, Says.NOTHING, Says.LATE}
    assert len(COMBINATIONS) == 8 * 5 * 6 * 6


@pytest.mark.parametrize("by_id", ANSWERS["by_id"], ids=lambda said: f"by-id-{said}")
@pytest.mark.parametrize("expiry_passes", [True, False], ids=["expiry-passes", "expiry-later"])
def test_every_combination_of_answers_ends_as_the_rule_says(
    runner: "asyncio.Runner", by_id: Says, expiry_passes: bool
) -> None:
    wrong = []
    for answers in COMBINATIONS:
        if answers[0] is not by_id:
            continue
        for fallback, valid in itertools.product((True, False), repeat=2):
            case = Case(answers, expiry_passes, fallback, valid)
            ended, expected = runner.run(outcome(case)), rule(case)
            if ended != expected:
                wrong.append((case, ended, expected))
    assert wrong == []


NOTHING = (Says.NOTHING,) * 4


def test_absence_takes_two_whole_ladders_once_it_counts(runner: "asyncio.Runner") -> None:
    async def asked() -> list[str]:
        one = world(Case(NOTHING, expiry_passes=True, fallback=False, valid=True))
        assert await one.resolve() == ABSENT
        return one.venue.asked

    found = runner.run(asked())
    assert [found.count(rung) for rung in RUNGS[1:]] == [2, 2, 2]


def test_an_order_that_shows_after_the_first_whole_ladder_is_not_sent_again(
    runner: "asyncio.Runner",
) -> None:
    """The second ladder is for a venue that is slower than it promises."""

    async def shown() -> Ended:
        answers = dict(zip(RUNGS, (Says.LATE, *NOTHING[1:]), strict=True))
        late_ms = PROOF_BEGINS_MS + 15
        one = create_in_doubt(PASSES, answers, late_ms=late_ms, fallback=True, valid_ms=10_000)
        return await one.resolve()

    assert runner.run(shown()) == SHOWN[Says.LIVE]


def test_an_order_is_told_unknown_in_time_however_many_are_in_doubt_beside_it(
    runner: "asyncio.Runner",
) -> None:
    """They ask less often then, not later than the time for an answer is over."""

    async def crowded() -> Ended:
        one = world(Case(NOTHING, expiry_passes=False, fallback=True, valid=True))
        one.doubts._climbing = 1_000
        return await one.resolve(PASSES.ack_timeout_ms / 1_000 + 0.05)

    assert runner.run(crowded()) == UNKNOWN


def _ack(one: World) -> None:
    one.desk._conclude(one.flight, Answer("r1", Verdict(Proof.DONE, "0"), "c-o1", "v-o1"))


def test_an_ack_behind_the_venues_refusal_does_not_revive_the_order(
    runner: "asyncio.Runner",
) -> None:
    """A venue may push that it refused the order before it acknowledges the request (C6)."""

    async def told() -> tuple[list[str], Ended]:
        one = world(Case(NOTHING, expiry_passes=True, fallback=True, valid=True))
        refused = report(state=VenueState.REJECTED, reason="EC_RiskLimit")
        one.statements.take(one.flight.record, refused)
        _ack(one)
        one.statements.take(one.flight.record, refused)  # a minute later, by the audit
        return one.notes.told, await one.resolve()

    assert runner.run(told()) == (["FAILED"], Ended((), State.FAILED, copies=0, handed=False))


def test_an_ack_during_the_ladders_last_question_is_a_plain_success(
    runner: "asyncio.Runner",
) -> None:
    async def acknowledged() -> Ended:
        shown = (Says.FILLED, Says.NOTHING, Says.FILLED, Says.FILLED)
        one = world(Case(shown, expiry_passes=True, fallback=True, valid=True))
        # Found after 5 ms; its fills are asked for then, which takes as long.
        asyncio.get_running_loop().call_later(0.008, _ack, one)
        return await one.resolve()

    assert runner.run(acknowledged()) == Ended((), State.FILLED, copies=0, handed=False)


def test_a_halted_account_sends_no_second_copy(runner: "asyncio.Runner") -> None:
    async def halted() -> Ended:
        one = world(Case(NOTHING, expiry_passes=True, fallback=True, valid=True))
        one.desk.halt("looking into something")
        return await one.resolve()

    assert runner.run(halted()) == ABSENT


def test_a_refused_second_copy_whose_first_is_absent_is_rejected(runner: "asyncio.Runner") -> None:
    async def refused() -> Ended:
        one = world(Case(NOTHING, expiry_passes=True, fallback=True, valid=True))
        one.flight.refusal = Verdict(Proof.REJECTED, "51008", "51008 Insufficient balance")
        return await one.resolve()

    result = (Result.ACK_REJECTED.value, "false")
    assert runner.run(refused()) == Ended((result,), State.FAILED, copies=0, handed=False)


@pytest.mark.parametrize("fallback", [True, False])
def test_the_report_of_another_known_order_with_the_same_client_id_is_not_this_ones(
    runner: "asyncio.Runner", fallback: bool
) -> None:
    """It was filled at once, and its client id used again: the venue answers with it until then."""

    async def reused() -> tuple[Ended, OrderRecord]:
        answers = (Says.FILLED, Says.NOTHING, Says.FILLED, Says.FILLED)
        one = world(Case(answers, expiry_passes=True, fallback=fallback, valid=True))
        made_ms, second = one.venue.born_ms, one.flight.record
        second.created_ms = made_ms + 1_500
        first = record("o0", client_id="c-o1", venue_id="v-o1", state=State.FILLED)
        one.wiring.registry.add(first)
        one.wiring.registry.add(second)
        return await one.resolve(), second

    ended, second = runner.run(reused())
    assert ended == (SENT_BY_REST if fallback else ABSENT)
    assert (second.venue_id, second.filled) == ("v-o2" if fallback else "", Decimal(0))


def test_a_venue_that_throttles_is_not_asked_the_other_rungs(runner: "asyncio.Runner") -> None:
    async def throttled() -> list[str]:
        answers = (Says.THROTTLED, Says.LIVE, Says.NOTHING, Says.NOTHING)
        one = world(Case(answers, expiry_passes=False, fallback=True, valid=True))
        await one.resolve(for_s=PASSES.ack_timeout_ms / 1000)
        return one.venue.asked

    assert set(runner.run(throttled())) == {"by_id"}


def test_pauses_grow_and_a_venue_that_answers_is_heard_at_once(runner: "asyncio.Runner") -> None:
    async def asked(said: Says) -> int:
        one = world(Case((said, *NOTHING[1:]), expiry_passes=False, fallback=True, valid=True))
        await one.resolve(for_s=PASSES.ack_timeout_ms / 1000)
        return one.venue.asked.count("by_id")

    assert runner.run(asked(Says.LIVE)) == 1
    # 0, 50, 150, 350, 750, 1150 … ms, give or take the jitter, until 1 500 ms
    assert 6 <= runner.run(asked(Says.NOTHING)) <= 9
