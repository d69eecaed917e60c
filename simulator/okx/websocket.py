"""The WebSocket endpoint: takes connections in and feeds frames to sessions."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from aiohttp import WSMsgType, web

from simulator.exchange.faults import Context
from simulator.exchange.ledger import ConnectionRow
from simulator.okx.session import Session
from simulator.okx.trading import Trading
from simulator.okx.venue import Venue
from simulator.okx.waiting import gone
from simulator.sockets import Socket

_ROLES = {"public": "public", "private": "trade", "business": "business"}
_MAX_FRAME_BYTES = 4 * 1024 * 1024


class WebSocketEndpoint:
    """Serves /ws/v5/{public,private,business}."""

    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        kind = request.match_info["kind"]
        # uvloop's transports are no subclass of asyncio's, hence the cast.
        transport = cast("asyncio.WriteTransport | None", request.transport)
        if kind not in _ROLES or transport is None:
            return web.Response(status=404, text="not found")
        refusal = self._refuse(request, kind, transport)
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
        await stream.prepare(request)
        clock = self._venue.exchange.clock
        row = ConnectionRow(secrets.token_hex(4), request.path, clock.true_ms(), _ROLES[kind])
        self._venue.ledger.connections.append(row)
        socket = Socket(transport, row, asyncio.get_running_loop())
        self._venue.sockets.add(socket)
        session = Session(self._venue, self._trading, socket, kind)
        try:
            await self._read(stream, session, socket, request)
        finally:
            session.closed()
            self._venue.sockets.remove(socket)
            row.closed_ms = clock.true_ms()
            row.close_code = stream.close_code
        return stream

    def _refuse(
        self, request: web.Request, kind: str, transport: asyncio.WriteTransport
    ) -> web.Response | None:
        context = Context(
            op="connect", group="connect", transport="ws", socket=_ROLES[kind], path=request.path
        )
        now_ms = self._venue.exchange.clock.true_ms()
        fault = self._venue.faults.take(("refuse_connections",), context, now_ms)
        if fault is not None:
            if fault.text("mode", "503") == "close":
                transport.abort()
            return web.Response(status=503, text="Service Unavailable")
        limit = self._venue.config.limits.connections_per_s
        if self._venue.throttles(("connect", request.remote or ""), limit, 1000):
            return web.Response(status=429, text="Too Many Requests")
        return None

    async def _read(
        self,
        stream: web.WebSocketResponse[bool],
        session: Session,
        socket: Socket,
        request: web.Request,
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
            elif kind is WSMsgType.CLOSE:
                await self._close(stream, socket, request)
                return
            elif kind in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return

    async def _close(
        self, stream: web.WebSocketResponse[bool], socket: Socket, request: web.Request
    ) -> None:
        """Answer the client's close; a half-open socket only waits for it to go away."""
        if not socket.muted:
            await stream.close()
            return
        await gone(request)
