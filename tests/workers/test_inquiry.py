"""What the venue lists is taken for an order only if it is that order."""

import asyncio
from collections import Counter
from typing import Any, cast

from router.instruments import Instrument
from router.outcomes import Rung
from strategy_sdk.testing import linear_perpetual
from tests.workers.samples import SYMBOL, record, report
from workers.clock import Clock
from workers.inquiry import Inquiry
from workers.venue import Instruments, Page, RestReply, RestRequest


def inquiry() -> Inquiry:
    nothing: Any = None
    return Inquiry(nothing, nothing, Clock(), Instruments)


def test_an_order_of_another_symbol_may_have_the_same_venue_id() -> None:
    mine = record("o1", venue_id="7")
    other = report("x", symbol="ETHUSDT-PERP.OKX", venue_id="7")
    assert inquiry()._pick(mine, [other]).rung is Rung.NOT_FOUND
    found = inquiry()._pick(mine, [other, report("o1", venue_id="7")])
    assert found.rung is Rung.FOUND
    assert cast(Any, found.report).client_id == "c-o1"


class ListingVenue:
    """Lists no orders and no trades; ``asked`` has what was asked for."""

    visibility_lag_ms = 0

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> RestRequest:
        return RestRequest("GET", f"/order?{client_id}")

    def read_order(self, reply: RestReply, instruments: Instruments) -> None:
        return None

    def query_open_orders(self, instrument: Instrument | None = None) -> RestRequest:
        return RestRequest("GET", "/open")

    def query_history(self, instrument: Instrument, since_ms: int) -> list[RestRequest]:
        return [RestRequest("GET", f"/history?{since_ms}")]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int
    ) -> list[RestRequest]:
        return [RestRequest("GET", f"/fills?{since_ms}")]

    def read_page(self, request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
        return Page()

    async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
        self.asked[request.path.partition("?")[0]] += 1
        await asyncio.sleep(0)
        return RestReply(200, "")


async def test_many_orders_in_doubt_share_the_lists_of_their_symbol() -> None:
    """After a takeover hundreds may be; each list has pages of its own for as many open orders."""
    venue = ListingVenue()
    listed = Instruments([linear_perpetual(SYMBOL)])
    one = Inquiry(cast(Any, venue), cast(Any, venue), Clock(), lambda: listed)
    records = [record(f"o{n}", venue_id="", created_ms=1_790_000_010_000 + n) for n in range(200)]
    found = await asyncio.gather(*(one.whole(one_of) for one_of in records))
    assert {findings.rung for findings in found} == {Rung.NOT_FOUND}
    assert venue.asked["/order"] == 200
    assert {venue.asked[name] <= 3 for name in ("/open", "/history", "/fills")} == {True}
