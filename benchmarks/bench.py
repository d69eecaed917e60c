"""One whole run: floor and router compared, stages, memory, durability, outages."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import redis

from benchmarks import (
    comparison,
    durability,
    flow,
    memory,
    outages,
    stages,
    system,
    takeovers,
    venues,
)
from benchmarks.children import BenchFailed, Child, Children
from benchmarks.comparison import Comparison, Say, Sides
from benchmarks.durability import Durability
from benchmarks.floor.start import start_floor, start_floor_at_simulator
from benchmarks.flow import Flow
from benchmarks.memory import Memory
from benchmarks.options import Options
from benchmarks.outages import Outage
from benchmarks.stack.start import (
    ACCOUNT,
    ENVIRONMENT,
    Place,
    start_jobs,
    start_simulator,
    start_stack,
    start_strategies,
    wait_serving,
)
from benchmarks.stages import Stage
from benchmarks.venues import VenueRow
from demo.redis_server import free_port, temporary_server

#: A fork to rewrite the log would fall into one round and not into another.
_SERVER_OPTIONS = ("--auto-aof-rewrite-percentage", "0")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found; ``flow`` is of a run of its own, the latest there was."""

    measured: str
    machine: dict[str, str]
    others_share: float | None
    """Which share of all cores other processes used during the run."""
    options: Options
    comparison: Comparison
    stages: list[Stage]
    memory: Memory
    took_s: float
    durability: list[Durability] = field(default_factory=list)
    """Empty where the server is the user's: its settings are not ours to turn."""
    outages: list[Outage] = field(default_factory=list)
    venues: list[VenueRow] = field(default_factory=list)
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the parts of a run start their processes."""

    url: str
    folder: Path
    environment: Mapping[str, str]
    prefix: str

    def place(self, name: str) -> Place:
        """Return a place of its own for one router: keys and configuration apart."""
        return Place(self.url, f"{self.prefix}-{name}", self.folder / name)

    def children(self, name: str) -> Children:
        """Return the starter of one part's processes."""
        (self.folder / name).mkdir()
        return Children(self.folder / name, self.environment)


def run(options: Options, say: Say) -> Report:
    """Return the report of one run.

    Raises:
        BenchFailed: If a process failed, or an order was not told as it should be.
    """
    began_s, before = time.monotonic(), system.usage()
    with open_ground(options) as ground:
        found = _comparison(ground, options, say)
        version = _server_version(ground.url)
    say("stages of one order")
    with open_ground(options) as ground:
        spans = _stages(ground, options)
    with open_ground(options) as ground:
        beside_okx = _venues(ground, options, say)
    say("memory")
    with open_ground(options) as ground:
        held = _memory(ground, options)
    modes = [] if options.redis_url else _durability(options, say)
    with open_ground(options) as ground:
        lasted = _outages(ground, options, say)
    after = system.usage()
    return Report(
        measured=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        machine={**system.machine(), "server": version},
        others_share=before.others_share(after) if before and after else None,
        options=options,
        comparison=found,
        stages=spans,
        memory=held,
        took_s=round(time.monotonic() - began_s, 1),
        durability=modes,
        outages=lasted,
        venues=beside_okx,
    )


def run_flow(options: Options, say: Say) -> Flow:
    """Return how memory fares while many orders come and end.

    Raises:
        BenchFailed: If a process failed, or what has ended is not tidied away.
    """
    with open_ground(options) as ground, ground.children("flow") as children:
        archive = ground.folder / "archive"
        settings = flow.ROUTER_TOML.format(queue=ground.prefix, keep_s=flow.KEEP_S, archive=archive)
        place = replace(ground.place("flow"), router_toml=settings)
        router = start_stack(children, place, 1)
        router.others |= {"jobs": start_jobs(children, place).pid} | server_of(ground.url)
        found = flow.measure(router, place, options, say)
        archived = sum(text.count(b"\n") for text in map(Path.read_bytes, archive.rglob("*.jsonl")))
        if archived < found.orders:
            raise BenchFailed(f"{archived} orders are in the archive, of {found.orders}")
        return found


@contextmanager
def open_ground(options: Options) -> Iterator[Ground]:
    """Yield a fresh ground: a server of its own, or keys of its own on the server given."""
    prefix = f"bench{os.getpid()}"
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="order-router-bench-"))
        )
        url = options.redis_url
        if url is None:
            url = stack.enter_context(temporary_server("everysec", *_SERVER_OPTIONS)).url
        else:
            stack.callback(_forget_keys, url, prefix)
        yield Ground(
            url,
            folder,
            {**_clean_environment(), **ENVIRONMENT, **venues.ENVIRONMENT, "REDIS_URL": url},
            prefix,
        )


def _clean_environment() -> dict[str, str]:
    """Return the environment without settings of the router that a user may have."""
    return {name: text for name, text in os.environ.items() if "ORDER_ROUTER" not in name}


def _forget_keys(url: str, prefix: str) -> None:
    """Remove what a run left on a server that is not ours."""
    client = redis.Redis.from_url(url)
    for pattern in (f"{prefix}-*", f"rq:*{prefix}*"):
        for key in client.scan_iter(match=pattern, count=1_000):
            client.unlink(key)
    client.close()


def _server_version(url: str) -> str:
    client = redis.Redis.from_url(url, decode_responses=True)
    info = client.info("server")
    client.close()
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def server_of(url: str) -> dict[str, int]:
    """Return the server's process id, by its role; nothing if it is on another machine."""
    pid = memory.server_pid(url)
    return {} if pid is None else {"redis": pid}


def _comparison(ground: Ground, options: Options, say: Say) -> Comparison:
    say("starting")
    with ExitStack() as stack:
        floors = stack.enter_context(ground.children("floor"))
        floor = start_floor(floors, ground.url, f"{ground.prefix}-floor", options.strategies)
        floors = stack.enter_context(ground.children("floor-at-simulator"))
        place = replace(ground.place("floor-at-simulator"), control_port=free_port())
        at_venue = start_floor_at_simulator(floors, place)
        routers = {}
        for count in {1, options.strategies}:
            name = f"router{count}"
            children = stack.enter_context(ground.children(name))
            routers[count] = start_stack(children, ground.place(name), count)
        sides = Sides(floor, at_venue, routers)
        for side in sides.all():
            side.others |= server_of(ground.url)
        return comparison.summarize(comparison.measure(sides, options, say), options)


def _stages(ground: Ground, options: Options) -> list[Stage]:
    place, file = ground.place("stages"), ground.folder / "stamps.json"
    # The worker reads its settings from the environment here.
    config = {"ORDER_ROUTER_CONFIG_DIR": str(place.config)}
    (ground.folder / "stages").mkdir()
    with Children(ground.folder / "stages", {**ground.environment, **config}) as children:
        start_simulator(children, place)
        worker = children.start("worker", ["benchmarks.stack.traced_worker", ACCOUNT, str(file)])
        wait_serving(place, worker)
        strategy = start_strategies(children, place, ["str0"])[0]
        stamps = _traced(strategy, options)
    # Ended, the worker has written what it stamped.
    return stages.summarize(stages.merge(stamps, orjson.loads(file.read_bytes())))


def _traced(strategy: Child, options: Options) -> list[tuple[str, int]]:
    time.sleep(options.settle_s)
    strategy.ask({"do": "latency", "orders": options.warm_up_orders})
    found = strategy.ask({"do": "trace", "orders": options.stage_orders})
    return [(name, time_ns) for name, time_ns in found["stamps"]]


def _venues(ground: Ground, options: Options, say: Say) -> list[VenueRow]:
    say("venues")
    with ground.children("venues") as children:
        sides = venues.start(children, ground.place("venues"), server_of(ground.url))
        return venues.measure(sides, options, say)


def _memory(ground: Ground, options: Options) -> Memory:
    with ground.children("memory") as children:
        router = start_stack(children, ground.place("memory"), 1)
        router.others |= server_of(ground.url)
        return memory.measure(router, ground.place("memory"), options)


def _durability(options: Options, say: Say) -> list[Durability]:
    with open_ground(options) as ground, ground.children("durability") as children:
        router = start_stack(children, ground.place("durability"), 1)
        time.sleep(options.settle_s)
        return durability.measure(router, ground.url, options, say)


def _outages(ground: Ground, options: Options, say: Say) -> list[Outage]:
    settings = outages.ROUTER_TOML.format(
        ack_timeout_ms=outages.ACK_TIMEOUT_MS, queue=ground.prefix
    )
    place = replace(ground.place("outages"), control_port=free_port(), router_toml=settings)
    kinds = [(one, options.outages) for one in outages.KINDS]
    kinds += [(one, options.takeovers) for one in takeovers.KINDS]
    with ground.children("outages") as children:
        return outages.measure(children, place, options, say, kinds)
