"""The outbox: each batch is measured, and a write that Redis refuses is counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis

from router.keyspace import AccountKeys
from router.servers import Servers
from workers.clients import connect
from workers.metrics import AccountMetrics
from workers.outbox import MOST_OPERATIONS, Outbox, answer_in_time

KEYS = AccountKeys("okx-main")


@asynccontextmanager
async def running(url: str) -> AsyncIterator[tuple[Outbox, AccountMetrics]]:
    """Yield an outbox of epoch 1 that writes."""
    client, metrics = connect(Servers(url), ""), AccountMetrics()
    await answer_in_time(client.set(KEYS.epoch, "1"))
    outbox = Outbox(client, KEYS, 1, metrics)
    writing = asyncio.create_task(outbox.run())
    try:
        yield outbox, metrics
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        await client.aclose()


async def test_each_apply_is_measured_with_its_size(redis_url: str, redis_client: Any) -> None:
    async with running(redis_url) as (outbox, metrics):
        for number in range(3):
            outbox.batch.hash(KEYS.status, {f"field{number}": "1"})
        assert outbox.waiting == 3
        await outbox.drained()
        assert metrics.applied.count == metrics.apply_operations.count == 1
        assert metrics.apply_operations.total == 3
        outbox.batch.hash(KEYS.status, {"more": "1"})
        await outbox.drained()
        assert metrics.applied.count == 2
        assert (metrics.apply_operations.total, outbox.waiting) == (4, 0)
    assert redis_client.hlen(KEYS.status) == 4


async def test_a_batch_that_was_cut_counts_from_its_first_operation(redis_url: str) -> None:
    async with running(redis_url) as (outbox, metrics):
        for _ in range(3 * MOST_OPERATIONS):
            outbox.batch.hash(KEYS.status, {"field": "1"})
            outbox.cut()
        await outbox.drained()
        assert metrics.applied.count == 3
        assert 0 < metrics.applied.most < 30, "seconds; not the age of the machine"


async def test_a_look_at_the_batch_begins_nothing(redis_url: str) -> None:
    async with running(redis_url) as (outbox, metrics):
        assert outbox.batch.count == 0
        await outbox.drained()
        assert metrics.applied.count == 0
        assert outbox._begun_s == 0.0
        outbox.batch.hash(KEYS.status, {"field": "1"})
        await outbox.drained()
        assert metrics.applied.count == 1


async def test_a_write_that_redis_refuses_is_counted(
    redis_url: str, redis_client: "redis.Redis"
) -> None:
    redis_client.set(KEYS.status, "not a hash")
    async with running(redis_url) as (outbox, metrics):
        outbox.batch.hash(KEYS.status, {"field": "1"})
        outbox.batch.hash(KEYS.positions, {"field": "1"})
        await outbox.drained()
        assert metrics.refused_writes.numbers == {(): 1}
    assert redis_client.hget(KEYS.positions, "field") == "1"
