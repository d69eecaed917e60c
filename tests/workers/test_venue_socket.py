"""What is written in one call: in order, never where it may have to wait; a break is told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop
import websockets.exceptions as ws_errors

from tests.workers.fake_venue import FakeServer, connected, order, until
from workers.connection import Connection
from workers.venue_socket import HIGH_WATER, LOW_WATER, VenueSocket

ON_EITHER_LOOP = pytest.mark.parametrize(
    "run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"]
)


class Wire:
    """A transport that notes what it is given, or breaks."""

    def __init__(self, transport: asyncio.Transport, error: Exception | None = None) -> None:
        self._transport = transport
        self._error = error
        self.written: list[bytes] = []
        self.unsent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: bytes) -> None:
        if self._error is not None:
            raise self._error
        self.written.append(data)
        self._transport.write(data)


def socket_of(connection: Connection) -> VenueSocket:
    assert connection._session is not None
    return connection._session.socket


def on_wire(connection: Connection, error: Exception | None = None) -> Wire:
    """Put a wire between the connection and its transport."""
    socket = socket_of(connection)
    wire = Wire(socket.transport, error)
    socket.transport = wire  # type: ignore[assignment]
    return wire


def ids(frames: Sequence[dict[str, Any]]) -> list[Any]:
    return [frame["id"] for frame in frames if frame["op"] == "order"]


@ON_EITHER_LOOP
def test_frames_of_one_turn_arrive_whole_and_in_their_order(run: Any) -> None:
    async def go() -> None:
        async with FakeServer().running() as server, connected(server) as (connection, heard):
            await until(lambda: connection.ready)
            wire = on_wire(connection)
            texts = ["a", "é" * 70, "b" * 200, "c" * 2_000]
            for text in texts:
                assert await connection.send(order(text)) == 1
            assert len(wire.written) == len(texts), "each was written before the loop turned"
            await until(lambda: len(heard.answers) == len(texts))
            assert ids(server.visits[0].frames) == texts

    run(go())


@pytest.mark.parametrize(
    ("unsent", "text", "at_once"),
    [
        (0, "x" * 100, True),
        (LOW_WATER + 1, "x" * 100, True),
        (HIGH_WATER - 399, "x" * 100, False),
        (0, "x" * (HIGH_WATER // 4 + 1), False),
    ],
)
async def test_what_could_fill_the_buffer_is_not_written_at_once(
    unsent: int, text: str, at_once: bool
) -> None:
    async with FakeServer().running() as server, connected(server) as (connection, _):
        await until(lambda: connection.ready)
        wire = on_wire(connection)
        wire.unsent = unsent
        assert socket_of(connection).send_at_once(text) is at_once
        assert len(wire.written) == at_once


async def test_nothing_is_written_at_once_while_earlier_writes_wait() -> None:
    async with FakeServer().running() as server, connected(server) as (connection, _):
        await until(lambda: connection.ready)
        wire, socket = on_wire(connection), socket_of(connection)
        socket.pause_writing()
        assert not socket.send_at_once(order(1))
        socket.resume_writing()
        assert socket.send_at_once(order(2))
        assert len(wire.written) == 1


@pytest.mark.parametrize("error", [OSError("reset"), RuntimeError("the handler is closed")])
async def test_a_write_that_breaks_ends_the_session_with_all_that_was_written(
    error: Exception,
) -> None:
    async with FakeServer().running() as server, connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await connection.send(order("before"))
        on_wire(connection, error)
        with pytest.raises(ws_errors.ConnectionClosed):
            await connection.send(order("broken"))
        await until(lambda: heard.lost)
        assert [number for number, _ in heard.lost] == [1]
        await until(lambda: connection.session_number == 2)
        assert await connection.send(order("after")) == 2
