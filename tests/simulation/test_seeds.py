"""Whole seeds: the same seed is the same run, the product passes, broken builds do not."""

import pytest

from simulation.mutants import MUTANTS
from simulation.run import Part, outcomes

ORDERS = 100
#: The first seed that shows each broken build to be broken.
CAUGHT_BY = {
    "no-epoch-check": 0,
    "resend-instead-of-ladder": 0,
    "set-and-xadd-apart": 0,
    "no-expiry": 0,
    "cursor-before-callback": 0,
}
LONG_SEEDS = 400
MOST_SEEDS = 1_000


def test_a_seed_is_one_run_wherever_it_is_played_and_tells_the_truth() -> None:
    # Two processes play the same three seeds.
    parts = [Part(seed, ORDERS) for seed in (1, 1, 5, 5, 17, 17)]
    traces: dict[int, set[int]] = {}
    for part, outcome in outcomes(parts, processes=2):
        assert not outcome.differences
        assert outcome.orders >= ORDERS * 0.9
        traces.setdefault(part.seed, set()).add(outcome.trace)
    assert [len(found) for found in traces.values()] == [1, 1, 1]
    assert len({trace for found in traces.values() for trace in found}) == 3


def test_broken_builds_are_caught() -> None:
    parts = [Part(seed, ORDERS, name) for name, seed in CAUGHT_BY.items()]
    found = {part.mutant: outcome.differences for part, outcome in outcomes(parts, processes=2)}
    assert set(found) == set(MUTANTS)
    assert [name for name, differences in found.items() if not differences] == []


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
    parts = [Part(seed, ORDERS, name) for seed in range(begin, begin + MOST_SEEDS)]
    assert any(outcome.differences for _, outcome in outcomes(parts, processes=2))
