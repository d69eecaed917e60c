"""WebSocket endpoints: take a connection in, feed its frames to a session, note its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol, cast

from aiohttp import WSMsgType, web

from simulator.exchange.faults import Context
from simulator.exchange.ledger import ConnectionRow
from simulator.sockets import Socket
from simulator.waiting import gone
from simulator.world import Floor

_MAX_FRAME_BYTES = 4 * 1024 * 1024


class Session(Protocol):
    """The protocol state of one connection, kept by a dialect."""

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""

    def closed(self) -> None:
        """Forget what the connection had: it is gone."""


async def serve(
    request: web.Request,
    floor: Floor,
    role: str,
    open_session: Callable[[Socket], Session],
    *,
    may_play: str = "",
) -> web.StreamResponse:
    """Serve one connection until it ends, unless a fault refuses it.

    ``may_play`` are all roles that the connection may have in its life, if not ``role`` alone.
    """
    # uvloop's transports are no subclass of asyncio's, hence the cast.
    transport = cast("asyncio.WriteTransport | None", request.transport)
    if transport is None:
        return web.Response(status=404, text="not found")
    refusal = _refuse(request, floor, may_play or role, transport)
    if refusal is not None:
        return refusal
    # aiohttp answers neither pings nor closes by itself, so a half-open socket stays silent.
    stream = web.WebSocketResponse(
        compress=False,
        autoping=False,
        autoclose=False,
        max_msg_size=_MAX_FRAME_BYTES,
        decode_text=False,
    )
    try:
        await stream.prepare(request)
    except ConnectionResetError:
        return web.Response(status=404, text="whoever asked has gone")
    row = ConnectionRow(
        secrets.token_hex(4),
        request.path,
        floor.clock.true_ms(),
        role,
        venue=floor.venue,
        address=request.remote or "",
    )
    floor.ledger.connections.append(row)
    socket = Socket(transport, row, asyncio.get_running_loop())
    floor.sockets.add(socket)
    session = open_session(socket)
    try:
        await _read(stream, session, socket, request)
    finally:
        session.closed()
        floor.sockets.remove(socket)
        row.closed_ms = floor.clock.true_ms()
        row.close_code = stream.close_code
    return stream


def _refuse(
    request: web.Request, floor: Floor, role: str, transport: asyncio.WriteTransport
) -> web.Response | None:
    context = Context(op="connect", group="connect", transport="ws", socket=role, path=request.path)
    fault = floor.faults.take(("refuse_connections",), context, floor.clock.true_ms())
    if fault is None:
        return None
    if fault.text("mode", "503") == "close":
        transport.abort()
    return web.Response(status=503, text="Service Unavailable")


async def _read(
    stream: web.WebSocketResponse[bool], session: Session, socket: Socket, request: web.Request
) -> None:
    received, receive = session.received, stream.receive
    while True:
        message = await receive()
        kind = message.type
        if kind is WSMsgType.TEXT:
            received(message.data)
        elif kind is WSMsgType.PING:
            if not socket.muted:
                await stream.pong(message.data)
        elif kind is WSMsgType.PONG:
            socket.ponged(message.data)
        elif kind is WSMsgType.CLOSE:
            await _close(stream, socket, request)
            return
        elif kind in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
            return


async def _close(stream: web.WebSocketResponse[bool], socket: Socket, request: web.Request) -> None:
    """Answer the client's close; a half-open socket only waits for it to go away."""
    if not socket.muted:
        await stream.close()
        return
    await gone(request)
