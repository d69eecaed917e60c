"""The WebSocket endpoint: which paths there are, and what a session on them is."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from simulator import websocket
from simulator.okx.session import MAY_PLAY, Session
from simulator.okx.trading import Trading
from simulator.okx.venue import Venue
from simulator.sockets import Socket

_ROLES = {"public": "public", "private": "trade", "business": "business"}


class WebSocketEndpoint:
    """Serves /ws/v5/{public,private,business}."""

    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        kind = request.match_info["kind"]
        if kind not in _ROLES:
            return web.Response(status=404, text="not found")
        limit = self._venue.config.limits.connections_per_s
        if self._venue.throttles(("connect", request.remote or ""), limit, 1000):
            return web.Response(status=429, text="Too Many Requests")
        opened = partial(self._open, kind)
        role = _ROLES[kind]
        return await websocket.serve(
            request, self._venue.floor, role, opened, may_play=MAY_PLAY.get(role, role)
        )

    def _open(self, kind: str, socket: Socket) -> Session:
        return Session(self._venue, self._trading, socket, kind)
