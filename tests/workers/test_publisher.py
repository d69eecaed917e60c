"""The owner's snapshots: renewed while it may send, missed without harm while Redis is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from router.keyspace import AccountKeys
from router.servers import Servers
from router.settings import MetricsSettings
from router.snapshot import Snapshot
from tests.workers.fake_venue import until
from workers.clients import connect
from workers.clock import Clock
from workers.metrics import AccountMetrics, Standing
from workers.publisher import Publisher

KEYS = AccountKeys("okx-main")
EVERY_S = 0.01


@asynccontextmanager
async def publishing(url: str, metrics: AccountMetrics) -> AsyncIterator["asyncio.Task[None]"]:
    client = connect(Servers(url), "")
    publisher = Publisher(client, KEYS, metrics, Clock(), MetricsSettings(publish_every_s=EVERY_S))
    task = asyncio.create_task(publisher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await client.aclose()


class Owner:
    """Says how it stands, and counts how often it was asked."""

    def __init__(self) -> None:
        self.may_send = True
        self.asked = 0

    def standing(self) -> Standing:
        self.asked += 1
        return Standing(4, may_send=self.may_send, open_orders=self.asked)


async def test_a_snapshot_is_renewed_and_expires(redis_url: str, redis_client: Any) -> None:
    metrics, owner = AccountMetrics("okx", "okx-main", since_ms=5), Owner()
    metrics.standing = owner.standing
    seen: set[int] = set()

    def renewed() -> bool:
        text = redis_client.get(KEYS.metrics)
        if text is not None:
            found = Snapshot.model_validate_json(text)
            assert (found.epoch, found.since_ms) == (4, 5)
            seen.add(found.now["open_orders"])
        return len(seen) >= 3

    async with publishing(redis_url, metrics):
        await until(renewed, "three different snapshots")
    await until(lambda: not redis_client.exists(KEYS.metrics), "it expired")


async def test_who_may_not_send_publishes_nothing(redis_url: str, redis_client: Any) -> None:
    metrics, owner = AccountMetrics(), Owner()
    owner.may_send = False
    async with publishing(redis_url, metrics):
        metrics.standing = owner.standing
        await until(lambda: owner.asked >= 3, "it looked three times")
        assert not redis_client.exists(KEYS.metrics)
        owner.may_send = True
        await until(lambda: redis_client.exists(KEYS.metrics), "it may again")


async def test_a_snapshot_that_redis_does_not_take_is_missed_without_harm() -> None:
    metrics, owner = AccountMetrics(), Owner()
    metrics.standing = owner.standing
    async with publishing("redis://127.0.0.1:1/0", metrics) as task:
        await until(lambda: owner.asked >= 3, "it tried three times")
        assert not task.done()
