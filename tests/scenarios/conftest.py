"""Fixtures of the acceptance scenarios."""

from collections.abc import Iterator

import pytest

from simulator.config import MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.scenarios.stack import Stack, rules, running_stack


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    """A simulator whose market moves by hand only."""
    config = SimulatorConfig(market=MarketConfig(tick_ms=0), port=0, control_port=0)
    with run_in_thread(config) as one:
        yield one


@pytest.fixture
def stack(
    redis_url: str, simulator: RunningSimulator, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """A stack with its worker serving; ``@pytest.mark.rules(…)`` changes the order settings."""
    mark = request.node.get_closest_marker("rules")
    changes: dict[str, int] = dict(mark.kwargs) if mark is not None else {}
    with running_stack(redis_url, simulator, orders=rules(**changes)) as one:
        one.start_worker()
        one.wait_connected()
        yield one
