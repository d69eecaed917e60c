"""Binance USDⓈ-M futures, put together: its routes, and what it does as time goes by."""

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
from simulator.binance.stream_session import StreamSession
from simulator.binance.usdm.events import FuturesEvents
from simulator.binance.usdm.operations import METHODS, REST
from simulator.binance.venue import Venue
from simulator.sockets import Socket
from simulator.world import Floor

# An address without its category behaves like /public: the sheet, A0.
_KINDS = {"public": "public", "market": "public", "private": "private"}
_STREAM_PATHS = ("/ws", "/ws/{name:.*}", "/stream")


class UsdmDialect:
    """Speaks Binance USDⓈ-M futures for one exchange."""

    name = "binance-usdm"
    ws_path = ""

    def __init__(self, floor: Floor) -> None:
        own, exchange = floor.config.binance, floor.exchange
        weight = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, own.weight_per_minute)
        orders = (
            RateLimit("ORDERS", "SECOND", 10, own.orders_per_10s),
            RateLimit("ORDERS", "MINUTE", 1, own.orders_per_minute),
        )
        users = FuturesEvents(exchange, floor.faults)
        self.venue = Venue(
            floor,
            own,
            Limits(weight, orders, own, enforced=floor.config.limits.enabled),
            users,
            Quotes(exchange, floor.faults, spot=False),
        )
        exchange.events.add_for_accounts(users)
        exchange.events.add_for_books(self.venue.quotes)
        self._rest = RestEndpoint(self.venue, REST)
        self._heartbeat = Heartbeat(self.name, own.ping_s, own.pong_s, own.life_s)

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        streams = [
            web.get(f"{prefix}{path}", self._stream)
            for prefix in ("", "/public", "/market", "/private")
            for path in _STREAM_PATHS
        ]
        trade = web.get("/ws-fapi/v1", partial(api, self.venue, METHODS))
        return [trade, *streams, web.route("*", "/fapi/{path:.*}", self._rest.serve)]

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        self.venue.started(loop)

    def stopped(self) -> None:
        """Leave nothing that would still happen."""
        self.venue.countdown.stop_all()

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""
        return min(self._heartbeat.pause_s, self.venue.own.listen_key_s / 4)

    def sweep(self, now_s: float) -> None:
        """Ping, cut what is old or silent, let keys and orders die whose time is over."""
        self._heartbeat.sweep(self.venue.floor.sockets, now_s)
        self.venue.keys.sweep()
        self.venue.end_timed()

    def expire_streams(self, account: str) -> int:
        """Let the listen keys of ``account`` ("" = all) die; return how many."""
        return self.venue.keys.expire(account)

    def notice(self, socket: Socket) -> bytes:
        """Return the frame that announces a shutdown."""
        return orjson.dumps(shutdown_notice(self.venue.now_ms()))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        first, *rest = request.path.strip("/").split("/")
        wrapped = "stream" in (first, *rest[:1])
        role = _KINDS.get(first, "public")
        kind = first if first in _KINDS else "public"

        def opened(socket: Socket) -> StreamSession:
            session = StreamSession(self.venue, socket, kind, wrapped=wrapped)
            session.open(request)
            return session

        return await websocket.serve(request, self.venue.floor, role, opened)
