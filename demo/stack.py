"""The demo's processes and files: Redis, simulator, workers, jobs, strategies."""

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import requests

from commands.link import text_clients
from demo.children import ROOT, Children
from demo.config import (
    KEYS,
    STORM_OPTIONS,
    STORM_RULES,
    accounts_toml,
    router_toml,
    simulator_toml,
)
from demo.options import DemoOptions
from demo.plan import VARIABLE, Hours, Market, Plan, write_hours
from demo.redis_server import RedisServer, free_port, start_server
from demo.venues import OKX, DemoVenue
from router.errors import ConfigError
from router.keyspace import DEFAULT_PREFIX, AccountKeys
from router.settings import CONFIG_DIR_VARIABLE, ENV_PREFIX
from simulator.client import ControlClient

_READY_S = 90.0
_STARTS_IN_S = 0.5
_EXAMPLE = "robust-entry"


class Stack:
    """Everything that runs, from Redis to the strategies. Use it as a context manager."""

    appendfsync = "everysec"

    def __init__(self, options: DemoOptions, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.server: RedisServer | None = None
        own = options.redis_url is None
        name = DEFAULT_PREFIX if own else f"demo-{secrets.token_hex(4)}"
        self.prefix = name
        self._queue = "order-router" if own else name
        self.keys = [self.keys_of(venue) for venue in options.venues]
        self.redis_url = options.redis_url or ""
        self.client: Any = None
        self.ports: dict[str, int] = {venue.name: free_port() for venue in options.venues}
        self._control_port = free_port()
        self.control = ControlClient(f"http://127.0.0.1:{self._control_port}")
        self.children = Children(folder, self._environment())
        self.begin_ms = 0
        self.records: dict[str, Path] = {}
        self._starts: dict[str, tuple[Sequence[str], dict[str, str]]] = {}

    def __repr__(self) -> str:
        return f"Stack({self.folder}, {self.children!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.children.stop()
        finally:
            self.control.close()
            self._leave_redis()

    def keys_of(self, venue: DemoVenue) -> AccountKeys:
        """Return the keys of the account at a venue."""
        return AccountKeys(venue.account, self.prefix)

    # --- start

    def start(self) -> None:
        """Start all but the strategies; return when the worker serves.

        Raises:
            ConfigError: If a part does not come up; the text has the end of its log.
        """
        self._start_redis()
        self._write_config()
        self.children.start(
            "simulator",
            [
                *("simulator", "--config", str(self.folder / "simulator.toml")),
                *("--port", str(self.ports[OKX.name]), "--control-port", str(self._control_port)),
            ],
        )
        self.wait_for("the simulator", self._simulator_answers)
        # The first one owns, the other stands by.
        for name in ("worker", "standby") if self.options.faults == "storm" else ("worker",):
            self._start(name, ["worker", *_accounts(self.options.venues)])
        self._start("jobs", ["jobs"])
        self.await_worker()

    def await_worker(self) -> None:
        """Return once a worker serves each account.

        Raises:
            ConfigError: If that takes too long.
        """
        self.wait_for("the worker", self._worker_serves)

    def start_again(self, name: str, **extra: str) -> None:
        """Start a process anew that was killed, as it was started, with ``extra`` variables."""
        arguments, handed = self._starts[name]
        self.children.start(name, arguments, {**handed, **self.handed(name), **extra})

    def handed(self, name: str) -> dict[str, str]:
        """Return the variables that a process of this name gets besides the environment."""
        return {}

    def owner(self, venue: DemoVenue = OKX) -> str:
        """Return the name of the process that owns the venue's account; "" if none does."""
        pid = str(self.client.hget(self.keys_of(venue).lease, "pid") or "")
        return self.children.name_of(int(pid)) if pid else ""

    def start_strategies(self) -> None:
        """Start the guide's example and the demo's own strategies; let them trade once all are up.

        Raises:
            ConfigError: If one does not come up.
        """
        hours = self.folder / "hours.json"
        names = self.strategies()
        if _EXAMPLE in names:
            self._start_strategy(_EXAMPLE, f"{_example()}:RobustEntry", {}, (OKX,))
        traders = [name for name in names if name != _EXAMPLE]
        for number, name in enumerate(traders):
            share = self.options.orders // len(traders)
            plan = Plan(
                record=self.folder / f"{name}.told.jsonl",
                seed=self.options.seed * 100 + number,
                orders=share,
                markets=_markets(self.options.venues),
                hours=hours,
            )
            self.records[name] = plan.record
            of_class = "Taker" if name.startswith("taker") else "Maker"
            target = f"{ROOT / 'demo' / 'strategies.py'}:{of_class}"
            handed = {VARIABLE: plan.model_dump_json()}
            self._start_strategy(name, target, handed, self.options.venues)
        self.wait_for("one of the strategies", self._strategies_are_up)
        self.begin_ms = int((time.time() + _STARTS_IN_S) * 1000)
        write_hours(hours, self._hours())

    def stop_strategies(self) -> None:
        """End the strategies cleanly."""
        self.children.stop(self.strategies())

    def strategies(self) -> list[str]:
        """Return the ids of the strategies that trade."""
        return strategy_ids(self.options.strategies)

    def _strategies_are_up(self) -> bool:
        registered = self.client.hkeys(self.keys_of(OKX).strategies)
        started = all(
            path.exists() and b'"started"' in path.read_bytes() for path in self.records.values()
        )
        return started and set(self.strategies()) <= set(registered)

    def _hours(self) -> Hours:
        begin_ms, length_ms = self.begin_ms, int(self.options.seconds * 1000)
        shares = (0.1, 0.4, 0.5, 0.75)
        signals_ms = tuple(begin_ms + int(length_ms * share) for share in shares)
        return Hours(begin_ms=begin_ms, end_ms=begin_ms + length_ms, signals_ms=signals_ms)

    def _start_strategy(
        self, name: str, target: str, extra: dict[str, str], venues: Sequence[DemoVenue]
    ) -> None:
        arguments = ["run", target, "--strategy-id", name, *_accounts(venues)]
        self._start(name, arguments, extra)

    # --- how

    def _start(
        self, name: str, arguments: Sequence[str], extra: dict[str, str] | None = None
    ) -> None:
        self._starts[name] = arguments, extra or {}
        self.start_again(name)

    def _start_redis(self) -> None:
        if not self.redis_url:
            self.server = start_server(self.folder / "redis", self.appendfsync)
            if self.server.process is not None:
                self.children.watch(self.server.process.pid)
            self.redis_url = self.server.url
        clients = text_clients(self.redis_url)
        if not clients.servers.one_for_all:
            raise ConfigError("--redis-url", "the demo needs one server or Sentinels, no Cluster")
        self.client = clients.of("")

    def _leave_redis(self) -> None:
        if self.server is not None:
            self.server.stop()
        elif self.client is not None:
            # Somebody else's server: take away what is ours.
            for pattern in (f"{self.prefix}:*", f"rq:*{self._queue}*"):
                for key in list(self.client.scan_iter(match=pattern, count=1_000)):
                    self.client.delete(key)
            self.client.srem("rq:queues", f"rq:queue:{self._queue}")
        if self.client is not None:
            self.client.close()

    def _write_config(self) -> None:
        self.write_router_config(self.folder, self.redis_url, self.ports)
        text = simulator_toml(self.ports, self.options.seed)
        (self.folder / "simulator.toml").write_text(text, encoding="utf-8")

    def write_router_config(self, folder: Path, redis_url: str, ports: Mapping[str, int]) -> None:
        """Write what the router's processes read: where Redis and the venues are, and the rules."""
        storm = self.options.faults == "storm"
        options = STORM_OPTIONS if storm else {}
        texts = {
            "accounts.toml": accounts_toml(self.options.venues, ports, options),
            "router.toml": router_toml(redis_url, self.prefix, self._queue, self.rules()),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def rules(self) -> str:
        """Return the tables of ``router.toml`` that are not the defaults."""
        return STORM_RULES if self.options.faults == "storm" else ""

    def _environment(self) -> dict[str, str]:
        """Return the children's environment: ours, without settings that would change the demo."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENV_PREFIX) and name != "REDIS_URL"
        }
        return {**inherited, **KEYS, CONFIG_DIR_VARIABLE: str(self.folder)}

    def supervise(self) -> None:
        """Do nothing while all processes live.

        Raises:
            ChildEnded: If one ended by itself.
        """
        self.children.check()

    def wait_for(self, what: str, ready: Callable[[], bool]) -> None:
        """Return once it is ready.

        Raises:
            ChildEnded: If a process ended by itself meanwhile.
            ConfigError: If it is not ready in time.
        """
        deadline = time.monotonic() + _READY_S
        while not ready():
            self.supervise()
            if time.monotonic() > deadline:
                raise ConfigError("demo", f"{what} was not ready in {_READY_S:g} s; {self.folder}")
            time.sleep(0.05)

    def _simulator_answers(self) -> bool:
        try:
            return bool(self.control.health()["accounts"])
        except requests.ConnectionError:
            return False

    def _worker_serves(self) -> bool:
        states = {self.client.hget(keys.status, "worker") for keys in self.keys}
        return states == {"serving"}


def _accounts(venues: Sequence[DemoVenue]) -> list[str]:
    """Return the options that name the accounts."""
    return [word for venue in venues for word in ("--account", venue.account)]


def _markets(venues: Sequence[DemoVenue]) -> tuple[Market, ...]:
    """Return everything that is traded: of each venue its first, of each its second, and so on."""
    found = [
        (place, Market(symbol=name, account=at.account, amount=amount, modifies=at.modifies))
        for at in venues
        for place, (name, amount) in enumerate(at.amounts.items())
    ]
    return tuple(market for _, market in sorted(found, key=lambda one: one[0]))


def strategy_ids(count: int) -> list[str]:
    """Return the ids of the demo's strategies; the first is the guide's example."""
    rounds = ((f"maker-{n}", f"taker-{n}") for n in range(2, 12))
    traders = ["maker", "taker", *(name for pair in rounds for name in pair)]
    return [_EXAMPLE, *traders[: count - 1]]


def _example() -> str:
    spec = find_spec("examples.robust_entry")
    if spec is None or spec.origin is None:
        raise ConfigError("demo", "examples/robust_entry.py is not installed")
    return spec.origin
