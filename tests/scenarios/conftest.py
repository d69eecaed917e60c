"""Fixtures of the acceptance scenarios."""

from collections.abc import Iterator

import pytest

from simulator.config import MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.crashes.nursery import Nursery, nursery
from tests.scenarios.stack import Stack, rules, running_stack
from tests.scenarios.venues import OKX, VENUES, VenueUnderTest


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    """A simulator whose market moves by hand only."""
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0),
        port=0,
        control_port=0,
        venues=tuple(dict.fromkeys(one.name for one in VENUES.values())),
    )
    with run_in_thread(config) as one:
        yield one


@pytest.fixture(scope="session")
def all_forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where processes are forked from: one that has imported all they need."""
    with nursery(tmp_path_factory.mktemp("forked")) as one:
        yield one


@pytest.fixture
def forks(all_forks: Nursery) -> Iterator[Nursery]:
    """Where this test's processes are forked from; none of them outlives it."""
    yield all_forks
    all_forks.empty()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each venue that its mark names; beside its quick part, as a long one."""
    mark = metafunc.definition.get_closest_marker("venues")
    if mark is None:
        return
    module = metafunc.module.__name__
    met = [
        pytest.param(key, marks=() if VENUES[key].is_quick(module) else pytest.mark.long)
        for key in mark.args
    ]
    metafunc.parametrize("venue", met, indirect=True)


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> VenueUnderTest:
    """The venue of this test: OKX, or each that ``@pytest.mark.venues(…)`` names."""
    return VENUES[getattr(request, "param", OKX.key)]


@pytest.fixture
def stack(
    redis_url: str,
    simulator: RunningSimulator,
    venue: VenueUnderTest,
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """A stack with its worker serving; ``@pytest.mark.rules(…)`` changes the order settings."""
    mark = request.node.get_closest_marker("rules")
    changes: dict[str, int] = dict(mark.kwargs) if mark is not None else {}
    with running_stack(redis_url, simulator, venue=venue, orders=rules(**changes)) as one:
        one.start_worker()
        one.wait_connected()
        one.wait_resynced()
        yield one
