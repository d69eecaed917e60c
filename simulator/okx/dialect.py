"""The OKX dialect, put together: its routes, and what it does as time goes by."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from simulator.okx.channels import PrivateChannels
from simulator.okx.codes import text
from simulator.okx.dead_man import DeadMan
from simulator.okx.prices import Prices
from simulator.okx.public import PublicChannels
from simulator.okx.requests import Listing
from simulator.okx.rest import RestEndpoint
from simulator.okx.rest_trading import RestTrading
from simulator.okx.trading import Trading
from simulator.okx.venue import Venue
from simulator.okx.websocket import WebSocketEndpoint
from simulator.sockets import Socket
from simulator.world import Floor

# No data for 30 s: OKX v5 documents, WebSocket close codes, read 2026-07.
_NO_DATA = 4004


class OkxDialect:
    """Speaks OKX v5 for one exchange."""

    name = "okx"
    ws_path = "/ws/v5"

    def __init__(self, floor: Floor) -> None:
        self._config = floor.config
        prices = Prices(floor.exchange)
        listing = Listing()
        for book in floor.exchange.books.values():
            listing.add(book.instrument)
        self.venue = Venue(
            floor=floor,
            config=floor.config,
            exchange=floor.exchange,
            faults=floor.faults,
            ledger=floor.ledger,
            sockets=floor.sockets,
            retention=floor.retention,
            listing=listing,
            prices=prices,
            private=PrivateChannels(floor.exchange, floor.faults, prices),
            public=PublicChannels(floor.exchange, floor.faults),
        )
        floor.exchange.events.add_for_accounts(self.venue.private)
        floor.exchange.events.add_for_books(self.venue.public)
        trading = Trading(self.venue)
        self.dead_man = DeadMan(floor.exchange, floor.config.countdown_second_s)
        self._websocket = WebSocketEndpoint(self.venue, trading)
        self._rest = RestEndpoint(self.venue, RestTrading(self.venue, trading), self.dead_man)
        self._pushed_s = 0.0

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        return [
            web.get("/ws/v5/{kind}", self._websocket.serve),
            web.route("*", "/api/v5/{path:.*}", self._rest.serve),
        ]

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        self.venue.private.pushes.loop = self.venue.public.loop = self.dead_man.loop = loop
        self._pushed_s = loop.time()

    def stopped(self) -> None:
        """Leave nothing that would still happen."""
        self.dead_man.stop_all()

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""
        return min(self._config.idle_timeout_s, self._config.periodic_push_s) / 4

    def sweep(self, now_s: float) -> None:
        """Cut idle connections and push what is pushed periodically."""
        for socket in self.venue.sockets:
            if socket.muted or socket.row.venue != self.name:
                continue
            if now_s - socket.last_traffic_s > self._config.idle_timeout_s:
                socket.hang_up(_NO_DATA, "No data received in 30s")
        if now_s - self._pushed_s >= self._config.periodic_push_s:
            self._pushed_s = now_s
            self.venue.private.push_periodic()

    def expire_streams(self, account: str) -> int:
        """Return 0: private channels here live as long as their connection."""
        return 0

    def notice(self, socket: Socket) -> bytes:
        """Return the frame that announces a disconnect for an upgrade."""
        frame = {
            "event": "notice",
            "code": "64008",
            "msg": text("64008"),
            "connId": socket.connection,
        }
        return orjson.dumps(frame)
