"""Binance spot, put together: its routes, and what it does as time goes by."""

from __future__ import annotations

import asyncio
from functools import partial

import orjson
from aiohttp import web

from simulator import websocket
from simulator.binance.connections import Heartbeat, api, shutdown_notice
from simulator.binance.limits import Limits, RateLimit
from simulator.binance.quotes import Quotes
from simulator.binance.rest import RestEndpoint
from simulator.binance.spot.events import SpotEvents
from simulator.binance.spot.operations import METHODS, REST
from simulator.binance.stream_session import StreamSession
from simulator.binance.venue import Venue
from simulator.sockets import Socket
from simulator.world import Floor


class SpotDialect:
    """Speaks Binance spot for one exchange."""

    name = "binance-spot"
    ws_path = ""

    def __init__(self, floor: Floor) -> None:
        own, exchange = floor.config.binance, floor.exchange
        weight = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, own.spot_weight_per_minute)
        orders = (
            RateLimit("ORDERS", "SECOND", 10, own.spot_orders_per_10s),
            RateLimit("ORDERS", "DAY", 1, own.spot_orders_per_day),
        )
        limits = Limits(weight, orders, own, enforced=floor.config.limits.enabled)
        self.users = SpotEvents(exchange, floor.faults, limits)
        quotes = Quotes(exchange, floor.faults, spot=True)
        self.venue = Venue(floor, own, limits, self.users, quotes)
        exchange.events.add_for_accounts(self.users)
        exchange.events.add_for_books(quotes)
        self._rest = RestEndpoint(self.venue, REST)
        self._heartbeat = Heartbeat(self.name, own.spot_ping_s, own.spot_pong_s, own.life_s)

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        return [
            web.get("/ws-api/v3", partial(api, self.venue, METHODS)),
            *(web.get(path, self._stream) for path in ("/ws", "/ws/{name:.*}", "/stream")),
            web.route("*", "/api/{path:.*}", self._rest.serve),
        ]

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        self.venue.started(loop)

    def stopped(self) -> None:
        """Do nothing: nothing here would still happen."""

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""
        return self._heartbeat.pause_s

    def sweep(self, now_s: float) -> None:
        """Ping, and cut what is old or silent."""
        self._heartbeat.sweep(self.venue.floor.sockets, now_s)

    def expire_streams(self, account: str) -> int:
        """End the user data subscriptions of ``account`` ("" = all); return how many."""
        streams = self.users.of(account)
        for stream in streams:
            self.users.terminate(stream)
        return len(streams)

    def notice(self, socket: Socket) -> bytes:
        """Return the frame that announces a shutdown."""
        return orjson.dumps(shutdown_notice(self.venue.now_ms()))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        wrapped = request.path == "/stream"

        def opened(socket: Socket) -> StreamSession:
            session = StreamSession(self.venue, socket, "public", wrapped=wrapped)
            session.open(request)
            return session

        return await websocket.serve(request, self.venue.floor, "public", opened)
