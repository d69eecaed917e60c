"""Connections: what says that another server has the key is a lost connection, nothing else is."""

import asyncio
from contextlib import closing
from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError

from demo.redis_server import RedisServer, temporary_server
from router import functions
from router.keyspace import AccountKeys
from router.servers import ClientsByKey, ServedElsewhere, Servers, moved

KEYS = AccountKeys("okx-main")


def test_all_keys_are_at_one_place_unless_on_a_cluster() -> None:
    assert Servers("redis://h").place("a") == Servers("redis+sentinel://h/m").place("b") == 0
    cluster = Servers("redis+cluster://h")
    assert len({cluster.place(key) for key in (KEYS.epoch, KEYS.intents("s"), KEYS.lease)}) == 1
    assert cluster.place(KEYS.epoch) != cluster.place(AccountKeys("okx-2").epoch)


def test_too_few_replicas_are_an_outage_and_what_is_refused_did_not_run() -> None:
    with temporary_server("everysec", "--min-replicas-to-write", "1") as server:
        servers = Servers(server.url)
        with closing(servers.client("", retry=None)) as client:
            with pytest.raises(ServedElsewhere, match="NOREPLICAS"):
                client.set("a", "1")
            assert client.get("a") is None
            with pytest.raises(ResponseError, match="wrong number"):
                client.execute_command("GET")


async def test_a_replica_is_an_outage_to_an_asyncio_client(redis_server: RedisServer) -> None:
    follow = ("--replicaof", f"127.0.0.1 {redis_server.port}")
    with temporary_server("everysec", *follow) as replica:
        client: Any = Servers(replica.url).asyncio_client("", retry=None)
        with pytest.raises(ServedElsewhere, match="replica"):
            await client.set("a", "1")
        await client.aclose()


async def test_a_master_demoted_under_a_blocking_read_is_an_outage(
    redis_server: RedisServer,
) -> None:
    with temporary_server() as master:
        servers = Servers(master.url)
        client: Any = servers.asyncio_client("", retry=None)
        with closing(servers.client("", retry=None)) as other:
            reading = asyncio.create_task(client.blpop(["nothing"], timeout=60))
            while not other.info("clients")["blocked_clients"]:  # noqa: ASYNC110 - it waits there
                await asyncio.sleep(0)
            other.replicaof("127.0.0.1", redis_server.port)
            with pytest.raises(ServedElsewhere, match="UNBLOCKED"):
                await reading
        await client.aclose()


@pytest.mark.parametrize("word", ["NOREPLICAS", "UNBLOCKED", "MISCONF"])
def test_what_a_server_does_not_do_now_is_an_outage(word: str) -> None:
    assert isinstance(moved(ResponseError(f"{word} some reason")), ServedElsewhere)
    assert moved(ResponseError(f"WRONGTYPE {word}")) is None


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1/m", "redis+cluster://127.0.0.1:1"])
def test_nobody_who_could_tell_is_a_lost_connection(url: str) -> None:
    servers = Servers(url)
    with closing(servers.client("a", retry=None)) as client, pytest.raises(ConnectionError):
        client.get("a")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1"):
        servers.masters()


def test_a_client_is_opened_once_for_each_place(redis_server: RedisServer, redis_url: str) -> None:
    clients = ClientsByKey(Servers(redis_url), retry=None, decode_responses=True)
    with closing(clients):
        assert clients.of(KEYS.epoch) is clients.of("anything")
        assert clients.of("a").ping()
        call = functions.lease(KEYS, "renew", owner="o", epoch=1, ttl_ms=1)
        assert clients.of(KEYS.epoch).fcall(*call.fcall())[0] == "lost"
