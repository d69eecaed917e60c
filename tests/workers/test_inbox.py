"""What the inbox recalls from Redis: one record an order, whoever asks at once."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import redis.asyncio

from router import ids
from router.contracts import CreateIntent
from router.enums import OrderSide, OrderType
from router.keyspace import AccountKeys
from router.settings import OrderSettings
from router.state import State
from workers.clock import Clock
from workers.inbox import Inbox
from workers.registry import Registry
from workers.wiring import Wiring

OID = ids.new_oid(ids.strategy_tag("alpha"))
KEYS = AccountKeys("okx-main")


class SlowRedis:
    """Holds one ended order and answers when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked = 0

    async def hget(self, key: str, field: str) -> str | None:
        return f"alpha/{OID}/ended" if (key, field) == (KEYS.clients, "mine") else None

    async def hgetall(self, key: str) -> dict[str, str]:
        assert key == KEYS.order("alpha", OID)
        self.asked += 1
        await self.let.wait()
        intent = CreateIntent(
            oid=OID,
            client_id="mine",
            symbol="BTCUSDT-PERP.OKX",
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=Decimal(1),
            price=Decimal(2),
        )
        return {**intent.fields(), "state": "FAILED", "exists": "false"}


def inbox(server: SlowRedis) -> tuple[Inbox, Registry]:
    registry = Registry()
    wiring = Wiring(
        account="okx-main",
        venue=cast(Any, None),
        orders=OrderSettings(),
        clock=Clock(),
        registry=registry,
        teller=cast(Any, None),
        inquiry=cast(Any, None),
        rest=cast(Any, None),
    )
    client = cast(redis.asyncio.Redis, server)
    return Inbox(wiring, cast(Any, None), cast(Any, None), client, KEYS), registry


async def test_c8_two_pushes_at_once_find_one_record_of_an_order() -> None:
    """Two records would each tell the strategy what the other has told."""
    server = SlowRedis()
    one, registry = inbox(server)
    asking = [asyncio.create_task(one.holder("mine")) for _ in range(2)]
    while server.asked < 2:  # noqa: ASYNC110 - both are at the server before it answers either
        await asyncio.sleep(0)
    server.let.set()
    first, second = await asyncio.gather(*asking)
    assert first is second is registry.owned("alpha", OID)
    assert first is not None
    assert first.state is State.FAILED


async def test_a_client_id_that_was_never_ours_has_no_holder() -> None:
    one, registry = inbox(SlowRedis())
    assert await one.holder("a stranger's") is None
    assert len(registry) == 0
