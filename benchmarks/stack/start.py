"""Starts the router's processes with a quiet simulator that has no limits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.children import BenchFailed, Child, Children
from benchmarks.side import Side
from demo.redis_server import free_port
from router.keyspace import AccountKeys
from workers.venue import Credentials

ACCOUNT = "okx-bench"
_READY_S = 90.0

CREDENTIALS = Credentials("bench-key", "bench-secret", "bench-pass")
ENVIRONMENT = {
    "BENCH_KEY": CREDENTIALS.key,
    "BENCH_SECRET": CREDENTIALS.secret,
    "BENCH_PASS": CREDENTIALS.passphrase,
    "ORDER_ROUTER_LOG_LEVEL": "WARNING",
    "ORDER_ROUTER_WORKER__PACING": "false",
    # Caps are not what is measured here.
    "ORDER_ROUTER_ORDERS__MAX_OPEN_ORDERS_PER_STRATEGY": "1000000",
    "ORDER_ROUTER_ORDERS__MAX_INTENTS_PER_STRATEGY": "1000000",
}
"""What the processes of the router are given besides ``REDIS_URL`` and the configuration."""

_SIMULATOR = """\
ledger_requests = false
[market]
tick_ms = 0
[retention]
never_filled_s = 20
ledger_s = 20
[[accounts]]
name = "okx-bench"
api_key = "bench-key"
secret = "bench-secret"
passphrase = "bench-pass"
balances = {{ USDT = "100000000", BTC = "1000" }}
"""
_ACCOUNTS = """\
[accounts.okx-bench]
exchange = "okx"
environment = "demo"
api_key = "env:BENCH_KEY"
api_secret = "env:BENCH_SECRET"
passphrase = "env:BENCH_PASS"
rest_url = "http://127.0.0.1:{port}"
ws_url = "ws://127.0.0.1:{port}/ws/v5"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a router runs: its Redis, key prefix and configuration folder, and how."""

    url: str
    prefix: str
    config: Path

    control_port: int = 0
    """Where the simulator takes faults; 0 for any."""
    router_toml: str = ""
    """Settings of the router besides the prefix."""

    @property
    def keys(self) -> AccountKeys:
        return AccountKeys(ACCOUNT, self.prefix)

    @property
    def worker_options(self) -> list[str]:
        return ["--redis-url", self.url, "--config-dir", str(self.config)]


def start_stack(children: Children, place: Place, strategies: int) -> Side:
    """Return the router, ready: simulator, worker and so many strategies."""
    venue = start_simulator(children, place)
    worker = start_worker(children, place)
    wait_serving(place, worker)
    started = start_strategies(children, place, [f"str{number}" for number in range(strategies)])
    return Side("router", started, {"worker": worker.pid, "venue": venue.pid})


def start_simulator(children: Children, place: Place) -> Child:
    """Write the configuration and return the simulator, listening."""
    place.config.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (place.config / "simulator.toml").write_text(_SIMULATOR.format())
    (place.config / "accounts.toml").write_text(_ACCOUNTS.format(port=port))
    router = f'prefix = "{place.prefix}"\n{place.router_toml}'
    (place.config / "router.toml").write_text(router)
    options = ["--config", str(place.config / "simulator.toml"), "--port", str(port)]
    options += ["--control-port", str(place.control_port)]
    return children.start("simulator", ["commands.main", "simulator", *options, "--json"])


def start_worker(children: Children, place: Place) -> Child:
    """Return a worker that was just started; the first one serves, another one stands by."""
    return children.start(
        "worker", ["commands.main", "worker", "--account", ACCOUNT, *place.worker_options]
    )


def start_jobs(children: Children, place: Place) -> Child:
    """Return the process of the rq jobs."""
    return children.start("jobs", ["commands.main", "jobs", *place.worker_options])


def start_strategies(
    children: Children,
    place: Place,
    names: Sequence[str],
    *,
    kind: str = "strategy",
    account: str = ACCOUNT,
    trades: Sequence[str] = (),
) -> list[Child]:
    """Return strategy processes, each of which answers questions once it is registered.

    ``kind``: which module of this folder they run, ``strategy`` or ``witness``. ``trades``: symbol
    and amount, where these are not OKX's.
    """
    module = f"benchmarks.stack.{kind}"
    return [
        children.start(name, [module, place.url, place.prefix, account, name, *trades])
        for name in names
    ]


def wait_serving(place: Place, worker: Child, account: str = ACCOUNT) -> None:
    """Return once the worker reads the account's intents.

    Raises:
        BenchFailed: If it ended or is not ready in time.
    """
    client = redis.Redis.from_url(place.url, decode_responses=True)
    keys = AccountKeys(account, place.prefix)
    until_s = time.monotonic() + _READY_S
    try:
        while time.monotonic() < until_s:
            worker.check()
            if client.hget(keys.status, "worker") == "serving":
                return
            time.sleep(0.02)
    finally:
        client.close()
    raise BenchFailed(f"the worker does not serve:\n{worker.log.read_text(errors='replace')}")
