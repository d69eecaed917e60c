"""How requests leave: together, in their order, within the limits, and never twice."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import websockets.exceptions as ws_errors

from router.enums import RequestKind, Via
from router.settings import OrderSettings
from tests.venues.okx import sample
from tests.workers.samples import record
from workers.clock import Clock
from workers.connection import Connection, NotReady
from workers.departures import Departures
from workers.flights import Flight, InFlight
from workers.pacing import Pacer
from workers.registry import Registry
from workers.venue import Cancel, CannotEncode, Command, Limits, RateLimit
from workers.wiring import Wiring

CREATE, CANCEL = RequestKind.CREATE, RequestKind.CANCEL


class Trade:
    """A trading socket that keeps what is written; ``breaks`` raises at the next write."""

    def __init__(self) -> None:
        self.ready, self.session_number, self.problem = True, 1, ""
        self.sent: list[dict[str, Any]] = []
        self.breaks: Exception | None = None

    @staticmethod
    def encode(request_id: str, commands: Sequence[Command]) -> str:
        return sample.VENUE.encode(request_id, commands, sample.SAMPLE.credentials, 0)

    async def send(self, text: str) -> int:
        if self.breaks is not None:
            raise self.breaks
        self.sent.append(orjson.loads(text))
        return self.session_number


class Desk:
    """What the desk decides, noted."""

    def __init__(self) -> None:
        self.unsayable: set[str] = set()
        self.refuses: set[str] = set()
        self.story: list[tuple[str, str]] = []

    def refused_here(self, flight: Flight) -> bool:
        return flight.record.oid in self.refuses

    def command(self, flight: Flight) -> Command:
        if flight.record.oid in self.unsayable:
            raise CannotEncode("symbol", "not listed")
        return Cancel(sample.SWAP, flight.record.client_id.replace("-", ""), "")

    def by_rest(self, flight: Flight) -> None:
        self.story.append(("rest", flight.record.oid))

    def without_socket(self, flight: Flight) -> None:
        self.story.append(("no socket", flight.record.oid))

    def cannot_encode(self, flight: Flight, error: CannotEncode) -> None:
        self.story.append(("cannot", flight.record.oid))

    def sent(self, flight: Flight, via: Via) -> None:
        assert via is Via.WS
        flight.sends += 1

    def unsent(self, flight: Flight) -> None:
        flight.sends -= 1

    def begin_doubt(self, flight: Flight, why: str) -> None:
        self.story.append(("doubt", flight.record.oid))


class Hand(Clock):
    """A clock that a test moves on by hand."""

    at_s = 100.0

    def monotonic_s(self) -> float:
        return self.at_s


class Way:
    """Departures with a desk, a socket and limits of a test's own."""

    def __init__(self, single: int = 1_000, batched: int = 1_000, size: int = 20) -> None:
        limits = Limits(
            requests=dict.fromkeys(RequestKind, RateLimit(single, 1_000.0, per_symbol=True)),
            batches=dict.fromkeys(RequestKind, RateLimit(batched, 1_000.0, per_symbol=True)),
            account=(),
            batch_size=size,
            connects=RateLimit(3, 1.0, per_symbol=False),
        )

        venue = cast(Any, SimpleNamespace(limits=limits))
        self.clock = Hand()
        wiring = Wiring(
            account="okx-main",
            venue=venue,
            orders=OrderSettings(),
            clock=self.clock,
            registry=Registry(),
            teller=cast(Any, None),
            inquiry=cast(Any, None),
            rest=cast(Any, None),
        )
        self.metrics = wiring.metrics
        self.desk, self.trade, self.in_flight = Desk(), Trade(), InFlight()
        self.out = Departures(
            wiring,
            self.desk,
            cast(Connection, self.trade),
            Pacer(limits),
            self.in_flight,
            1,
        )

    async def send(self, *flights: Flight) -> float | None:
        for one in flights:
            self.out.add(one)
        return await self.out.leave()

    @property
    def frames(self) -> list[int]:
        return [len(frame["args"]) for frame in self.trade.sent]


def flights(
    count: int, kind: RequestKind = CREATE, strategy: str = "alpha", **changes: Any
) -> Sequence[Flight]:
    return [
        Flight(kind, record(f"{strategy}{n}", strategy), "1-0", False, True, 2**60, **changes)
        for n in range(count)
    ]


async def test_what_waits_together_leaves_together_up_to_the_venues_size() -> None:
    way = Way(size=20)
    assert await way.send(*flights(45)) is None
    assert way.frames == [20, 20, 5]
    assert len(way.in_flight) == 45
    ids = [frame["id"] for frame in way.trade.sent]
    assert len(set(ids)) == 3


async def test_one_alone_is_a_single_request_and_counts_as_one() -> None:
    way = Way(single=1, batched=1_000)
    await way.send(*flights(1))
    assert way.trade.sent[0]["op"] == "cancel-order"
    wait_s = await way.send(*flights(1))
    assert wait_s is not None, "the single requests of the period are used up"
    assert len(way.frames) == 1
    await way.send(*flights(1, strategy="beta"))
    assert way.frames == [1, 2], "two may leave as a batch"


async def test_two_changes_of_one_order_never_share_a_frame() -> None:
    way, mine = Way(), flights(2, RequestKind.MODIFY)
    again = Flight(RequestKind.MODIFY, mine[0].record, "2-0", False, True, 2**60)
    await way.send(*mine, again)
    assert way.frames == [2, 1], "OKX refuses a batch that names one order twice (51512)"


async def test_batches_keep_within_their_own_limit() -> None:
    way = Way(single=1_000, batched=30, size=20)
    assert await way.send(*flights(45)) is not None
    assert sum(way.frames) == 28, "30 less the share kept for what the network squeezes together"
    first = next(way.out._waiting.take(CREATE, record("x").symbol))
    assert (first.record.oid, first.throttled) == ("alpha28", True)


async def test_cancels_leave_before_creates_and_strategies_take_turns() -> None:
    way = Way()
    await way.send(*flights(3), *flights(1, strategy="beta"), *flights(2, CANCEL, "beta"))
    kinds = [frame["args"][0].get("clOrdId") for frame in way.trade.sent]
    assert kinds == ["cbeta0", "calpha0"]
    assert [one["clOrdId"] for one in way.trade.sent[1]["args"][:2]] == ["calpha0", "cbeta0"]


async def test_one_that_cannot_be_said_spoils_none_of_the_others() -> None:
    way = Way()
    way.desk.unsayable = {"alpha1"}
    await way.send(*flights(3))
    assert way.desk.story == [("cannot", "alpha1")]
    assert [one["clOrdId"] for one in way.trade.sent[0]["args"]] == ["calpha0", "calpha2"]


async def test_refused_ones_neither_leave_nor_count() -> None:
    way = Way(batched=30)
    way.desk.refuses = {f"alpha{n}" for n in range(20)}
    assert await way.send(*flights(45)) is None
    assert sum(way.frames) == 25


@pytest.mark.parametrize(
    ("error", "word", "sends"),
    [(NotReady("trade"), "no socket", 0), (None, "sent", 1)],
)
async def test_a_socket_that_is_gone_at_the_write_left_nothing(
    error: Exception | None, word: str, sends: int
) -> None:
    way = Way()
    way.trade.breaks = error
    mine = flights(2)
    await way.send(*mine)
    assert [one.sends for one in mine] == [sends, sends]
    assert [what for what, _ in way.desk.story] == ([word] * 2 if error else [])
    assert len(way.in_flight) == (0 if error else 2)


async def test_a_socket_that_breaks_during_the_write_puts_all_of_the_frame_in_doubt() -> None:
    way = Way()
    way.trade.breaks = ws_errors.ConnectionClosedError(None, None)
    mine = flights(2)
    await way.send(*mine)
    assert way.desk.story == [("doubt", "alpha0"), ("doubt", "alpha1")]
    assert len(way.in_flight) == 0, "no answer can come on a broken session"


async def test_without_the_lease_nothing_leaves_and_nothing_is_lost() -> None:
    way = Way()
    way.out.may_send = lambda: False
    assert await way.send(*flights(3)) is not None
    assert way.frames == []
    way.out.may_send = lambda: True
    await way.out.leave()
    assert way.frames == [3]


async def test_a_lease_that_ends_between_two_frames_lets_no_other_leave() -> None:
    """A worker that is paused while it writes must not go on writing when it wakes (E2)."""
    way = Way(size=20)
    way.out.may_send = lambda: not way.trade.sent
    assert await way.send(*flights(45)) is not None
    assert way.frames == [20]
    assert way.out.paced == 25, "the others wait; nothing is lost"


async def test_without_a_socket_or_by_rest_each_goes_its_own_way() -> None:
    way = Way()
    way.trade.ready = False
    await way.send(*flights(2))
    assert way.desk.story == [("no socket", "alpha0"), ("no socket", "alpha1")]
    way.trade.ready = True
    by_rest = flights(1, strategy="beta")[0]
    by_rest.by_rest = True
    await way.send(*flights(2, strategy="gamma"), by_rest)
    assert way.desk.story[2:] == [("rest", "beta0")]
    assert sum(way.frames) == 2


# --- what is measured -----------------------------------------------------------------------------


async def test_frames_and_their_requests_are_counted_as_they_are_written() -> None:
    way = Way(size=20)
    await way.send(*flights(21), *flights(2, CANCEL, "beta"))
    assert way.metrics.sends.numbers == {("create", "ws"): 21, ("cancel", "ws"): 2}
    frames = way.metrics.frame_commands
    assert (frames.count, frames.total) == (3, 23)


async def test_what_may_have_left_counts_as_sent_and_what_did_not_does_not() -> None:
    way = Way()
    way.trade.breaks = NotReady("trade")
    await way.send(*flights(1))
    assert (way.metrics.sends.numbers, way.metrics.frame_commands.count) == ({}, 0)
    way.trade.breaks = ws_errors.ConnectionClosedError(None, None)
    await way.send(*flights(1, strategy="beta"))
    assert way.metrics.sends.numbers == {("create", "ws"): 1}
    assert way.metrics.frame_commands.count == 1


async def test_only_what_waits_for_the_limits_counts_as_paced_until_it_leaves() -> None:
    way = Way(batched=30, size=20)
    await way.send(*flights(45))
    assert way.metrics.pacing.count == 0, "what left had not waited"
    assert way.out.paced == 17
    way.clock.at_s += 2_000.0
    await way.send(*flights(1, strategy="beta"))
    assert way.out.paced == 0
    assert way.metrics.pacing.count == 17
    assert way.metrics.pacing.total == pytest.approx(17 * 2_000.0)


async def test_what_waits_for_the_lease_counts_as_paced() -> None:
    way = Way()
    way.out.may_send = lambda: False
    await way.send(*flights(3))
    way.clock.at_s += 1.0
    await way.send(*flights(1, strategy="beta"))
    way.clock.at_s += 1.0
    way.out.may_send = lambda: True
    await way.out.leave()
    assert way.metrics.pacing.total == pytest.approx(3 * 2.0 + 1.0)


async def test_what_the_venue_throttled_is_paced_until_its_next_copy_leaves() -> None:
    way, [mine] = Way(batched=30), flights(1)
    await way.send(mine)
    way.out.put_back(mine, 0.0)
    assert way.out.paced == 1
    way.clock.at_s += 2_000.0
    await way.out.leave()
    assert way.metrics.pacing.total == pytest.approx(2_000.0)
    assert mine.paced_s == 0.0
