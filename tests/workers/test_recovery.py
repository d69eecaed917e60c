"""Writing back what Redis lost, while it loses that once more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from router import functions, ids
from router.errors import LeaseLost
from router.keyspace import AccountKeys
from router.servers import Servers
from router.settings import OrderSettings
from tests.workers.samples import record
from workers import recovery as recovery_module
from workers.clients import connect
from workers.clock import Clock
from workers.lease import Lease
from workers.outbox import Outbox
from workers.recovery import Recovery

KEYS = AccountKeys("okx-main")
ORDERS = [record("o1", created_ms=1), record("o2", client_id="c2", created_ms=2)]
Happening = Callable[[], Awaitable[Any]]


@pytest.fixture
async def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(recovery_module, "_AGAIN_S", 0)
    monkeypatch.setattr(ids, "made_ms", lambda oid: int(oid[1:]))
    one = connect(Servers(redis_url), "")
    yield one
    await one.aclose()


def owner_of(client: Any) -> tuple[Recovery, Lease]:
    """Return an owner's recovery and lease; it knows two orders."""

    async def load_functions() -> None:
        await client.function_load(functions.source(), replace=True)

    clock = Clock()
    lease = Lease(client, KEYS, clock, ttl_ms=3_000)
    on = SimpleNamespace(
        account=KEYS.account,
        clock=clock,
        orders=OrderSettings(),
        teller=SimpleNamespace(strategies={"alpha"}),
        registry=SimpleNamespace(all=lambda: ORDERS, live=lambda: ORDERS),
        spawn=lambda work, name: work.close(),
    )
    recovery = Recovery(
        *(cast(Any, on), client, KEYS, lease, Outbox(client, KEYS, 1)),
        load_functions=load_functions,
        taken_again=AsyncMock(),
        reread=AsyncMock(),
        reconcile=AsyncMock(),
        skipped=10,
    )
    return recovery, lease


def once_before(recovery: Recovery, step: str, happens: Happening) -> None:
    """Let something happen before a step of the recovery is taken for the first time."""
    take, still = getattr(recovery, step), [True]

    async def taken(*args: Any) -> Any:
        if still:
            still.clear()
            await happens()
        return await take(*args)

    setattr(recovery, step, taken)


def note_taken(lease: Lease, epochs: list[int]) -> None:
    """Note each epoch under which the account is taken again."""
    take_again = lease.take_again

    async def taken() -> None:
        await take_again()
        epochs.append(lease.epoch)

    lease.take_again = taken  # type: ignore[method-assign]


async def stand_written_back(client: Any) -> bool:
    return bool(await client.exists(*(KEYS.order("alpha", one.oid) for one in ORDERS)) == 2)


@pytest.mark.parametrize("step", ["_skip_results", "_write_back", "_send"])
@pytest.mark.parametrize("functions_too", [False, True])
async def test_an_owner_begins_anew_where_redis_is_emptied_while_it_writes_back(
    client: Any, step: str, functions_too: bool
) -> None:
    recovery, lease = owner_of(client)
    await lease.acquire()
    epoch = lease.epoch
    await client.flushall()

    async def emptied() -> None:
        await client.flushall()
        if functions_too:
            await client.function_flush()

    once_before(recovery, step, emptied)
    taken: list[int] = []
    note_taken(lease, taken)
    await recovery.forgotten(epoch)
    assert [epoch, *taken] == sorted({epoch, *taken})
    assert len(taken) == 2, "it was taken again, and once more"
    assert (lease.epoch, await client.get(KEYS.epoch)) == (taken[-1], str(taken[-1]))
    assert await stand_written_back(client)
    assert await client.hget(KEYS.seq, "alpha") == "10", "it is told that results are missing"


async def test_an_owner_begins_anew_where_redis_is_as_it_was_before(client: Any) -> None:
    recovery, lease = owner_of(client)
    await lease.acquire()
    epoch = lease.epoch
    once_before(recovery, "_write_back", lambda: client.set(KEYS.epoch, epoch))
    await recovery.forgotten(epoch)
    assert await stand_written_back(client)
    assert await client.get(KEYS.epoch) == str(lease.epoch)


async def test_an_owner_ends_where_another_took_the_account_meanwhile(client: Any) -> None:
    recovery, lease = owner_of(client)
    await lease.acquire()
    epoch, newer = lease.epoch, lease.epoch + 60
    await client.flushall()
    once_before(recovery, "_write_back", lambda: client.set(KEYS.epoch, newer))
    with pytest.raises(LeaseLost, match=f"superseded by {newer}"):
        await recovery.forgotten(epoch)
    assert not await stand_written_back(client)


async def test_before_the_first_batch_nothing_shows_that_what_was_written_back_is_there(
    client: Any,
) -> None:
    recovery, lease = owner_of(client)
    await lease.acquire()
    await client.flushall()
    await recovery.forgotten(lease.epoch)
    written_back = lease.epoch
    await recovery._moved("another server")
    assert lease.epoch > written_back, "it was written back once more"
