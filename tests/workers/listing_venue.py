"""A venue and its REST client in one: it shows orders by id alone, and counts what it is asked."""

import asyncio
from collections import Counter

from router.evidence import OrderReport
from router.instruments import Instrument
from tests.workers.samples import report
from workers.venue import Instruments, Page, RestReply, RestRequest


class ListingVenue:
    """``shown``: the orders that it has; ``asked``: how often each kind of query came, ``times_s``
    when, by the running loop. ``silent``: what its next answer waits for; ``hangs`` is set when one
    does."""

    visibility_lag_ms = 0

    def __init__(self, shown: set[str] | None = None) -> None:
        self.shown = shown or set()
        self.asked: Counter[str] = Counter()
        self.paths: list[str] = []
        self.times_s: list[tuple[float, str]] = []
        self.silent: asyncio.Event | None = None
        self.hangs = asyncio.Event()

    def query_order(
        self, instrument: Instrument, client_id: str, venue_id: str
    ) -> list[RestRequest]:
        return [RestRequest("GET", f"/order?{client_id}")]

    def read_order(self, reply: RestReply, instruments: Instruments) -> OrderReport | None:
        oid = reply.text.partition("?c-")[2]
        return report(oid, venue_id="") if oid in self.shown else None

    def query_open_orders(self, instrument: Instrument | None = None) -> list[RestRequest]:
        return [RestRequest("GET", "/open")]

    def query_history(
        self, instrument: Instrument, since_ms: int, until_ms: int = 0
    ) -> list[RestRequest]:
        return [RestRequest("GET", f"/history?{since_ms}-{until_ms}")]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, until_ms: int = 0
    ) -> list[RestRequest]:
        return [RestRequest("GET", f"/fills?{since_ms}-{until_ms}")]

    def read_page(self, request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
        return Page()

    async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
        kind = request.path.partition("?")[0]
        self.asked[kind] += 1
        self.paths.append(request.path)
        self.times_s.append((asyncio.get_running_loop().time(), kind))
        await asyncio.sleep(0)
        if self.silent is not None:
            silent, self.silent = self.silent, None
            self.hangs.set()
            await silent.wait()
        return RestReply(200, request.path)
