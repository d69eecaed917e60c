"""One seed's world, put together: Redis, venue, network, processes."""

import asyncio
import contextlib
import os
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import requests

import workers.line
import workers.market_data
import workers.process
import workers.resolver
from router.enums import ExchangeType
from router.errors import RedisUnavailable
from router.settings import (
    AccountSettings,
    MetricsSettings,
    OrderSettings,
    Settings,
    WorkerSettings,
)
from simulation import clients, standins, venue
from simulation.loop import Process, VirtualLoop
from simulation.network import Network
from simulation.redis_link import Server
from simulation.standins import StandIn
from simulation.store import Store
from simulation.venue import Venue
from simulation.venue_link import VenueLink
from strategy_sdk import Runner, Strategy, Timing

ACCOUNT = "okx-main"
TIMING = Timing(block_s=1.5, socket_timeout_s=2.0, retry_for_s=1.0, alive_every_s=5.0)


@cache
def settings() -> Settings:
    """Return settings with production's proportions, but shorter: a seed tells more that way."""
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        os.environ[f"SIMULATED_{name}"] = getattr(venue, name)
    return Settings(
        redis_url=clients.URL,
        orders=OrderSettings(
            ack_timeout_ms=1_000,
            expiry_ms=500,
            ladder_budget_ms=600,
            clock_skew_ms=100,
            visibility_lag_ms=150,
            valid_for_ms=3_000,
            reconcile_grace_ms=150,
            terminal_check_ms=250,
        ),
        worker=WorkerSettings(
            lease_ttl_ms=1_000,
            rest_connect_timeout_s=0.4,
            rest_read_timeout_s=0.8,
            reconnect_first_s=0.05,
            reconnect_most_s=0.5,
            open_timeout_s=1.0,
        ),
        metrics=MetricsSettings(publish_every_s=30.0),
        accounts={
            ACCOUNT: AccountSettings(
                exchange=ExchangeType.OKX,
                environment="demo",
                api_key="env:SIMULATED_KEY",
                api_secret="env:SIMULATED_SECRET",
                passphrase="env:SIMULATED_PASSPHRASE",
                rest_url="http://venue.invalid",
                ws_url="ws://venue.invalid/ws/v5",
                options={"inst_types": "SWAP", "ping_after_s": 0.7, "dead_after_s": 1.4},
            )
        },
    )


def _with_spool(usual: Settings, folder: str) -> Settings:
    worker = usual.worker.model_copy(update={"spool_dir": folder})
    return usual.model_copy(update={"worker": worker})


class Scene:
    """All that exists in one seed; all its workers are on one host, with one spool."""

    def __init__(self, seed: str, store: Store) -> None:
        self.loop = VirtualLoop(seed)
        self.network = Network(self.loop)
        self.network.trace = self._note
        self.network.count = lambda fault: self.faults.update([fault])
        self.faults: Counter[str] = Counter()
        self.store = store
        self.redis = Server(self.network, store)
        self.venue = Venue(self.network, ACCOUNT)
        self.venue_link = VenueLink(self.venue)
        self._spools = tempfile.TemporaryDirectory(prefix="simulated-spool-")
        self.settings = _with_spool(settings(), self._spools.name)
        self.trace = 0
        self.log: list[str] | None = None

    def __repr__(self) -> str:
        return f"Scene({self.loop.seed}, at {self.loop.now_s:.3f} s)"

    def _note(self, what: str, text: bytes) -> None:
        self.trace = zlib.crc32(text, zlib.crc32(what.encode(), self.trace))
        if self.log is not None:
            self.log.append(f"{self.loop.now_s:9.4f} {what}: {text.decode(errors='replace')}")

    @contextlib.contextmanager
    def standing_in(
        self, *, enqueue_resolve: Callable[..., bool], run: Callable[..., Any]
    ) -> Iterator[None]:
        """Let the product's modules see this world.

        The two arguments stand in for what starts and runs a resolver.
        """
        link = self.venue_link
        table = standins.world(
            self.loop,
            requests=StandIn(requests, Session=link.session),
            **{
                "websockets.asyncio.client": StandIn(
                    sys.modules["websockets.asyncio.client"], connect=link.connect
                )
            },
        )
        places = (
            (workers.process, "Servers", lambda url: clients.SimulatedServers(self.redis)),
            (workers.line, "_Answers", clients.Answers),
            (workers.process, "enqueue_resolve", enqueue_resolve),
            (workers.market_data, "_LOOK_EVERY_S", 5.0),  # no strategy here wants books
            (workers.resolver, "asyncio", StandIn(asyncio, run=run)),
        )
        with standins.standing_in(table), standins.in_place(places):
            yield

    # --- processes -------------------------------------------------------------------------------

    def start_worker(self, name: str, ended: Callable[[Process], None]) -> tuple[Process, Any]:
        """Start a worker process; ``ended`` is called if it gives up, as without Redis it does."""
        process = self.loop.process(name)
        worker = workers.process.WorkerProcess(self.settings, [ACCOUNT])
        main = self.loop.start(process, worker.run())
        main.add_done_callback(lambda _: self.loop.post(self.loop.director, ended, process))
        return process, worker

    def start_strategy(
        self, strategy: Strategy, name: str, instance: str, ended: Callable[[Process], None]
    ) -> Process:
        """Start a strategy process; ``ended`` as for a worker."""
        process = self.loop.process(f"{name}@{instance}")

        def run() -> None:
            runner = Runner(
                strategy,
                name,
                {"okx": ACCOUNT},
                instance=instance,
                settings=self.settings,
                timing=TIMING,
                pool=clients.StrategyPool(self.redis, TIMING.socket_timeout_s),  # type: ignore[arg-type]
            )
            try:
                runner.run()
            except RedisUnavailable:
                self.loop.post(self.loop.director, ended, process)

        self.loop.start_strand(process, run)
        return process
