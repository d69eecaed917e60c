"""Reading intents from a server that takes connections and says nothing."""

import asyncio
import socket
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from router.keyspace import GROUP, AccountKeys
from router.servers import Servers
from workers import intake as intake_module
from workers import outbox
from workers.clients import connect
from workers.intake import Entry, Intake, OnIntents


def reading_alpha(
    client: Any,
    keys: AccountKeys,
    *,
    count: int = 10,
    on_intents: OnIntents,
    on_inherited: OnIntents = AsyncMock(),  # noqa: B008 - it remembers nothing that matters
) -> Intake:
    """Return an intake of epoch 1 whose owner may always read."""
    intake = Intake(
        *(client, keys, 1),
        count=count,
        on_intents=on_intents,
        on_inherited=on_inherited,
        on_control=AsyncMock(),
        after_read=AsyncMock(),
        may_read=lambda: True,
        look_every_s=60,
        forgotten=AsyncMock(return_value=True),
        same_server=AsyncMock(),
    )
    intake.watch(["alpha"])
    return intake


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

    intake = reading_alpha(client, keys, count=2, on_intents=take)
    reading = asyncio.create_task(intake.run())
    async with asyncio.timeout(60):
        await found.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await client.aclose()
    assert taken == given


async def test_only_what_others_were_given_is_inherited_and_comes_first(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page: an entry of ours is in no doubt, and may be a cancel of an order of theirs."""
    monkeypatch.setattr(intake_module, "_CLAIMED_TOGETHER", 2)
    keys = AccountKeys("okx-main", "inherit")
    client = connect(Servers(redis_url), "")
    stream = keys.intents("alpha")
    for name in (keys.control, keys.arrivals, stream):
        await client.xgroup_create(name, GROUP, "0", mkstream=True)
    given = [await client.xadd(stream, {"n": number}) for number in range(7)]
    for number in range(7):
        reader = "epoch-1" if number in (1, 4) else f"epoch-{-(number % 2)}"
        await client.xreadgroup(GROUP, reader, {stream: ">"}, count=1)
    taken: list[tuple[str, str]] = []

    def into(name: str) -> Any:
        async def take(strategy: str, entries: list[Entry]) -> None:
            taken.extend((name, entry_id) for entry_id, _ in entries)

        return take

    intake = reading_alpha(client, keys, on_intents=into("own"), on_inherited=into("inherited"))
    await intake.inherit()
    inherited = [given[number] for number in (0, 2, 3, 5, 6)]
    assert taken == [("inherited", entry_id) for entry_id in inherited]
    pending = await client.xpending_range(stream, GROUP, "-", "+", 10)
    assert {one["consumer"] for one in pending} == {"epoch-1"}
    taken.clear()
    await client.xclaim(stream, GROUP, "epoch-0", 0, [given[6]])
    await intake.look_again()
    assert taken[0] == ("inherited", given[6])
    assert {entry_id for _, entry_id in taken[1:]} == set(given), "all are ours by now"
    await intake._line.close()
    await client.aclose()
