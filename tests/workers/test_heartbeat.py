"""Signs of life: when a session is pinged, and when it is given up."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from tests.workers.fake_venue import (
    FakeServer,
    HandTurned,
    Visit,
    all_heard,
    connected,
    order,
    until,
)


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
