"""``python -m benchmarks.scaling``: what a shard more gives, and what a replica's answer costs.

All on this machine, in one run, so only ratios mean anything. Shards share its cores: how much one
server can do is told by the processor time that it spends on an admission, not by the rate here.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any

import redis

from commands.output import console, table
from demo.redis_groups import Cluster, ask, running_cluster, wait_for
from demo.redis_server import RedisServer, temporary_server
from router import functions, ids
from router.contracts import CreateIntent, Registration
from router.enums import OrderSide, OrderType
from router.keyspace import AccountKeys

TOGETHER = 50  # orders of one call, as the SDK sends them (``strategy_sdk.gateway.ADMIT_TOGETHER``)
CALLS = 60
ROUNDS = 5
ONE_BY_ONE = 150
STRATEGY = "load"
_AMOUNT, _PRICE = Decimal("0.001"), Decimal(80_000)
Call = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shards:
    """Admissions over so many servers: the rate, and each server's time for one."""

    shards: int
    per_s: float
    server_us: float


def admissions(keys: AccountKeys, orders: int) -> Call:
    """Return one FCALL that admits so many orders."""
    tag = ids.strategy_tag(STRATEGY)
    made = []
    for _ in range(orders):
        oid = ids.new_oid(tag)
        intent = CreateIntent(
            oid=oid,
            client_id=oid,
            idem=oid,
            symbol="BTCUSDT-PERP.OKX",
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=_AMOUNT,
            price=_PRICE,
        )
        made.append(functions.Admission(intent.fields(), STRATEGY, 10_000))
    caps = functions.Caps(intents=10**9, open_orders=10**9)
    return ("FCALL", *functions.admit(keys, STRATEGY, made, caps=caps).fcall())


def ready(server: RedisServer, keys: AccountKeys) -> None:
    """Load the functions and register the strategy at one server."""
    ask(server, "FUNCTION", "LOAD", "REPLACE", functions.source())
    text = Registration(tag=ids.strategy_tag(STRATEGY)).json_text()
    call = functions.register(keys, STRATEGY, "main", text, "bench", wake=False)
    ask(server, "FCALL", *call.fcall())


# --- shards ---------------------------------------------------------------------------------------


def shards(cluster: Cluster) -> list[Shards]:
    """Return one row for each number of shards; the load is the same, spread over accounts."""
    accounts = [_account_at(cluster, number) for number in range(3)]
    for server, keys in zip(cluster.masters, accounts, strict=True):
        ready(server, keys)
    found: dict[int, list[Shards]] = {1: [], 2: [], 3: []}
    for number in range(ROUNDS):
        for count in [1, 2, 3][number % 3 :] + [1, 2, 3][: number % 3]:
            found[count].append(_spread_over(cluster.masters[:count], accounts[:count]))
    return [
        Shards(count, median(one.per_s for one in rows), median(one.server_us for one in rows))
        for count, rows in found.items()
    ]


def _account_at(cluster: Cluster, master: int) -> AccountKeys:
    every = (AccountKeys(f"okx-{number}") for number in itertools.count())
    return next(keys for keys in every if cluster.master_of(keys.epoch) == master)


def _spread_over(servers: Sequence[RedisServer], accounts: Sequence[AccountKeys]) -> Shards:
    calls = [
        [admissions(keys, TOGETHER) for _ in range(CALLS // len(servers))] for keys in accounts
    ]
    before_s = [_cpu_s(server) for server in servers]
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(servers)) as together:
        list(together.map(_send, servers, calls))
    took_s = time.monotonic() - began_s
    spent_s = sum(_cpu_s(one) - was for one, was in zip(servers, before_s, strict=True))
    orders = TOGETHER * (CALLS // len(servers)) * len(servers)
    for server, keys in zip(servers, accounts, strict=True):
        ask(server, "FLUSHDB")
        ready(server, keys)
    return Shards(len(servers), orders / took_s, spent_s / orders * 1e6)


def _send(server: RedisServer, calls: list[Call]) -> None:
    with closing(redis.Redis.from_url(server.url, retry=None)) as client:
        pipeline: Any = client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call)
        pipeline.execute()


def _cpu_s(server: RedisServer) -> float:
    info = ask(server, "INFO", "cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


# --- durability -----------------------------------------------------------------------------------


@contextmanager
def with_replica() -> Iterator[RedisServer]:
    """Yield a master whose replica has all of it."""
    with temporary_server("everysec", "--repl-diskless-sync-delay", "0") as master:
        follow = ("--replicaof", f"127.0.0.1 {master.port}")
        with temporary_server("everysec", *follow) as replica:
            up = "master_link_status"
            wait_for(lambda: ask(replica, "INFO", "replication")[up] == "up", "in sync")
            yield master


def durabilities(master: RedisServer) -> dict[str, tuple[float, float]]:
    """Return, for each setting, µs of one admission alone (p50), and of one in a batch."""
    keys = AccountKeys("okx-main")
    ready(master, keys)
    modes = {"fast": ("everysec", 1), "fsync": ("always", 1), "replicated": ("always", 2)}
    alone: dict[str, list[float]] = {name: [] for name in modes}
    batched: dict[str, list[float]] = {name: [] for name in modes}
    with closing(redis.Redis.from_url(master.url, retry=None)) as client:
        for _ in range(ROUNDS):
            for name, (fsync, commands) in modes.items():
                ask(master, "CONFIG", "SET", "appendfsync", fsync)
                for orders, count, into in ((1, ONE_BY_ONE, alone), (TOGETHER, 15, batched)):
                    times = [
                        _timed(client, admissions(keys, orders), commands) for _ in range(count)
                    ]
                    into[name].append(median(times) / orders)
    return {name: (median(alone[name]), median(batched[name])) for name in modes}


def _timed(client: Any, call: Call, commands: int) -> float:
    pipeline = client.pipeline(transaction=False)
    for command in (call, functions.WAIT)[:commands]:
        pipeline.execute_command(*command)
    began_s = time.perf_counter()
    pipeline.execute()
    return (time.perf_counter() - began_s) * 1e6


def main() -> None:
    """Measure and print."""
    with running_cluster() as cluster:
        rows = shards(cluster)
    with with_replica() as master:
        kept = durabilities(master)
    out = console()
    one = rows[0]
    out.print(
        table(
            "admissions, 50 a call, the same load over 1, 2 and 3 shards of a Cluster",
            ("shards", "per s", "ratio", "server µs each", "one server's share, µs"),
            [
                (
                    row.shards,
                    f"{row.per_s:.0f}",
                    f"{row.per_s / one.per_s:.2f}",
                    f"{row.server_us:.1f}",
                    f"{row.server_us / row.shards:.1f}",
                )
                for row in rows
            ],
        )
    )
    fast = kept["fast"]
    out.print(
        table(
            "one admission with a replica attached",
            ("durability", "alone, p50 µs", "ratio", "of 50 in a call, µs", "ratio"),
            [
                (name, f"{a:.0f}", f"{a / fast[0]:.2f}", f"{b:.1f}", f"{b / fast[1]:.2f}")
                for name, (a, b) in kept.items()
            ],
        )
    )


if __name__ == "__main__":
    main()
