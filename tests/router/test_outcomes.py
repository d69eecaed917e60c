"""What each answer proves, and when absence is proven."""

import itertools

import pytest

from router.enums import RequestKind
from router.outcomes import (
    ACTIONS,
    Action,
    Climb,
    Finding,
    Proof,
    Rung,
    absent_from,
    act,
    backoff_s,
    ladder_answer,
)

REQUESTS = (RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY)


@pytest.mark.parametrize("request_kind", REQUESTS)
def test_every_proof_has_an_action(request_kind: RequestKind) -> None:
    assert set(ACTIONS[request_kind]) == set(Proof)


@pytest.mark.parametrize("proof", Proof)
def test_only_a_refusal_fails_a_create_and_only_once_sent(proof: Proof) -> None:
    refused = act(RequestKind.CREATE, proof) is Action.REFUSE
    assert refused == (proof in (Proof.REJECTED, Proof.LOCKED_OUT))
    assert act(RequestKind.CREATE, proof, sent_before=True) is not Action.REFUSE


@pytest.mark.parametrize(
    ("rungs", "answer"),
    [
        ([], Rung.NO_ANSWER),
        *(
            (
                list(rungs),
                Rung.FOUND
                if Rung.FOUND in rungs
                else Rung.NO_ANSWER
                if Rung.NO_ANSWER in rungs
                else Rung.NOT_FOUND,
            )
            for rungs in itertools.product(Rung, repeat=4)
        ),
    ],
)
def test_the_ladder_is_absent_only_if_each_rung_is(rungs: list[Rung], answer: Rung) -> None:
    assert ladder_answer(rungs) is answer


def test_absence_counts_from_expiry_skew_and_lag() -> None:
    assert absent_from(1_000, expiry_ms=2_000, clock_skew_ms=250, visibility_lag_ms=500) == 3_750


def test_a_not_found_before_the_expiry_proves_nothing() -> None:
    climb = Climb(absent_from_ms=100, unknown_at_ms=1_000)
    # Begun before, answered after: the order may have arrived in between.
    assert climb.observe(Rung.NOT_FOUND, begun_ms=99, now_ms=150) is None
    assert climb.observe(Rung.NOT_FOUND, begun_ms=100, now_ms=160) is None
    assert climb.observe(Rung.NOT_FOUND, begun_ms=170, now_ms=180) is Finding.ABSENT


def test_failed_queries_never_add_up_to_absence() -> None:
    climb = Climb(absent_from_ms=0, unknown_at_ms=1_000)
    answers = [climb.observe(Rung.NO_ANSWER, now, now) for now in range(0, 1_000, 10)]
    assert set(answers) == {None}
    assert climb.observe(Rung.NO_ANSWER, 1_000, 1_000) is Finding.UNKNOWN


def test_found_wins_at_once() -> None:
    assert Climb(0, 1_000).observe(Rung.FOUND, 5, 5) is Finding.FOUND


def test_backoff_doubles_to_its_cap_with_jitter() -> None:
    delays = backoff_s(1, 5, lambda: 0.5)
    assert [next(delays) for _ in range(5)] == [0.5, 1.0, 2.0, 2.5, 2.5]
