"""E1. ``kill -9`` between any two steps: whoever goes on, every intent has one outcome.

``make test`` lets each point be passed once; ``make test-long`` each with every action and trouble
that passes it, and holds the table of who passes what against recordings.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.server import RunningSimulator
from strategy_sdk.crash_points import SDK
from tests.crashes import dying_jobs, dying_strategies, dying_workers, table
from tests.crashes.nursery import Nursery
from tests.crashes.scene import (
    ACTIONS,
    HAPPY,
    NOTHING_HEARD,
    TROUBLES,
    Scene,
    scene,
)
from workers.crash_points import JOBS, WORKER


@dataclass(frozen=True)
class Place:
    """Where scenes are set."""

    redis_url: str
    simulator: RunningSimulator
    forks: Nursery
    folder: Path

    def scene(self, trouble: str, *, strategy: bool = True) -> AbstractContextManager[Scene]:
        at = (self.redis_url, self.simulator, self.forks, self.folder)
        return scene(*at, trouble, strategy=strategy)


@pytest.fixture
def place(redis_url: str, simulator: RunningSimulator, forks: Nursery, tmp_path: Path) -> Place:
    return Place(redis_url, simulator, forks, tmp_path)


def ordered(points: frozenset[str], every: Sequence[str]) -> list[str]:
    return [one for one in every if one in points]


# --- short: each point once -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", table.SHORT_WORKER)
def test_e1_whoever_dies_where_each_intent_has_one_outcome(place: Place, trouble: str) -> None:
    with place.scene(trouble) as one:
        dying_workers.workers_die(one, table.SHORT_WORKER[trouble])


@pytest.mark.parametrize("trouble", table.SHORT_TAKEOVER)
def test_e1_a_successor_may_die_as_well(place: Place, trouble: str) -> None:
    with place.scene(trouble) as one:
        dying_workers.successors_die(one, table.SHORT_TAKEOVER[trouble])


@pytest.mark.parametrize("trouble", table.SHORT_SDK)
def test_e1_a_strategy_that_died_is_told_all_and_orders_nothing_twice(
    place: Place, trouble: str
) -> None:
    with place.scene(trouble, strategy=False) as one:
        dying_strategies.strategies_die(one, table.SHORT_SDK[trouble])


def test_e1_jobs_that_died_leave_nothing_unknown(place: Place) -> None:
    with place.scene(NOTHING_HEARD) as one:
        points = table.JOBS_PASSES["create", NOTHING_HEARD]
        dying_jobs.jobs_die_resolving(one, ordered(points, [*JOBS]))


def test_e1_jobs_that_died_lose_nothing_from_the_archive(place: Place) -> None:
    with place.scene(HAPPY) as one:
        dying_jobs.jobs_die_tidying(one, ordered(table.JOBS_PASSES["trim", HAPPY], [*JOBS]))


# --- long: every point, action and trouble --------------------------------------------------------

WORKER_CELLS = [cell for cell, points in table.WORKER_PASSES.items() if points]


@pytest.mark.long
@pytest.mark.parametrize(("action", "trouble"), WORKER_CELLS)
def test_e1_a_worker_may_die_at_any_point(place: Place, action: str, trouble: str) -> None:
    renewed = table.RENEWED if action != "stop" else frozenset()
    points = ordered(table.WORKER_PASSES[action, trouble] | renewed, [*WORKER])
    with place.scene(trouble) as one:
        if action == "takeover":
            dying_workers.successors_die(one, points)
        else:
            dying_workers.workers_die(one, [(action, point) for point in points])


@pytest.mark.long
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("action", table.SDK_PASSES)
def test_e1_a_strategy_may_die_at_any_point(place: Place, action: str, trouble: str) -> None:
    with place.scene(trouble, strategy=False) as one:
        points = ordered(table.SDK_PASSES[action], [*SDK])
        dying_strategies.strategies_die(one, [(action, point) for point in points])


@pytest.mark.long
@pytest.mark.parametrize(("action", "trouble"), table.JOBS_PASSES)
def test_e1_the_jobs_may_die_at_any_point(place: Place, action: str, trouble: str) -> None:
    points = ordered(table.JOBS_PASSES[action, trouble], [*JOBS])
    die = dying_jobs.jobs_die_tidying if action == "trim" else dying_jobs.jobs_die_resolving
    with place.scene(trouble) as one:
        die(one, points)


# --- long: the table is true ----------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("action", "trouble"), WORKER_CELLS)
def test_a_worker_passes_what_the_table_says(place: Place, action: str, trouble: str) -> None:
    always = table.WORKER_PASSES[action, trouble]
    with place.scene(trouble) as one:
        if action == "takeover":
            passed = dying_workers.successor_passes(one, WORKER, always)
        else:
            passed = dying_workers.worker_passes(one, ACTIONS[action], WORKER, always)
    may = table.WORKER_MAY_PASS.get(action, table.RENEWED | table.AUDITED)
    assert always <= passed <= always | may


@pytest.mark.long
@pytest.mark.parametrize("action", table.SDK_PASSES)
def test_a_strategy_passes_what_the_table_says(place: Place, action: str) -> None:
    with place.scene(HAPPY, strategy=False) as one:
        always = table.SDK_PASSES[action]
        assert dying_strategies.strategy_passes(one, action, SDK, always) == always


@pytest.mark.long
@pytest.mark.parametrize(("action", "trouble"), table.JOBS_PASSES)
def test_the_jobs_pass_what_the_table_says(place: Place, action: str, trouble: str) -> None:
    always = table.JOBS_PASSES[action, trouble]
    look = dying_jobs.jobs_pass_tidying if action == "trim" else dying_jobs.jobs_pass_resolving
    with place.scene(trouble) as one:
        passed = look(one, JOBS, always)
    tidied = frozenset(JOBS) - always if action != "trim" else frozenset[str]()
    assert always <= passed <= always | tidied
