"""Fixtures: a scripted worker on a real server, and strategies run in threads against it."""

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
import redis

from router.keyspace import AccountKeys
from router.settings import Settings
from strategy_sdk import Runner, Timing
from strategy_sdk.scripted_worker import ScriptedWorker
from strategy_sdk.testing import linear_perpetual
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S

#: Notices quickly, gives up never: a busy machine must not repeat a call that is being answered.
QUICK = Timing(
    block_s=0.05,
    alive_every_s=0.2,
    query_timeout_s=DEADLINE_S,
    socket_timeout_s=DEADLINE_S,
    retry_for_s=DEADLINE_S,
)


class Start(Protocol):
    def __call__(self, strategy: Any = None, strategy_id: str = "alpha", **options: Any) -> Any: ...


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url)


@pytest.fixture
def worker(redis_client: "redis.Redis") -> ScriptedWorker:
    """The worker of okx-main as strategy "alpha" sees it; the instruments are published."""
    scripted = ScriptedWorker(redis_client, AccountKeys("okx-main"), "alpha", "okx")
    scripted.publish([linear_perpetual(SYMBOL, min_cost=5), linear_perpetual("ETHUSDT-PERP.OKX")])
    return scripted


@pytest.fixture
def start(settings: Settings, worker: ScriptedWorker) -> Iterator[Start]:
    """Run a strategy in a thread and return it; ended after the test, whatever happened."""
    runners: list[Runner] = []

    def begin(strategy: Any = None, strategy_id: str = "alpha", **options: Any) -> Any:
        chosen = strategy or Recorder()
        defaults: dict[str, Any] = {
            "accounts": {"okx": "okx-main"},
            "settings": settings,
            "timing": QUICK,
        }
        chosen.runner = Runner(chosen, strategy_id, **(defaults | options))
        runners.append(chosen.runner)
        chosen.runner.start()
        return chosen

    yield begin
    for runner in runners:
        runner.stop()
    for runner in runners:
        runner.join(DEADLINE_S)


@pytest.fixture
def alpha(start: Start) -> Recorder:
    """A running strategy."""
    strategy: Recorder = start()
    return strategy
