"""Connections: how the WebSocket API is entered, and how the venue keeps or ends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from simulator import websocket
from simulator.binance.api_session import ApiSession
from simulator.binance.codes import Problem
from simulator.binance.venue import Operation, Venue
from simulator.sockets import Socket

# A handshake's weight: the sheet, A2.
_HANDSHAKE = 5
_GOING_AWAY = 1001
_POLICY = 1008
_SUBSCRIBES = "userDataStream.subscribe"


async def api(
    venue: Venue, methods: Mapping[str, Operation], request: web.Request
) -> web.StreamResponse:
    """Serve one connection of the WebSocket API."""
    address = request.remote or ""
    try:
        venue.limits.spend(address, _HANDSHAKE, venue.now_ms())
    except Problem as problem:
        return web.json_response(problem.body, status=problem.status)
    tells_limits = request.query.get("returnRateLimits", "true") != "false"

    def opened(socket: Socket) -> ApiSession:
        return ApiSession(venue, methods, socket, address, tells_limits=tells_limits)

    # Futures never send user data here; spot may: the sheet, A2 and part B.
    may_play = "trade+private" if _SUBSCRIBES in methods else "trade"
    return await websocket.serve(request, venue.floor, "trade", opened, may_play=may_play)


class Heartbeat:
    """Pings the connections of one venue, and cuts those that are silent or too old."""

    def __init__(self, venue: str, ping_s: float, pong_s: float, life_s: float) -> None:
        self._venue = venue
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._life_s = life_s
        self.pause_s = min(ping_s, pong_s, life_s) / 4

    def sweep(self, sockets: Iterable[Socket], now_s: float) -> None:
        """Do what is due at ``now_s``, the event loop's time."""
        for socket in sockets:
            if socket.muted or socket.row.venue != self._venue:
                continue
            if now_s - socket.opened_s > self._life_s:
                socket.hang_up(_GOING_AWAY, "disconnected after 24 hours")
            elif socket.unanswered_s is not None and now_s - socket.unanswered_s > self._pong_s:
                socket.hang_up(_POLICY, "Pong timeout")
            elif now_s - socket.pinged_s >= self._ping_s:
                socket.ping(str(int(now_s * 1000)).encode())


def shutdown_notice(now_ms: int) -> dict[str, Any]:
    """Return the event that the server is about to leave: the sheet, A2."""
    return {"event": {"e": "serverShutdown", "E": now_ms}}
