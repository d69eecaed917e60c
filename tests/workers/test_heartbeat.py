"""Signs of life: when a session is pinged, and when it is given up; and writes that hang."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
import uvloop
import websockets.exceptions as ws_errors

from tests.workers.fake_venue import (
    FakeServer,
    HandTurned,
    Visit,
    all_heard,
    connected,
    connection_is_at,
    order,
    until,
)
from workers import connection as connection_module
from workers.connection import Connection
from workers.venue_socket import HIGH_WATER


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer().running() as one:
        yield one


# --- half-open ----------------------------------------------------------------------------------


PING_S, DEAD_S = 0.05, 0.2
HEARTBEAT: dict[str, Any] = {"ping_after_s": PING_S, "dead_after_s": DEAD_S}
_SILENCE_S = 0.1  # between the two


@contextlib.contextmanager
def reading_no_more(server: FakeServer) -> Iterator[None]:
    transport = server.visits[0].socket.transport
    transport.pause_reading()
    try:
        yield
    finally:
        transport.abort()  # else its farewell waits for what it does not read


async def test_b5_a_half_open_session_is_cut_and_replaced(server: FakeServer) -> None:
    clock = HandTurned()
    async with connected(server, clock=clock, **HEARTBEAT) as (connection, heard):
        await until(lambda: connection.ready)
        for pings in (1, 2, 3, 4):
            clock.turn(_SILENCE_S)
            await until(partial(pinged, server.visits[0], pings))
            await all_heard(server.visits[0], heard)
        assert heard.lost == [], "a session that answers its heartbeat is alive"
        server.deaf = True
        await connection.send(order(1))
        clock.turn(_SILENCE_S)
        await until(lambda: server.visits[0].pings == 5)
        clock.turn(DEAD_S)
        await until(lambda: heard.lost)
        server.deaf = False
        [(session, why)] = heard.lost
        assert session == 1
        assert "no byte" in why
        await until(lambda: connection.session_number == 2)
        assert "order" not in server.visits[1].ops


def pinged(visit: Visit, times: int) -> bool:
    return visit.pings == times


async def test_any_byte_is_a_sign_of_life(server: FakeServer) -> None:
    clock = HandTurned()
    async with connected(server, clock=clock, **HEARTBEAT) as (connection, heard):
        await until(lambda: connection.ready)
        for _ in range(10):
            await all_heard(server.visits[0], heard)
            clock.turn(PING_S * 0.8)
            await clock.looked_at()  # nobody but the watch looks now
        await all_heard(server.visits[0], heard)
        assert server.visits[0].pings == 0, "a busy session needs no heartbeat"
        assert heard.lost == []


async def test_one_heartbeat_a_silence(server: FakeServer) -> None:
    server.deaf = True
    clock = HandTurned()
    async with connected(server, clock=clock, **HEARTBEAT) as (connection, heard):
        await until(lambda: connection.ready)
        clock.turn(_SILENCE_S)
        for _ in range(3):
            await clock.looked_at()
        clock.turn(DEAD_S)
        await until(lambda: heard.lost)
        await until(lambda: "1 closed" in server.story)
        assert server.visits[0].pings == 1


async def test_a_venue_without_a_text_heartbeat_gets_ping_frames(server: FakeServer) -> None:
    """A quiet stream is alive as long as pongs come; they never reach the reader."""
    clock = HandTurned()
    async with connected(server, clock=clock, **HEARTBEAT | {"ping": None}) as (connection, heard):
        await until(lambda: connection.ready)
        session = connection._session
        assert session is not None
        for _ in range(4):
            clock.turn(_SILENCE_S)
            await until(lambda: session.heard_s == clock.monotonic_s())
        assert (heard.lost, server.visits[0].pings) == ([], 0)
        with reading_no_more(server):
            clock.turn(_SILENCE_S)
            await until(lambda: session.pinged)
            clock.turn(DEAD_S)
            await until(lambda: heard.lost)
            assert "no byte" in heard.lost[0][1]
        await until(lambda: connection.session_number == 2)


async def test_a_venue_that_counts_pings_is_pinged_however_busy_the_socket(
    server: FakeServer,
) -> None:
    clock = HandTurned()
    plan: dict[str, Any] = {"ping_every_s": PING_S, "ping_after_s": 0.5, "dead_after_s": 1.0}
    async with connected(server, clock=clock, **plan) as (connection, heard):
        await until(lambda: connection.ready)
        for pings in (1, 2, 3, 4):
            clock.turn(PING_S * 1.5)
            await until(partial(pinged, server.visits[0], pings))
            await all_heard(server.visits[0], heard)
        assert heard.lost == []
        server.deaf = True
        clock.turn(1.0)
        await until(lambda: heard.lost)
        assert "no byte" in heard.lost[0][1], "what we send is no sign of the venue's life"


# --- a peer that reads no more ------------------------------------------------------------------


ON_EITHER_LOOP = pytest.mark.parametrize(
    "run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"]
)
BIG = order("x" * 50_000)


def unsent(connection: Connection) -> int:
    session = connection._session
    return session.socket.transport.get_write_buffer_size() if session is not None else 0


@ON_EITHER_LOOP
def test_b5_a_half_open_session_is_cut_though_no_ping_can_be_written(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_MOST_WRITE_S", 600.0)  # the silence is seen first

    async def go() -> None:
        clock = HandTurned()
        async with (
            FakeServer().running() as server,
            connected(server, clock=clock, **HEARTBEAT) as (connection, heard),
        ):
            await until(lambda: connection.ready)
            session = connection._session
            assert session is not None
            with reading_no_more(server):
                filling = asyncio.create_task(fill(connection))
                await until(lambda: unsent(connection) > HIGH_WATER)
                clock.turn(_SILENCE_S)
                await until(lambda: session.pinged)
                clock.turn(DEAD_S)
                await until(lambda: heard.lost)
                assert "no byte" in heard.lost[0][1]
                with pytest.raises(ws_errors.ConnectionClosed):
                    await filling

    run(go())


async def fill(connection: Connection) -> None:
    """Send until something cannot be written."""
    while True:
        await connection.send(BIG)


@ON_EITHER_LOOP
def test_what_cannot_be_written_ends_the_session(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MOST_WRITE_S", 0.05)

    async def go() -> None:
        async with FakeServer().running() as server, connected(server) as (connection, heard):
            await until(lambda: connection.ready)
            with reading_no_more(server), pytest.raises(ws_errors.ConnectionClosed):
                await fill(connection)
            await until(lambda: heard.lost)
            assert heard.lost == [(1, "nothing could be written for 0.05 s")]
            await until(partial(connection_is_at, connection, 2))
            assert await connection.send(order("new")) == 2

    run(go())


@ON_EITHER_LOOP
def test_a_write_that_waited_a_little_is_a_write(run: Any) -> None:
    async def go() -> None:
        async with FakeServer().running() as server, connected(server) as (connection, heard):
            await until(lambda: connection.ready)
            server.visits[0].socket.transport.pause_reading()
            writes: list[asyncio.Task[int]] = []
            while unsent(connection) <= HIGH_WATER:
                writes.append(asyncio.create_task(connection.send(BIG)))
                await asyncio.sleep(0)
            writes.append(asyncio.create_task(connection.send(order("small"))))
            await asyncio.sleep(0)
            assert not writes[-1].done()
            server.visits[0].socket.transport.resume_reading()
            assert set(await asyncio.gather(*writes)) == {1}
            await until(lambda: heard.answers and heard.answers[-1] == ("small", 1))
            assert heard.lost == []

    run(go())
