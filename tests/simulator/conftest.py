"""One simulator for each test: it is ready in milliseconds, and nothing is shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.config import MarketConfig, SimulatorConfig
from simulator.exchange.clock import Clock, wall_us
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.okx_client import Rest

STILL = MarketConfig(tick_ms=0)


def stopped_clock() -> Clock:
    """Return a clock that stands at the present: no rate limit's window ever ends."""
    now_us = wall_us()
    return Clock(lambda: now_us)


@pytest.fixture
def sim() -> Iterator[RunningSimulator]:
    """A simulator whose market moves by hand only."""
    with run_in_thread(SimulatorConfig(market=STILL)) as running:
        yield running


@pytest.fixture
def rest(sim: RunningSimulator) -> Iterator[Rest]:
    """Signed REST requests of the demo account."""
    client = Rest(sim.url)
    yield client
    client.session.close()
