"""What the venue lists is taken for an order only if it is that order."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest

from router.evidence import Fill, OrderReport
from router.outcomes import Rung
from router.state import State
from strategy_sdk.testing import linear_perpetual
from tests.workers.listing_venue import ListingVenue
from tests.workers.samples import SYMBOL, record, report
from workers.clock import Clock
from workers.inquiry import TOGETHER_MS, Asking, Inquiry
from workers.registry import Registry
from workers.venue import (
    Instruments,
    Proof,
    RestReply,
    RestRequest,
    UnexpectedReply,
    Verdict,
)

MADE_MS = 1_790_000_000_000
LISTED = Instruments([linear_perpetual(SYMBOL)])


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


@pytest.mark.parametrize(("made_before_ms", "whose"), [(30_000, Rung.NOT_FOUND), (0, Rung.FOUND)])
def test_trades_of_an_earlier_order_with_the_same_client_id_are_not_this_ones(
    made_before_ms: int, whose: Rung
) -> None:
    """Its id was free again, and the venue may never have had this one."""
    mine = record("o1", venue_id="", created_ms=MADE_MS)
    trade = Fill(
        "t1", Decimal(1), Decimal(9), MADE_MS - made_before_ms, client_id="c-o1", venue_id="a"
    )
    assert inquiry()._from_fills(mine, [trade]).rung is whose


@pytest.mark.parametrize(("made_before_ms", "ours"), [(30_000, False), (0, True)])
def test_pushes_of_an_earlier_order_with_the_same_client_id_are_not_this_ones(
    made_before_ms: int, ours: bool
) -> None:
    mine = record("o1", venue_id="", created_ms=MADE_MS)
    pushed = report("o1", venue_id="a", created_ms=MADE_MS - made_before_ms)
    assert inquiry().is_ours(mine, pushed) is ours
    mine.venue_id = "b"
    assert not inquiry().is_ours(mine, pushed), "the venue's own id decides once it is known"


def test_what_the_venue_says_of_another_known_order_is_not_this_ones() -> None:
    """The first ended at once, and its client id was used again: no clock tells them apart."""
    registry = Registry()
    first = record("o0", client_id="c-o1", state=State.FILLED, created_ms=MADE_MS)
    mine = record("o1", venue_id="", created_ms=MADE_MS + 1_500)
    registry.add(first)
    registry.add(mine)
    nothing: Any = None
    one = Inquiry(nothing, nothing, Clock(), Instruments, registry.of_venue_id)
    trade = Fill("t1", Decimal(1), Decimal(9), MADE_MS, client_id="c-o1", venue_id="v-o0")
    listed = report("o1", venue_id="v-o0", created_ms=MADE_MS)
    assert one._pick(mine, [listed]).rung is Rung.NOT_FOUND
    assert one._from_fills(mine, [trade]).rung is Rung.NOT_FOUND
    assert one.is_ours(first, listed)
    assert one.is_ours(first, trade)
    its_own = report("o1", venue_id="v-o1", created_ms=MADE_MS + 1_505)
    assert one._pick(mine, [listed, its_own]).report is its_own
    assert one.is_ours(mine, report("o1", venue_id="", created_ms=MADE_MS + 1_505))


def test_what_is_known_as_this_ones_is_this_ones() -> None:
    """The order may be in other hands as another copy, which has learned the venue id already."""
    registry, mine = Registry(), record("o1", venue_id="", created_ms=MADE_MS)
    registry.add(record("o1", created_ms=MADE_MS))
    nothing: Any = None
    one = Inquiry(nothing, nothing, Clock(), Instruments, registry.of_venue_id)
    assert one.is_ours(mine, report("o1", created_ms=MADE_MS))


class TwoRequests:
    """A venue and its REST client in one: an order takes two queries, each of which answers."""

    def __init__(self, *answers: OrderReport | UnexpectedReply | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def query_order(self, *terms: object) -> list[RestRequest]:
        return [RestRequest("GET", str(place)) for place in range(len(self.answers))]

    async def ask(self, request: RestRequest) -> RestReply:
        self.asked += 1
        return RestReply(200, request.path)

    def read_order(self, reply: RestReply, instruments: Instruments) -> OrderReport | None:
        answer = self.answers[int(reply.text)]
        if isinstance(answer, UnexpectedReply):
            raise answer
        return answer


def wrong(proof: Proof) -> UnexpectedReply:
    return UnexpectedReply(Verdict(proof, "", "no"))


@pytest.mark.parametrize(
    ("answers", "rung", "asked"),
    [
        ((report(), None), Rung.FOUND, 1),
        ((None, report()), Rung.FOUND, 2),
        ((wrong(Proof.UNKNOWN), report()), Rung.FOUND, 2),
        ((None, None), Rung.NOT_FOUND, 2),
        ((None, wrong(Proof.UNKNOWN)), Rung.NO_ANSWER, 2),
        ((wrong(Proof.UNKNOWN), None), Rung.NO_ANSWER, 2),
        ((wrong(Proof.THROTTLED), report()), Rung.NO_ANSWER, 1),
    ],
)
async def test_an_order_is_not_found_only_if_every_request_says_so(
    answers: tuple[Any, ...], rung: Rung, asked: int
) -> None:
    venue: Any = TwoRequests(*answers)
    findings = await Inquiry(venue, venue, Clock(), lambda: LISTED).by_id(record())
    assert (findings.rung, venue.asked) == (rung, asked)


async def test_many_orders_in_doubt_share_the_lists_of_their_symbol() -> None:
    """After a takeover hundreds may be; each list has pages of its own for as many open orders."""
    venue = ListingVenue()
    one = Inquiry(cast(Any, venue), cast(Any, venue), Clock(), lambda: LISTED)
    records = [record(f"o{n}", venue_id="", created_ms=1_790_000_010_000 + n) for n in range(200)]
    found = await asyncio.gather(*(one.whole(one_of) for one_of in records))
    assert {findings.rung for findings in found} == {Rung.NOT_FOUND}
    assert venue.asked["/order"] == 200
    assert {venue.asked[name] <= 3 for name in ("/open", "/history", "/fills")} == {True}


async def test_orders_asked_together_share_each_list_once() -> None:
    venue = ListingVenue(shown={"o7"})
    one = Inquiry(cast(Any, venue), cast(Any, venue), Clock(), lambda: LISTED)
    records = [record(f"o{n}", venue_id="", created_ms=1_790_000_010_000 + n) for n in range(10)]
    found = await one.together([Asking(one_of, whole=True) for one_of in records])
    assert [n for n, findings in enumerate(found) if findings.rung is Rung.FOUND] == [7]
    assert venue.asked == {"/order": 10, "/open": 1, "/history": 1, "/fills": 1}
    await one.together([Asking(one_of, whole=False) for one_of in records])
    assert venue.asked == {"/order": 20, "/open": 1, "/history": 1, "/fills": 1}


@pytest.mark.parametrize(("age_ms", "ends"), [(3_600_000, True), (30_000, False)])
async def test_lists_end_where_the_order_can_no_more_have_been_made(
    age_ms: int, ends: bool
) -> None:
    """An hour of others' trading is more pages than can be read, and a doubt would never end."""
    venue, clock = ListingVenue(), Clock()
    one = Inquiry(cast(Any, venue), cast(Any, venue), clock, lambda: LISTED)
    made_ms = (clock.redis_ms() - age_ms) // TOGETHER_MS * TOGETHER_MS
    made = record("o1", venue_id="", created_ms=made_ms, expires_ms=made_ms + 10_000)
    assert (await one.whole(made)).rung is Rung.NOT_FOUND
    times = f"{made_ms - 10_000}-{made_ms + 60_000 if ends else 0}"
    assert {f"/history?{times}", f"/fills?{times}"} <= set(venue.paths)
