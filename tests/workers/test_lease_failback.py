"""A server that was a replica in between has the run id it had, and may lack the last writes."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from demo.redis_server import RedisServer, temporary_server
from router import functions
from router.keyspace import AccountKeys
from router.servers import Servers
from tests.scenarios.stack import until
from workers.clients import connect
from workers.clock import Clock
from workers.lease import Lease

KEYS = AccountKeys("okx-main")
TTL_MS = 60_000


@pytest.fixture
def two_servers() -> Iterator[tuple[RedisServer, RedisServer]]:
    with temporary_server() as one, temporary_server() as other:
        yield one, other


def follow(replica: Any, master: Any, port: int) -> None:
    replica.replicaof("127.0.0.1", port)

    def synced() -> bool:
        told, its = replica.info("replication"), master.info("replication")
        up = told.get("master_link_status") == "up"
        return up and bool(told["slave_repl_offset"] == its["master_repl_offset"])

    until(synced, "the replica has all")


async def test_failed_over_and_back_a_server_is_another(
    two_servers: tuple[RedisServer, RedisServer],
) -> None:
    first, second = two_servers
    a, b = (redis.Redis.from_url(one.url, decode_responses=True) for one in two_servers)
    a.function_load(functions.source(), replace=True)
    client = connect(Servers(first.url), "")
    before = Lease(client, KEYS, Clock(), ttl_ms=TTL_MS)
    await before.acquire()
    a.hset(KEYS.status, "server", before.server)  # where the owner knew all to be whole
    await before.release()
    run_id = a.info("server")["run_id"]
    follow(b, a, first.port)
    b.replicaof("NO", "ONE")
    a.set("written", "while b was promoted already")
    follow(a, b, second.port)
    a.replicaof("NO", "ONE")
    assert (a.get("written"), a.info("server")["run_id"]) == (None, run_id)
    after = Lease(client, KEYS, Clock(), ttl_ms=TTL_MS)
    await after.acquire()
    assert after.moved
    await client.aclose()
    a.close()
    b.close()
