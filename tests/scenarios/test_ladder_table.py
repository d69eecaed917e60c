"""The ladder as a table: every combination of answers, before and after the request's expiry.

A ladder finds an order if any rung shows it, is without an answer if none shows it and one could
not be asked, and says "not found" only if all rungs did (router/outcomes.py, rules 1 to 4).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from router.enums import OrderSide, OrderType
from router.evidence import Fill, OrderReport, Source, VenueState
from router.instruments import Instrument
from router.orders import OrderRecord
from router.outcomes import MISSES_FOR_PROOF, Climb, Finding, Proof, Rung, Verdict, absent_from
from strategy_sdk.testing import linear_perpetual
from workers.clock import Clock
from workers.inquiry import OLDER_ORDER_MS, Inquiry
from workers.rest import RestClient
from workers.venue import Instruments, Page, RestReply, RestRequest, UnexpectedReply, Venue

SYMBOL = "BTCUSDT-PERP.OKX"
RUNGS = ("by_id", "open", "history", "fills")
FOUND, NOT_FOUND, NO_ANSWER = Rung.FOUND, Rung.NOT_FOUND, Rung.NO_ANSWER
CREATED_MS = 1_700_000_000_000


def record(**changes: Any) -> OrderRecord:
    terms: dict[str, Any] = {
        "strategy": "alpha",
        "oid": "a" * 32,
        "client_id": "c1",
        "symbol": SYMBOL,
        "side": OrderSide.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.003"),
        "price": Decimal("90000"),
        "created_ms": CREATED_MS,
    }
    return OrderRecord(**terms | changes)


def report(client_id: str = "c1", **changes: Any) -> OrderReport:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "client_id": client_id,
        "venue_id": "v1",
        "state": VenueState.OPEN,
        "filled": Decimal(0),
        "source": Source.QUERY,
        "ts_ms": CREATED_MS + 5,
        "created_ms": CREATED_MS + 5,
    }
    return OrderReport(**values | changes)


def fill(trade_id: str, amount: str, client_id: str = "c1") -> Fill:
    return Fill(
        trade_id,
        Decimal(amount),
        Decimal("90000"),
        CREATED_MS + 7,
        client_id=client_id,
        venue_id="v1",
    )


@dataclass
class FakeVenue:
    """Describes queries by their rung and reads what the test put there; other orders around."""

    answers: Mapping[str, Rung]
    orders: list[OrderReport] = field(default_factory=lambda: [report()])
    fills: list[Fill] = field(default_factory=lambda: [fill("t1", "0.001"), fill("t2", "0.001")])
    asked: list[str] = field(default_factory=list)

    async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
        rung = request.path.partition("/")[0]
        self.asked.append(request.path)
        if self.answers[rung] is NO_ANSWER:
            raise UnexpectedReply(Verdict(Proof.UNKNOWN, "502", f"{rung}: Bad Gateway"))
        return RestReply(200, rung)

    def query_order(self, instrument: object, client_id: str, venue_id: str) -> list[RestRequest]:
        return [RestRequest("GET", f"by_id/{client_id}{venue_id}")]

    def query_open_orders(self, instrument: Instrument | None = None) -> list[RestRequest]:
        return [RestRequest("GET", "open/1")]

    def query_history(self, *terms: object) -> list[RestRequest]:
        return [RestRequest("GET", "history/recent"), RestRequest("GET", "history/older")]

    def query_fills(self, *terms: object) -> list[RestRequest]:
        return [RestRequest("GET", "fills/1")]

    def read_order(self, reply: RestReply, instruments: object) -> OrderReport | None:
        return self.orders[0] if self.answers[reply.text] is FOUND else None

    def read_page(self, request: RestRequest, reply: RestReply, instruments: object) -> Page:
        found = self.answers[reply.text] is FOUND
        if reply.text == "fills":
            strangers = fill("t9", "0.5", client_id="stranger")
            strangers = Fill(**fields_of(strangers) | {"venue_id": "v9"})
            return Page(fills=(strangers, *(self.fills if found else ())))
        last = request.path in ("open/2", "history/older")
        following = RestRequest("GET", "open/2") if request.path == "open/1" else None
        others = (report("stranger", venue_id="v9"),)
        return Page(orders=(*others, *(self.orders if found and last else ())), next=following)


def fields_of(value: Fill) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Fill.__slots__}


def inquiry(fake: FakeVenue) -> Inquiry:
    instruments = Instruments([linear_perpetual(SYMBOL)])
    return Inquiry(cast(Venue, fake), cast(RestClient, fake), Clock(), lambda: instruments)


def answers(*of_rungs: Rung) -> dict[str, Rung]:
    return dict(zip(RUNGS, of_rungs, strict=True))


# --- the whole ladder ---------------------------------------------------------------------------

COMBINATIONS = list(itertools.product(Rung, repeat=len(RUNGS)))
#: What a set of answers means; each possible set has its own row.
MEANING: dict[frozenset[Rung], Rung] = {
    frozenset({FOUND}): FOUND,
    frozenset({FOUND, NOT_FOUND}): FOUND,
    frozenset({FOUND, NO_ANSWER}): FOUND,
    frozenset({FOUND, NOT_FOUND, NO_ANSWER}): FOUND,
    frozenset({NOT_FOUND}): NOT_FOUND,
    frozenset({NOT_FOUND, NO_ANSWER}): NO_ANSWER,
    frozenset({NO_ANSWER}): NO_ANSWER,
}


def test_the_table_has_a_row_for_every_set_of_answers() -> None:
    assert len(COMBINATIONS) == 81
    assert {frozenset(one) for one in COMBINATIONS} == set(MEANING)


def names(combination: tuple[Rung, ...]) -> str:
    return "-".join(rung.value.lower() for rung in combination)


@pytest.mark.parametrize("combination", COMBINATIONS, ids=names)
async def test_the_ladder_says_what_its_rungs_said(combination: tuple[Rung, ...]) -> None:
    fake = FakeVenue(answers(*combination))
    findings = await inquiry(fake).whole(record())
    assert findings.rung is MEANING[frozenset(combination)]
    if findings.rung is FOUND:
        assert findings.report is not None
        assert findings.report.client_id == "c1"
    if findings.rung is NO_ANSWER:
        assert "Bad Gateway" in findings.problem
    if findings.rung is NOT_FOUND:
        assert {path.partition("/")[0] for path in fake.asked} == set(RUNGS)
        assert {"open/2", "history/older"} <= set(fake.asked)


# --- the climb: before and after the expiry -----------------------------------------------------

ABSENT_FROM_MS = absent_from(0, expiry_ms=2_000, clock_skew_ms=250, visibility_lag_ms=500)
_BEFORE = (100, 400, ABSENT_FROM_MS - 1)
_AFTER = (ABSENT_FROM_MS, ABSENT_FROM_MS + 300, ABSENT_FROM_MS + 600)

#: How a climb of three equal ladders ends, all begun before or all after absence may be proven.
FINDINGS: dict[tuple[Rung, str], Finding] = {
    (FOUND, "before"): Finding.FOUND,
    (FOUND, "after"): Finding.FOUND,
    (NOT_FOUND, "before"): Finding.UNKNOWN,
    (NOT_FOUND, "after"): Finding.ABSENT,
    (NO_ANSWER, "before"): Finding.UNKNOWN,
    (NO_ANSWER, "after"): Finding.UNKNOWN,
}


def test_absence_counts_from_expiry_skew_and_lag_together() -> None:
    assert ABSENT_FROM_MS == 2_750
    assert set(FINDINGS) == set(itertools.product(Rung, ("before", "after")))


async def climb(fake: FakeVenue, begun_ms: tuple[int, ...]) -> tuple[Finding | None, int]:
    """Return how a climb with ladders begun at these times ends, and how many it took."""
    asking = inquiry(fake)
    one = Climb(absent_from_ms=ABSENT_FROM_MS, unknown_at_ms=begun_ms[-1] + 20)
    for number, begun in enumerate(begun_ms, start=1):
        findings = await asking.whole(record())
        finding = one.observe(findings.rung, begun, begun + 20)
        if finding is not None:
            return finding, number
    return None, len(begun_ms)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_climb_ends_in_what_its_ladders_prove(when: str) -> None:
    begun_ms = _BEFORE if when == "before" else _AFTER
    counts = {Finding.FOUND: 1, Finding.ABSENT: MISSES_FOR_PROOF, Finding.UNKNOWN: len(begun_ms)}
    for combination in COMBINATIONS:
        expected = FINDINGS[MEANING[frozenset(combination)], when]
        ended = await climb(FakeVenue(answers(*combination)), begun_ms)
        assert (names(combination), *ended) == (names(combination), expected, counts[expected])


SEQUENCES: list[tuple[tuple[tuple[Rung, int], ...], Finding | None]] = [
    # A "not found" from before the expiry is no half of a proof.
    (((NOT_FOUND, ABSENT_FROM_MS - 1), (NOT_FOUND, ABSENT_FROM_MS)), None),
    (
        ((NOT_FOUND, 0), (NOT_FOUND, ABSENT_FROM_MS), (NOT_FOUND, ABSENT_FROM_MS + 50)),
        Finding.ABSENT,
    ),
    # A ladder without an answer adds nothing and takes nothing back.
    (
        (
            (NOT_FOUND, ABSENT_FROM_MS),
            (NO_ANSWER, ABSENT_FROM_MS + 50),
            (NOT_FOUND, ABSENT_FROM_MS + 90),
        ),
        Finding.ABSENT,
    ),
    (((NO_ANSWER, ABSENT_FROM_MS), (NO_ANSWER, ABSENT_FROM_MS + 50)), None),
    # One sighting outweighs any number of misses.
    (((NOT_FOUND, ABSENT_FROM_MS), (FOUND, ABSENT_FROM_MS + 50)), Finding.FOUND),
    # The time for an answer runs out.
    (((NOT_FOUND, ABSENT_FROM_MS), (NO_ANSWER, 5_000)), Finding.UNKNOWN),
    # The second miss is proof even at the last moment.
    (((NOT_FOUND, ABSENT_FROM_MS), (NOT_FOUND, 5_000)), Finding.ABSENT),
]


@pytest.mark.parametrize(("ladders", "expected"), SEQUENCES)
def test_ladders_add_up(ladders: tuple[tuple[Rung, int], ...], expected: Finding | None) -> None:
    one = Climb(absent_from_ms=ABSENT_FROM_MS, unknown_at_ms=5_000)
    found = [one.observe(rung, begun, begun + 10) for rung, begun in ladders]
    assert found[-1] is expected
    assert set(found[:-1]) <= {None}


# --- whose order it is --------------------------------------------------------------------------


async def test_an_earlier_order_with_the_same_client_id_is_not_ours() -> None:
    older = report(created_ms=CREATED_MS - OLDER_ORDER_MS - 1)
    fake = FakeVenue(answers(FOUND, FOUND, FOUND, NOT_FOUND), orders=[older])
    assert (await inquiry(fake).whole(record())).rung is NOT_FOUND


async def test_the_venue_id_decides_where_it_is_known() -> None:
    fake = FakeVenue(answers(FOUND, FOUND, FOUND, FOUND))
    assert (await inquiry(fake).whole(record(venue_id="v2"))).rung is NOT_FOUND
    assert (await inquiry(fake).whole(record(venue_id="v1"))).rung is FOUND


async def test_fills_alone_prove_the_order_and_what_it_traded() -> None:
    fake = FakeVenue(answers(NOT_FOUND, NOT_FOUND, NOT_FOUND, FOUND))
    findings = await inquiry(fake).whole(record())
    assert [one.trade_id for one in findings.fills] == ["t1", "t2"]
    assert findings.report is not None
    assert (findings.report.filled, findings.report.venue_id) == (Decimal("0.002"), "v1")


async def test_a_symbol_no_longer_listed_is_no_answer() -> None:
    fake = FakeVenue(answers(*[NOT_FOUND] * 4))
    findings = await inquiry(fake).whole(record(symbol="ETHUSDT-PERP.OKX"))
    assert findings.rung is NO_ANSWER
    assert "ETHUSDT-PERP.OKX" in findings.problem
