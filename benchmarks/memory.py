"""What orders cost in memory: resident bytes of each process, Redis's bytes per order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis

from benchmarks import system
from benchmarks.options import FIRST_MEMORY_ORDERS, Options
from benchmarks.side import Side
from benchmarks.stack.start import Place

#: What the server holds for its own traffic, not for data.
_TRAFFIC = ("mem_clients_normal", "mem_aof_buffer")


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident MiB by process, with so many orders open."""

    orders: int
    mib: dict[str, float]


@dataclass(frozen=True, slots=True)
class Memory:
    """Redis's bytes per order are all there is of it: hash, sets, client id, results.

    ``ended`` is higher than ``open`` since the cancel's results are kept as well; the archive job,
    which was not run here, later removes both.
    """

    resident: list[Resident]
    redis_bytes_per_open: float
    redis_bytes_per_ended: float
    redis_bytes: dict[str, float]
    """Of its parts: an order's hash, one entry of the results."""


def measure(router: Side, place: Place, options: Options) -> Memory:
    """Return the memory of a freshly started router; ends all its orders."""
    client: Any = redis.Redis.from_url(place.url, decode_responses=True)
    pids = {"strategy": router.strategies[0].pid, **router.others}
    router.clear()  # answered once the strategy runs
    empty = data_bytes(client)
    readings = [read_resident(0, pids)]
    first = min(FIRST_MEMORY_ORDERS, options.memory_orders)
    for orders in dict.fromkeys((first, options.memory_orders)):
        missing = orders - readings[-1].orders
        router.burst(1, missing, options.window, options.batch)
        readings.append(read_resident(orders, pids))
    opened = data_bytes(client)
    sample = client.srandmember(place.keys.open("str0"))
    router.clear()
    ended = data_bytes(client)
    found = Memory(
        resident=readings,
        redis_bytes_per_open=(opened - empty) / options.memory_orders,
        redis_bytes_per_ended=(ended - empty) / options.memory_orders,
        redis_bytes=_parts(client, place, sample),
    )
    client.close()
    return found


def read_resident(orders: int, pids: Mapping[str, int]) -> Resident:
    """Return the resident memory of these processes now."""
    found = {name: system.resident_bytes(pid) for name, pid in pids.items()}
    return Resident(
        orders, {name: size / 2**20 for name, size in found.items() if size is not None}
    )


def data_bytes(client: Any) -> int:
    """Return what Redis holds as data, without its buffers for traffic."""
    info = client.info("memory")
    return int(info["used_memory"]) - sum(int(info.get(name, 0)) for name in _TRAFFIC)


def server_pid(url: str) -> int | None:
    """Return the Redis server's process id; None if it runs on another machine."""
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        return None
    client: Any = redis.Redis.from_url(url)
    pid = int(client.info("server")["process_id"])
    client.close()
    return pid


def _parts(client: Any, place: Place, oid: str) -> dict[str, float]:
    results = place.keys.results("str0")
    entries = max(1, int(client.xlen(results)))
    return {
        "an order hash": float(client.memory_usage(place.keys.order("str0", oid)) or 0),
        "one entry of the results": float(client.memory_usage(results, samples=0) or 0) / entries,
    }
