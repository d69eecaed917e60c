"""Best bid and ask of the symbols that strategies want, one stream entry each (latest only)."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

import redis.asyncio
import redis.exceptions

from router.contracts import plain
from router.evidence import BookTop
from router.instruments import Instrument
from router.keyspace import VenueKeys
from workers.connection import Connection
from workers.outbox import NO_ANSWER, answer_in_time
from workers.pacing import Spread
from workers.wiring import Wiring

log = logging.getLogger(__name__)

WANTED_FOR_MS = 60_000
_LOOK_EVERY_S = 0.2


class Books:
    """What one public socket is subscribed to."""

    def __init__(self, name: str, socket: Connection, wiring: Wiring) -> None:
        self._name = name
        self._socket = socket
        self._on = wiring
        self._session = 0
        self._budget: Spread | None = None
        self.subscribed: set[str] = set()

    def __repr__(self) -> str:
        return f"Books({self._name}, {sorted(self.subscribed)})"

    async def align(self, wanted: Iterable[Instrument]) -> None:
        """Make the subscriptions equal to those wanted, as far as they come by this socket."""
        venue = self._on.venue
        here = {one.symbol: one for one in wanted if venue.book_socket(one) == self._name}
        if fresh := here.keys() - self.subscribed:
            frames = venue.subscribe_books([here[symbol] for symbol in sorted(fresh)])
            if not self._may_send(frames):
                return  # whatever is wanted by then goes together
            await self._socket.send_now(frames)
            self.subscribed |= fresh
        if stale := self.subscribed - here.keys():
            listed = map(self._on.instruments.symbol, sorted(stale))
            frames = venue.unsubscribe_books([one for one in listed if one is not None])
            if self._may_send(frames):
                await self._socket.send_now(frames)
                self.subscribed -= stale

    @property
    def ready(self) -> bool:
        """Whether subscriptions may be changed now; a new session begins with none."""
        if self._socket.ready and self._socket.session_number != self._session:
            self._session = self._socket.session_number
            self.subscribed.clear()
            limit = self._on.venue.limits.subscriptions
            self._budget = Spread(limit) if limit is not None else None
        return self._socket.ready

    def _may_send(self, frames: list[str]) -> bool:
        """Whether the venue's limit has room for a change now; if so, it is counted."""
        if self._budget is None:
            return True
        now_s = self._on.clock.monotonic_s()
        if self._budget.wait_s(now_s) > 0:
            return False
        for _ in frames:
            self._budget.take(now_s)
        return True


class MarketData:
    """The public sockets' subscriptions and what they publish."""

    def __init__(
        self,
        wiring: Wiring,
        client: "redis.asyncio.Redis",
        keys: VenueKeys,
        sockets: Mapping[str, Connection],
    ) -> None:
        self._on = wiring
        self._client = client
        self._keys = keys
        self._books = [Books(name, socket, wiring) for name, socket in sockets.items()]
        self._latest: dict[str, BookTop] = {}
        self._dirty: set[str] = set()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"MarketData({self._books})"

    def reference_price(self, symbol: str) -> Decimal | None:
        """Return the latest price known for a symbol; None without a book."""
        top = self._latest.get(symbol)
        return (top.ask or top.bid) if top is not None else None

    def take(self, top: BookTop) -> None:
        """Take one book top; only the latest of each symbol is published."""
        if not top.ts_ms:
            top = replace(top, ts_ms=self._on.clock.venue_ms())
        self._latest[top.symbol] = top
        self._dirty.add(top.symbol)
        self._changed.set()

    async def follow(self) -> None:
        """Keep the subscriptions equal to what strategies want."""
        while True:
            try:
                await self._align()
            except NO_ANSWER as error:
                log.warning("wanted symbols could not be read: %s", error)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _align(self) -> None:
        ready = [books for books in self._books if books.ready]
        if not ready:
            return
        since_ms = self._on.clock.now_ms() - WANTED_FOR_MS
        names = await answer_in_time(
            self._client.zrangebyscore(self._keys.wanted, since_ms, "+inf")
        )
        found = (self._on.instruments.symbol(str(name)) for name in names)
        wanted = [instrument for instrument in found if instrument is not None]
        for books in ready:
            await books.align(wanted)

    async def publish(self) -> None:
        """Write changed books until cancelled; while one write is on its way the next gathers."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            dirty, self._dirty = self._dirty, set()
            pipeline = self._client.pipeline(transaction=False)
            for symbol in dirty:
                fields = book_fields(self._latest[symbol])
                pipeline.xadd(self._keys.bookl1(symbol), fields, maxlen=1, approximate=False)  # type: ignore[arg-type]
            try:
                await answer_in_time(pipeline.execute())
            except (*NO_ANSWER, redis.exceptions.OutOfMemoryError) as error:
                log.warning("books were not published: %s", error)
                await asyncio.sleep(0.1)


def book_fields(top: BookTop) -> dict[str, str]:
    """Return a book top as stream fields; an empty side is left out."""
    values = {
        "bid": top.bid,
        "bid_size": top.bid_size,
        "ask": top.ask,
        "ask_size": top.ask_size,
    }
    out = {name: plain(value) for name, value in values.items() if value is not None}
    return {"symbol": top.symbol, "ts_ms": str(top.ts_ms)} | out
