"""Bybit v5, put together: its routes, and what it does as time goes by."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from aiohttp import web

from simulator import websocket
from simulator.bybit.disconnects import Disconnects
from simulator.bybit.limits import Limits
from simulator.bybit.listing import CATEGORIES, Listing
from simulator.bybit.private import PrivateTopics
from simulator.bybit.public import PublicTopics
from simulator.bybit.recent import RecentlyClosed
from simulator.bybit.rest import RestEndpoint
from simulator.bybit.stream_session import PrivateSession, PublicSession
from simulator.bybit.trade_session import TradeSession
from simulator.bybit.venue import Venue
from simulator.sockets import Socket
from simulator.world import Floor

_SHORTEST_S, _LONGEST_S = 30, 600
_SPAN = re.compile(r"(\d+)([sm])")
_GOING_AWAY = 1001

Opened = TradeSession | PrivateSession | PublicSession


class BybitDialect:
    """Speaks Bybit v5 for one exchange."""

    name = "bybit"
    ws_path = ""

    def __init__(self, floor: Floor) -> None:
        config, own, exchange = floor.config, floor.config.bybit, floor.exchange
        self.venue = Venue(
            floor,
            own,
            Listing(book.instrument for book in exchange.books.values()),
            Limits(own, enforced=config.limits.enabled),
            PrivateTopics(exchange, floor.faults, own, seed=config.market.seed),
            PublicTopics(exchange, floor.faults, own.repeat_s),
            RecentlyClosed(own.recently_closed),
            Disconnects(exchange, config.countdown_second_s, enabled=own.dcp),
        )
        exchange.events.add_for_accounts(self.venue.private)
        exchange.events.add_for_accounts(self.venue.recent)
        exchange.events.add_for_books(self.venue.public)
        self._rest = RestEndpoint(self.venue)

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        return [
            web.get("/v5/trade", self._trade),
            web.get("/v5/private", self._private),
            web.get("/v5/public/{category}", self._public),
            web.route("*", "/v5/{path:.*}", self._rest.serve),
        ]

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        venue = self.venue
        venue.private.pushes.loop = venue.public.loop = venue.disconnects.loop = loop

    def stopped(self) -> None:
        """Leave nothing that would still happen."""
        self.venue.disconnects.stop_all()

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""
        return min(self.venue.own.idle_s, self.venue.own.repeat_s) / 4

    def sweep(self, now_s: float) -> None:
        """Cut idle connections, and tell first levels again that have not changed."""
        venue = self.venue
        for socket in venue.floor.sockets:
            session = venue.sessions.get(socket.connection)
            if session is None or socket.muted:
                continue
            if now_s - socket.last_traffic_s > session.idle_s:
                socket.hang_up(_GOING_AWAY)
        venue.public.repeat(now_s)

    def expire_streams(self, account: str) -> int:
        """Return 0: private topics here live as long as their connection."""
        return 0

    def notice(self, socket: Socket) -> bytes:
        """Begin a release: requests are refused (10019), the recently closed are forgotten.

        Nothing is announced. Whether and when the venue cuts the connection is not documented.
        """
        session = self.venue.sessions.get(socket.connection)
        if session is not None:
            session.restarting = True
        self.venue.recent.wipe()
        return b""

    async def _trade(self, request: web.Request) -> web.StreamResponse:
        address, idle_s = request.remote or "", self._idle_s(request)
        return await self._open(
            request, "trade", lambda socket: TradeSession(self.venue, socket, address, idle_s)
        )

    async def _private(self, request: web.Request) -> web.StreamResponse:
        idle_s = self._idle_s(request)
        return await self._open(
            request, "private", lambda socket: PrivateSession(self.venue, socket, idle_s)
        )

    async def _public(self, request: web.Request) -> web.StreamResponse:
        category = request.match_info["category"]
        if category not in CATEGORIES:
            return web.Response(status=404, text="not found")
        idle_s = self.venue.own.idle_s
        return await self._open(
            request, "public", lambda socket: PublicSession(self.venue, socket, idle_s, category)
        )

    async def _open(
        self, request: web.Request, role: str, session: Callable[[Socket], Opened]
    ) -> web.StreamResponse:
        now_ms = self.venue.floor.clock.true_ms()
        if not self.venue.limits.connection(request.remote or "", now_ms):
            return web.Response(status=403, text="too many connections")

        def opened(socket: Socket) -> Opened:
            made = self.venue.sessions[socket.connection] = session(socket)
            return made

        return await websocket.serve(request, self.venue.floor, role, opened)

    def _idle_s(self, request: web.Request) -> float:
        """Return after how long of silence the connection is cut: its address may say."""
        found = _SPAN.fullmatch(request.query.get("max_active_time", ""))
        if found is None:
            return self.venue.own.idle_s
        seconds = int(found[1]) * (60 if found[2] == "m" else 1)
        return min(max(seconds, _SHORTEST_S), _LONGEST_S)
