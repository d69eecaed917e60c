"""One account among several of a process: how it ends is no business of the others."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.settings import Settings
from workers import account
from workers.account import AccountWorker

CALL_S = 5.0


class Owner:
    """An owner that loses the lease at once."""

    def __init__(self, *parts: object) -> None: ...

    async def serve(self, serving: asyncio.Event) -> None:
        raise ConnectionError("Redis is gone")


class Lease:
    async def acquire(self) -> None: ...
    async def release(self) -> None: ...


async def test_a_call_that_hangs_while_an_account_ends_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closing, others_went_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Rest:
        def __init__(self, *parts: object, **settings: object) -> None: ...

        def close(self) -> None:
            loop.call_soon_threadsafe(closing.set)
            assert others_went_on.wait(CALL_S)

    monkeypatch.setattr(account, "RestClient", Rest)
    monkeypatch.setattr(account, "Owner", Owner)
    setup = SimpleNamespace(
        name="okx-main",
        venue=SimpleNamespace(exchange="okx"),
        credentials=None,
        settings=Settings(),
    )
    worker = AccountWorker(
        cast(Any, setup),
        cast(Any, SimpleNamespace(account=None)),
        cast(Any, None),
        enqueue_unknown=lambda *names: None,
        load_functions=cast(Any, None),
    )
    worker.lease = cast(Any, Lease())
    ending = asyncio.create_task(worker.run())
    await closing.wait()
    others_went_on.set()
    with pytest.raises(ConnectionError):
        await ending
