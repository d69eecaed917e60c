"""A create in doubt, the ladder's real runner, and a venue whose rungs answer as a case says.

Time is virtual: a climb of seconds takes a millisecond of ours.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, cast

from router.enums import Exists, RequestKind
from router.evidence import Fill, OrderReport, Source, VenueState
from router.instruments import Instrument
from router.orders import OrderRecord, Told
from router.outcomes import Proof, Verdict
from router.settings import OrderSettings
from router.state import State
from strategy_sdk.testing import linear_perpetual
from tests.workers.samples import SYMBOL, record
from tests.workers.virtual_time import VirtualClock
from workers.checks import Checks
from workers.connection import Connection
from workers.desk import Desk
from workers.doubt import Doubts
from workers.flights import Flight
from workers.inquiry import Inquiry
from workers.pacing import Pacer
from workers.registry import Registry
from workers.rest import RestClient
from workers.statements import Statements
from workers.teller import Teller
from workers.venue import (
    Answer,
    Command,
    Instruments,
    Page,
    RestReply,
    RestRequest,
    UnexpectedReply,
    Venue,
)
from workers.wiring import Wiring, end_tasks

AMOUNT = Decimal("0.003")
PART = Decimal("0.001")
SETTLED_S = 120.0
"""By then every expiry has passed and every check has run."""


class Says(StrEnum):
    """What one rung answers each time it is asked."""

    LIVE = "live"
    ENDED = "ended"  # canceled, nothing filled
    FILLED = "filled"
    PARTLY = "partly"  # one trade of several
    DENIED = "denied"  # the venue took the request, then refused the order
    NOTHING = "nothing"  # cleanly: no such order
    ERROR = "error"  # 502
    REFUSED = "refused"  # the query itself: credentials
    THROTTLED = "throttled"
    LATE = "late"  # nothing until LATE_MS after the send, then it shows


LATE_SHOWS = {"by_id": Says.LIVE, "open": Says.LIVE, "history": Says.FILLED, "fills": Says.PARTLY}
_WRONG = {
    Says.ERROR: Verdict(Proof.UNKNOWN, "502", "Bad Gateway"),
    Says.REFUSED: Verdict(Proof.LOCKED_OUT, "50113", "Invalid Sign"),
    Says.THROTTLED: Verdict(Proof.THROTTLED, "50011", "Too Many Requests"),
}
_STATES = {
    Says.LIVE: (VenueState.OPEN, Decimal(0), ""),
    Says.ENDED: (VenueState.CANCELED, Decimal(0), ""),
    Says.FILLED: (VenueState.FILLED, AMOUNT, ""),
    Says.DENIED: (VenueState.REJECTED, Decimal(0), "51008 Insufficient balance"),
}


@dataclass
class LadderVenue:
    """Venue and REST client in one: describes a query by its rung and answers it."""

    answers: Mapping[str, Says]
    late_ms: int
    """When what is late shows, on the clock's monotonic time."""
    clock: VirtualClock
    born_ms: int
    """When the venue took the order, by its own clock."""
    asked: list[str] = field(default_factory=list)
    creates: list[Command] = field(default_factory=list)
    exchange: str = "okx"

    async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
        rung = request.path
        self.asked.append(rung)
        await asyncio.sleep(0.005)
        if self._says(rung) in _WRONG:
            raise UnexpectedReply(_WRONG[self._says(rung)])
        return RestReply(200, rung)

    def _says(self, rung: str) -> Says:
        said = self.answers[rung]
        if said is not Says.LATE:
            return said
        return LATE_SHOWS[rung] if self.clock.monotonic_ms() >= self.late_ms else Says.NOTHING

    def query_order(self, instrument: object, client_id: str, venue_id: str) -> list[RestRequest]:
        return [RestRequest("GET", "by_id")]

    def query_open_orders(self, instrument: Instrument | None = None) -> list[RestRequest]:
        return [RestRequest("GET", "open")]

    def query_history(self, *terms: object) -> list[RestRequest]:
        return [RestRequest("GET", "history")]

    def query_fills(self, *terms: object) -> list[RestRequest]:
        return [RestRequest("GET", "fills")]

    def read_order(self, reply: RestReply, instruments: object) -> OrderReport | None:
        return self._report(Source.QUERY, self._says(reply.text))

    def read_page(self, request: RestRequest, reply: RestReply, instruments: object) -> Page:
        said = self._says(reply.text)
        if reply.text == "fills":
            return Page(fills=self._fills(said))
        shown = self._report(Source.HISTORY, said)
        return Page(orders=() if shown is None else (shown,))

    def _report(self, source: Source, said: Says) -> OrderReport | None:
        if said is Says.NOTHING:
            return None
        state, filled, reason = _STATES[said]
        return OrderReport(
            symbol=SYMBOL,
            client_id="c-o1",
            venue_id="v-o1",
            state=state,
            filled=filled,
            source=source,
            ts_ms=self.born_ms,
            amount=AMOUNT,
            created_ms=self.born_ms,
            reason=reason,
        )

    def _fills(self, said: Says) -> tuple[Fill, ...]:
        amounts = {Says.PARTLY: [PART], Says.FILLED: [PART, AMOUNT - PART]}.get(said, [])
        price = Decimal("90000")
        return tuple(
            Fill(f"t{number}", amount, price, self.born_ms, client_id="c-o1", venue_id="v-o1")
            for number, amount in enumerate(amounts)
        )

    # --- a create, once more and by REST --------------------------------------------------------

    def rest_command(self, command: Command) -> RestRequest:
        self.creates.append(command)
        return RestRequest("POST", "create")

    async def call(self, request: RestRequest, may_leave: Callable[[], bool]) -> RestReply:
        assert may_leave()
        await asyncio.sleep(0.005)
        return RestReply(200, "created")

    def read_command(self, reply: RestReply, command: Command) -> Answer:
        return Answer("", Verdict(Proof.DONE, "0"), "c-o1", "v-o2")


@dataclass
class Notes:
    """The teller, and the desk's way to the resolver: what was told and handed over."""

    results: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    settled: int = 0
    handed: int = 0

    def order(self, one: OrderRecord, told: list[Told]) -> None:
        self.told += [event.status.value for event in told]

    def request(
        self,
        one: OrderRecord,
        request: RequestKind,
        result_type: StrEnum,
        reason: str,
        exists: Exists | None = None,
    ) -> None:
        assert reason
        self.results.append((result_type.value, (exists or one.exists).value))

    def settle(self, strategy: str, entry_id: str) -> None:
        self.settled += 1

    def cut(self) -> None: ...

    def hand_over(self, one: OrderRecord) -> None:
        self.handed += 1


@dataclass(frozen=True)
class Ended:
    """What became of the create."""

    results: tuple[tuple[str, str], ...]
    """(result type, exists) of each request result."""
    state: State
    copies: int
    """Sent again, by REST."""
    handed: bool
    """To the durable resolver."""


@dataclass
class World:
    """One create in doubt."""

    rules: OrderSettings
    venue: LadderVenue
    desk: Desk
    flight: Flight
    checks: Checks
    statements: Statements
    wiring: Wiring
    notes: Notes
    doubts: Doubts

    async def resolve(self, for_s: float = SETTLED_S) -> Ended:
        """Put the create in doubt; return what became of it when nothing moves any more.

        ``for_s``: or only what happened in so many seconds.
        """
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wiring.failure = failure
        running = [
            asyncio.create_task(work) for work in (self.checks.run(), self.desk.departures.run())
        ]
        self.desk.begin_doubt(self.flight, "no answer")
        await asyncio.sleep(for_s)
        await end_tasks([*running, *self.wiring.tasks])
        assert not failure.done(), failure
        assert self.notes.settled == self.flight.done
        assert self.flight.done or for_s < SETTLED_S, "the intent is still pending"
        return Ended(
            tuple(self.notes.results),
            self.flight.record.state,
            len(self.venue.creates),
            bool(self.notes.handed),
        )


def create_in_doubt(
    rules: OrderSettings,
    answers: Mapping[str, Says],
    *,
    late_ms: int,
    fallback: bool,
    valid_ms: int,
) -> World:
    """Return a world in which a create was sent just now and not answered."""
    clock, notes = VirtualClock(), Notes()
    now_ms = clock.monotonic_ms()
    venue = LadderVenue(answers, now_ms + late_ms, clock, clock.now_ms() + 5)
    instruments = Instruments([linear_perpetual(SYMBOL)])
    registry = Registry()
    inquiry = Inquiry(
        cast(Venue, venue),
        cast(RestClient, venue),
        clock,
        lambda: instruments,
        registry.of_venue_id,
    )
    wiring = Wiring(
        account="okx-main",
        venue=cast(Venue, venue),
        orders=rules,
        clock=clock,
        registry=registry,
        teller=cast(Teller, notes),
        inquiry=inquiry,
        rest=cast(RestClient, venue),
        instruments=instruments,
    )
    desk = Desk(
        wiring,
        cast(Connection, SimpleNamespace(ready=False)),
        Pacer(cast(Any, None), enabled=False),
        1,
    )
    statements = Statements(wiring)
    checks = Checks(wiring, statements)
    statements.on_missing_fills = checks.fills_missing
    doubts = Doubts(wiring, desk, checks, statements, notes.hand_over)
    desk.doubt = doubts.begin
    desk.check_later = checks.later
    sent = record(
        state=State.PENDING,
        venue_id="",
        created_ms=clock.now_ms(),
        sent_ms=clock.now_ms(),
    )
    flight = Flight(
        RequestKind.CREATE,
        sent,
        "1-0",
        by_rest=False,
        ws_fallback=fallback,
        valid_until_ms=now_ms + valid_ms,
        sends=1,
        sent_ms=now_ms,
        first_sent_ms=now_ms,
    )
    return World(rules, venue, desk, flight, checks, statements, wiring, notes, doubts)
