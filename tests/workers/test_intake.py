"""Reading intents from a server that takes connections and says nothing."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
import redis.exceptions

from router.keyspace import GROUP, AccountKeys
from router.servers import Servers
from workers import intake as intake_module
from workers import outbox
from workers.clients import connect
from workers.intake import Entry, Intake, OnIntents
from workers.line import Line


def reading_alpha(
    client: Any,
    keys: AccountKeys,
    *,
    epoch: int = 1,
    count: int = 10,
    on_intents: OnIntents,
    on_inherited: OnIntents = AsyncMock(),  # noqa: B008 - it remembers nothing that matters
    same_server: Callable[[], Awaitable[None]] = AsyncMock(),  # noqa: B008 - as above
) -> Intake:
    """Return an intake whose owner may always read."""
    intake = Intake(
        *(client, keys, epoch),
        count=count,
        on_intents=on_intents,
        on_inherited=on_inherited,
        on_control=AsyncMock(),
        after_read=AsyncMock(),
        may_read=lambda: True,
        look_every_s=60,
        forgotten=AsyncMock(return_value=True),
        same_server=same_server,
    )
    intake.watch(["alpha"])
    return intake


def into(name: str, taken: list[tuple[str, str]]) -> OnIntents:
    """Return a taker that notes under ``name`` what it was given."""

    async def take(strategy: str, entries: list[Entry]) -> None:
        taken.extend((name, entry_id) for entry_id, _ in entries)

    return take


async def waiting_for_alpha(client: Any, keys: AccountKeys, number: int) -> list[str]:
    """Return the ids of so many entries, in their order; the streams and groups are there, too."""
    stream = keys.intents("alpha")
    for name in (keys.control, keys.arrivals, stream):
        await client.xgroup_create(name, GROUP, "0", mkstream=True)
    return [await client.xadd(stream, {"n": one}) for one in range(number)]


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
    given = await waiting_for_alpha(client, keys, 5)
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
    given = await waiting_for_alpha(client, keys, 7)
    for number in range(7):
        reader = "epoch-1" if number in (1, 4) else f"epoch-{-(number % 2)}"
        await client.xreadgroup(GROUP, reader, {stream: ">"}, count=1)
    taken: list[tuple[str, str]] = []
    own, inherited_too = into("own", taken), into("inherited", taken)
    intake = reading_alpha(client, keys, on_intents=own, on_inherited=inherited_too)
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


@pytest.mark.parametrize("lost", ["no reply", "first", "late"])
async def test_what_a_lost_server_may_have_given_out_is_inherited_whatever_reply_is_lost(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """``late``: the server serves the read once the owner has asked again, and found nothing."""
    keys = AccountKeys("okx-main", "waiting")
    client = connect(Servers(redis_url), "")
    before = await waiting_for_alpha(client, keys, 3)
    await client.xreadgroup(GROUP, "epoch-0", {keys.intents("alpha"): ">"}, count=1)
    taken: list[tuple[str, str]] = []
    own, inherited = into("own", taken), into("inherited", taken)
    intake = reading_alpha(client, keys, count=2, on_intents=own, on_inherited=inherited)
    late: list[bytes] = []
    asked = Line.ask

    async def ask(line: Line, packed: bytes) -> Any:
        if lost == "no reply" or late or keys.intents("alpha").encode() not in packed:
            return await asked(line, packed)
        late.append(packed)
        if lost == "first":
            await asked(line, packed)
        raise redis.exceptions.ConnectionError("the reply is lost")

    monkeypatch.setattr(Line, "ask", ask)
    if lost == "late":
        await client.xgroup_setid(keys.intents("alpha"), GROUP, before[-1])  # nothing waits, yet
    await intake.inherit_all()
    if lost == "late":
        await client.xgroup_setid(keys.intents("alpha"), GROUP, before[0])
        await intake._line.ask(late[0])
        assert taken == [("inherited", before[0])]
        await intake.look_again()
    assert list(dict.fromkeys(taken))[:3] == [("inherited", entry_id) for entry_id in before]
    taken.clear()
    await intake.look_again()
    assert {entry_id for _, entry_id in taken} == set(before), "they are ours by now"
    successor = reading_alpha(client, keys, epoch=2, on_intents=own, on_inherited=inherited)
    taken.clear()
    await successor.inherit()
    assert taken == [("inherited", entry_id) for entry_id in before]
    await intake._line.close()
    await client.aclose()


async def test_what_an_owner_that_died_while_taking_over_was_given_is_inherited(
    redis_url: str,
) -> None:
    keys = AccountKeys("okx-main", "died")
    client = connect(Servers(redis_url), "")
    given = await waiting_for_alpha(client, keys, 3)
    taken: list[tuple[str, str]] = []
    await client.xreadgroup(GROUP, "waited-0", {keys.intents("alpha"): ">"})
    intake = reading_alpha(
        client, keys, on_intents=into("own", taken), on_inherited=into("inherited", taken)
    )
    await intake.inherit()
    assert taken == [("inherited", entry_id) for entry_id in given]
    await client.aclose()


async def test_which_server_it_is_is_asked_after_any_lost_connection(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an entry of our own is looked up, too: new ones are read on the same connection."""
    keys = AccountKeys("okx-main", "reopened")
    client = connect(Servers(redis_url), "")
    await waiting_for_alpha(client, keys, 1)
    await client.xreadgroup(GROUP, "epoch-1", {keys.intents("alpha"): ">"})
    events: list[str] = []
    read_on, asked = asyncio.Event(), Line.ask

    async def ask(line: Line, packed: bytes) -> Any:
        if b">" not in packed and "lost" not in events:
            events.append("lost")
            await line.close()
            raise redis.exceptions.ConnectionError("a failover")
        events.append("read" if b">" in packed else "look")
        if events[-1] == "read" and "lost" in events:
            read_on.set()
        return await asked(line, packed)

    async def same_server() -> None:
        events.append("which")

    monkeypatch.setattr(Line, "ask", ask)
    monkeypatch.setattr(intake_module, "BLOCK_MS", 1)
    intake = reading_alpha(client, keys, on_intents=AsyncMock(), same_server=same_server)
    reading = asyncio.create_task(intake.run())
    async with asyncio.timeout(60):
        await read_on.wait()
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    await client.aclose()
    assert events[:5] == ["which", "read", "lost", "which", "look"]
