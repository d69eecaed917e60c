"""The Bitget dialect, put together: its routes, and what it does as time goes by."""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web

from simulator import websocket
from simulator.bitget.channels import PrivateChannels
from simulator.bitget.dead_man import DeadMan
from simulator.bitget.listing import Listing
from simulator.bitget.public import PublicChannels
from simulator.bitget.rest import RestEndpoint
from simulator.bitget.rest_trading import RestTrading
from simulator.bitget.session import MAY_PLAY, Session
from simulator.bitget.trading import Trading
from simulator.bitget.venue import Venue
from simulator.sockets import Socket
from simulator.world import Floor

_ROLES = {"public": "public", "private": "trade"}
_GOING_AWAY = 1001
_NO_PING = 1000
_FIVE_MINUTES_MS = 300_000
# Numbers of trades are unique in a whole account: each book counts in a range of its own.
_TRADES_PER_BOOK = 100_000_000_000_000_000


class BitgetDialect:
    """Speaks Bitget v3 for one exchange."""

    name = "bitget"
    ws_path = "/v3/ws"

    def __init__(self, floor: Floor) -> None:
        exchange, own = floor.exchange, floor.config.bitget
        for number, book in enumerate(exchange.books.values(), start=1):
            book.trade_id = number * _TRADES_PER_BOOK + floor.clock.true_ms() * 1000
        listing = Listing(exchange)
        self.venue = Venue(
            floor,
            own,
            listing,
            PrivateChannels(exchange, floor.faults, listing),
            PublicChannels(exchange, floor.faults),
        )
        exchange.events.add_for_accounts(self.venue.private)
        exchange.events.add_for_books(self.venue.public)
        self._trading = Trading(self.venue)
        self._dead_man = DeadMan(exchange, floor.config.countdown_second_s)
        rest = RestTrading(self.venue, self._trading)
        self._rest = RestEndpoint(self.venue, rest, self._dead_man)

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        return [
            web.get("/v3/ws/{kind}", self._websocket),
            web.route("*", "/api/{path:.*}", self._rest.serve),
        ]

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""
        self.venue.private.pushes.loop = self.venue.public.loop = self._dead_man.loop = loop

    def stopped(self) -> None:
        """Leave nothing that would still happen."""
        self._dead_man.stop_all()

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""
        return min(self.venue.own.ping_s, self.venue.own.life_s) / 4

    def sweep(self, now_s: float) -> None:
        """Cut the connections that have not pinged for too long or are too old."""
        own = self.venue.own
        for socket in self.venue.floor.sockets:
            if socket.muted or socket.row.venue != self.name:
                continue
            if now_s - socket.opened_s > own.life_s:
                socket.hang_up(_GOING_AWAY)
            elif now_s - socket.pinged_s > own.ping_s:
                socket.hang_up(_NO_PING)

    def expire_streams(self, account: str) -> int:
        """Return 0: private channels here live as long as their connection."""
        return 0

    def notice(self, socket: Socket) -> bytes:
        """Return a frame that says nothing: the venue cuts connections without a notice."""
        return b"pong"

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        if kind not in _ROLES:
            return web.Response(status=404, text="not found")
        if self._too_many(request.remote or ""):
            return web.Response(status=429, text="Too Many Requests")
        role = _ROLES[kind]
        private = role == "trade"
        opened = partial(self._open, private=private)
        may_play = MAY_PLAY if private else role
        return await websocket.serve(request, self.venue.floor, role, opened, may_play=may_play)

    def _too_many(self, address: str) -> bool:
        """Return whether one more connection is one too many; all come from one address here."""
        venue, own = self.venue, self.venue.own
        if venue.throttles(("connect", address), own.connects_per_5min, _FIVE_MINUTES_MS):
            return True
        open_now = len(venue.floor.sockets.matching(venue=self.name))
        return venue.floor.config.limits.enabled and open_now >= own.connections

    def _open(self, socket: Socket, *, private: bool) -> Session:
        return Session(self.venue, self._trading, socket, private=private)
