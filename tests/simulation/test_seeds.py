"""Whole seeds: the same seed is the same run, the product passes, broken builds do not."""

import pytest

from simulation.mutants import MUTANTS
from simulation.run import Part, outcomes

ORDERS = 60
#: The faults under which each broken build shows almost at once. What a seed does changes with the
#: product, so no seed is named here.
SHOWN_BY = {
    "no-epoch-check": ("worker paused", "redis lossy"),
    "resend-instead-of-ladder": ("venue lose_ack", "socket cut"),
    "set-and-xadd-apart": ("redis lossy", "strategy killed"),
    "no-expiry": ("venue delay_request", "venue lose_ack", "socket cut"),
    "cursor-before-callback": ("strategy killed",),
    "spool-written-whatever-happened": ("worker without redis", "redis lossy"),
    "no-audit": ("venue stale_snapshot", "socket cut"),
}
FEW_SEEDS = 30
#: This one shows only if an order is filled while nobody listens and the list after it is stale.
RARE, RARE_SEEDS = "no-audit", 250
LONG_SEEDS = 400
MOST_SEEDS = 1_000


def test_a_seed_is_one_run_wherever_it_is_played_and_tells_the_truth() -> None:
    # Two processes play the same two seeds.
    parts = [Part(seed, ORDERS) for seed in (1, 1, 17, 17)]
    traces: dict[int, set[int]] = {}
    for part, outcome in outcomes(parts, processes=2):
        assert not outcome.differences
        assert outcome.orders >= ORDERS / 4
        traces.setdefault(part.seed, set()).add(outcome.trace)
    assert [len(found) for found in traces.values()] == [1, 1]
    assert len({trace for found in traces.values() for trace in found}) == 2


def test_broken_builds_are_caught_and_the_product_is_not() -> None:
    assert set(SHOWN_BY) == set(MUTANTS)
    parts = [
        Part(seed, ORDERS, name, only)
        for seed in range(FEW_SEEDS)
        for name, only in (*SHOWN_BY.items(), ("", SHOWN_BY["no-epoch-check"]))
    ]
    rare = range(FEW_SEEDS, RARE_SEEDS)
    parts += [Part(seed, ORDERS, RARE, SHOWN_BY[RARE]) for seed in rare]
    uncaught = set(MUTANTS)
    for part, outcome in outcomes(parts, processes=2):
        if not part.mutant:
            assert not outcome.differences
        elif outcome.differences:
            uncaught.discard(part.mutant)
        if not uncaught:
            return
    assert not uncaught


@pytest.mark.long
def test_many_seeds_show_no_difference() -> None:
    parts = [Part(seed, ORDERS) for seed in range(100_000, 100_000 + LONG_SEEDS)]
    bad = {
        part.seed: one.differences for part, one in outcomes(parts, processes=2) if one.differences
    }
    assert bad == {}


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_each_broken_build_is_caught_from_wherever_one_begins(name: str) -> None:
    begin = 200_000
    only = SHOWN_BY[RARE] if name == RARE else ()
    parts = [Part(seed, ORDERS, name, only) for seed in range(begin, begin + MOST_SEEDS)]
    assert any(outcome.differences for _, outcome in outcomes(parts, processes=2))
