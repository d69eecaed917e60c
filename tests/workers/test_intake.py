"""Reading intents from a server that takes connections and says nothing."""

import asyncio
import socket
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from router.keyspace import GROUP, AccountKeys
from router.servers import Servers
from workers import outbox
from workers.clients import connect
from workers.intake import Entry, Intake


async def test_a_silent_server_holds_no_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "ANSWER_WITHIN_S", 0.05)
    nothing = cast(Any, None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(Servers(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"), "")
        intake = Intake(
            client,
            AccountKeys("okx-main"),
            1,
            count=1,
            on_intents=nothing,
            on_inherited=nothing,
            on_control=nothing,
            after_read=nothing,
            may_read=nothing,
            look_every_s=1,
            forgotten=nothing,
            same_server=nothing,
        )
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                await intake._read(1)
        await client.aclose()


async def test_all_that_a_lost_read_was_given_is_found_page_by_page(redis_url: str) -> None:
    """Between two reads, with more entries than one reply brings."""
    keys = AccountKeys("okx-main", "intake")
    client = connect(Servers(redis_url), "")
    stream = keys.intents("alpha")
    for name in (keys.control, keys.arrivals, stream):
        await client.xgroup_create(name, GROUP, "0", mkstream=True)
    given = [await client.xadd(stream, {"n": number}) for number in range(5)]
    await client.xreadgroup(GROUP, "epoch-1", {stream: ">"})  # nobody sees this reply
    taken: list[str] = []
    found = asyncio.Event()

    async def take(strategy: str, entries: list[Entry]) -> None:
        taken.extend(entry_id for entry_id, _ in entries if entry_id not in taken)
        if len(taken) == len(given):
            found.set()

    nothing = AsyncMock(return_value=True)
    intake = Intake(
        client,
        keys,
        1,
        count=2,
        on_intents=take,
        on_inherited=nothing,
        on_control=nothing,
        after_read=nothing,
        may_read=lambda: True,
        look_every_s=60,
        forgotten=nothing,
        same_server=nothing,
    )
    intake.watch(["alpha"])
    reading = asyncio.create_task(intake.run())
    async with asyncio.timeout(60):
        await found.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await client.aclose()
    assert taken == given
