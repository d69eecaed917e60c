"""Whether memory stays flat: many orders come and end, and are archived and trimmed meanwhile.

Everything as in production, the jobs included, except that what has ended is kept for seconds
instead of a day: in a day, these orders would all still be there.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from benchmarks import memory
from benchmarks.children import BenchFailed
from benchmarks.comparison import Say
from benchmarks.memory import Resident
from benchmarks.options import Options
from benchmarks.side import Side
from benchmarks.stack.start import Place

KEEP_S = 10
ROUTER_TOML = """
[jobs]
queue = "{queue}"
keep_ended_s = {keep_s}
keep_results_s = {keep_s}
tidy_every_s = 5
archive_dir = "{archive}"
"""
#: Memory is read after so many orders, and after all; caches are full by the second.
FIRST, FULL = 1_000, 20_000
_WAVE = 1_000
_TIDIED_S = 120.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Memory after orders that came and ended; ``redis_data_mib`` is what Redis holds as data."""

    measured: str
    keep_s: int
    took_s: float
    resident: list[Resident]
    redis_data_mib: list[float]
    redis_keys: list[int] = field(default_factory=list)
    redis_entries: list[int] = field(default_factory=list)
    """In all streams of the account."""

    @property
    def orders(self) -> int:
        return self.resident[-1].orders


def measure(router: Side, place: Place, options: Options, say: Say) -> Flow:
    """Return the memory of a router after 1 000, 20 000 and all orders of ``options``.

    Raises:
        BenchFailed: If what has ended is not tidied away.
    """
    client: Any = redis.Redis.from_url(place.url, decode_responses=True)
    pids = {"strategy": router.strategies[0].pid, **router.others}
    began_s, done = time.monotonic(), 0
    resident: list[Resident] = []
    data: list[float] = []
    keys: list[int] = []
    entries: list[int] = []
    router.clear()  # answered once the strategy runs
    for mark in _marks(options.flow_orders):
        while done < mark:
            wave = min(_WAVE, mark - done)
            router.burst(1, wave, options.window, options.batch)
            router.clear()
            done += wave
        say(f"memory after {done} orders")
        _wait_tidied(client, place)
        resident.append(memory.read_resident(done, pids))
        data.append(memory.data_bytes(client) / 2**20)
        keys.append(int(client.dbsize()))
        entries.append(_entries(client, place))
    client.close()
    return Flow(
        measured=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        keep_s=KEEP_S,
        took_s=round(time.monotonic() - began_s, 1),
        resident=resident,
        redis_data_mib=data,
        redis_keys=keys,
        redis_entries=entries,
    )


def _marks(orders: int) -> list[int]:
    return sorted({min(mark, orders) for mark in (FIRST, FULL, orders)})


def _entries(client: Any, place: Place) -> int:
    keys = place.keys
    streams = (keys.intents("str0"), keys.results("str0"), keys.control, keys.dead)
    return sum(int(client.xlen(stream)) for stream in streams)


def _wait_tidied(client: Any, place: Place) -> None:
    """Return once nothing that has ended is left, so that readings can be compared."""
    until_s = time.monotonic() + _TIDIED_S
    while time.monotonic() < until_s:
        if not client.zcard(place.keys.ended("str0")):
            return
        time.sleep(0.2)
    raise BenchFailed(f"ended orders are still there after {_TIDIED_S:.0f} s; do the jobs run?")


def growth(found: Flow) -> Mapping[str, float]:
    """Return by how much each process is larger after all orders than when its caches were full."""
    full = next(one for one in found.resident if one.orders >= min(FULL, found.orders))
    last = found.resident[-1]
    return {name: last.mib[name] / full.mib[name] for name in last.mib if name in full.mib}
