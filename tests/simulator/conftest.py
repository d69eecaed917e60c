"""One simulator for each test: it is ready in milliseconds, and nothing is shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.config import MarketConfig, SimulatorConfig
from simulator.exchange.clock import Clock, wall_us
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator import binance_client
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
def usdm() -> Iterator[RunningSimulator]:
    """A simulator of Binance USDⓈ-M futures whose market moves by hand only."""
    with run_in_thread(SimulatorConfig(market=STILL, venues=("binance-usdm",))) as running:
        yield running


@pytest.fixture
def timeless(request: pytest.FixtureRequest) -> Iterator[RunningSimulator]:
    """A simulator of the venue in the parameter, else of futures, whose clock stands still."""
    config = SimulatorConfig(market=STILL, venues=(getattr(request, "param", "binance-usdm"),))
    clock = Clock(lambda: binance_client.STILL_MS * 1000)
    with run_in_thread(config, clock) as running:
        yield running


@pytest.fixture
def spot() -> Iterator[RunningSimulator]:
    """A simulator of Binance spot whose market moves by hand only."""
    with run_in_thread(SimulatorConfig(market=STILL, venues=("binance-spot",))) as running:
        yield running


@pytest.fixture
def bitget() -> Iterator[RunningSimulator]:
    """A simulator of Bitget whose market moves by hand only."""
    with run_in_thread(SimulatorConfig(market=STILL, venues=("bitget",))) as running:
        yield running


@pytest.fixture
def futures(usdm: RunningSimulator) -> Iterator[binance_client.Rest]:
    """Signed REST requests of the futures' demo account."""
    client = binance_client.Rest(usdm.url)
    yield client
    client.session.close()


@pytest.fixture
def rest(sim: RunningSimulator) -> Iterator[Rest]:
    """Signed REST requests of the demo account."""
    client = Rest(sim.url)
    yield client
    client.session.close()
