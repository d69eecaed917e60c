"""The desk never lets two copies of one create out at once."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.enums import Exists, OrderStatus, RequestKind, WsOrderResultType
from router.orders import OrderRecord, Told
from router.outcomes import Proof, Verdict
from router.settings import OrderSettings
from router.state import State
from strategy_sdk.testing import linear_perpetual
from tests.workers.samples import SYMBOL, record
from workers.clock import Clock
from workers.desk import Desk
from workers.flights import Flight
from workers.pacing import Pacer
from workers.registry import Registry
from workers.rest import HeldBack, NotSent
from workers.venue import (
    Answer,
    CannotEncode,
    Command,
    Instruments,
    RestReply,
    RestRequest,
)
from workers.wiring import Wiring


class NoSocket:
    """A trading socket that is down."""

    ready = False


class NoVenue:
    """A venue that nothing may be sent to."""

    def rest_command(self, command: Command) -> RestRequest:
        raise AssertionError(f"a second copy of {command} would have been sent")


def desk() -> tuple[Desk, list[Flight]]:
    """Return a desk without a venue, and the flights it puts in doubt."""
    wiring = Wiring(
        account="okx-main",
        venue=cast(Any, NoVenue()),
        orders=OrderSettings(),
        clock=Clock(),
        registry=Registry(),
        teller=cast(Any, None),
        inquiry=cast(Any, None),
        rest=cast(Any, None),
        instruments=Instruments([linear_perpetual(SYMBOL)]),
    )
    one = Desk(wiring, cast(Any, NoSocket()), Pacer(cast(Any, None), enabled=False), 1)
    doubted: list[Flight] = []
    one.doubt = lambda flight, why: doubted.append(flight)
    return one, doubted


def create(**changes: Any) -> Flight:
    terms: dict[str, Any] = {"state": State.PENDING, "venue_id": ""} | changes
    return Flight(RequestKind.CREATE, record(**terms), "1-0", False, True, 2**60, sends=1)


def test_a_throttle_reply_to_a_create_in_doubt_queues_no_second_copy() -> None:
    one, doubted = desk()
    flight = create()
    one.begin_doubt(flight, "no answer in time")
    one._conclude(flight, Answer("r1", Verdict(Proof.THROTTLED, "50011", "50011 Too Many")))
    assert doubted == [flight]
    assert not one.departures
    assert flight.sends == 1


async def test_a_create_that_a_push_has_shown_is_not_sent_again() -> None:
    one, doubted = desk()
    flight = create(state=State.ACCEPTED)
    one.again_by_rest(flight)
    assert doubted == [flight]
    assert not one._on.tasks, "nothing is on its way by REST"
    assert not one.departures
    assert flight.sends == 1


async def test_a_create_that_a_push_shows_before_rest_began_is_not_sent_again() -> None:
    one, doubted = desk()
    flight = create()
    one.again_by_rest(flight)
    await one.departures.leave()
    [begun] = one._on.tasks
    flight.record.state = State.ACCEPTED
    await begun
    assert doubted == [flight]
    assert flight.sends == 1


async def test_a_worker_that_lost_the_lease_on_the_way_to_rest_sends_nothing() -> None:
    # Found by the simulation (seed 20239): paused between the queue and the call, a worker woke
    # under the next epoch and sent the create with a fresh expiry.
    one, doubted = desk()
    flight = create(sent_ms=0)
    flight.sends, flight.by_rest = 0, True
    one.take(flight)
    await one.departures.leave()
    [begun] = one._on.tasks
    one.departures.may_send = lambda: False
    await begun
    assert one.departures.paced == 1, "it waits for the lease, or for the next owner"
    assert (flight.sends, doubted) == (0, [])


class Silent:
    """A teller that keeps nothing, a venue and REST that cannot be reached."""

    def order(self, record: OrderRecord, told: list[Told]) -> None:
        assert [one.status for one in told] == [OrderStatus.FAILED]

    def request(self, *told: object) -> None:
        assert WsOrderResultType.REQUEST_NOT_SENT in told

    def settle(self, strategy: str, entry_id: str) -> None:
        assert entry_id == "1-0"

    def cut(self) -> None:
        pass

    def rest_command(self, command: Command) -> RestRequest:
        return RestRequest("POST", "/")

    async def call(self, request: RestRequest, may_leave: Callable[[], bool]) -> RestReply:
        raise NotSent("refused") if may_leave() else HeldBack("the lease is over")


async def test_what_provably_never_left_is_counted_as_carried_by_nothing() -> None:
    one, doubted = desk()
    silent = cast(Any, Silent())
    one._on.teller = one._on.venue = one._on.rest = silent
    one.command = lambda flight: cast(Command, None)  # type: ignore[method-assign]
    flight = create(sent_ms=0)
    flight.sends, flight.by_rest = 0, True
    one.take(flight)
    await one.departures.leave()
    assert one.flights == 1
    [sending] = one._on.tasks
    await sending
    assert (one.flights, doubted) == (0, [])
    assert one._on.metrics.counters["requests"].numbers == {
        ("create", "none", "REQUEST_NOT_SENT", "WS_REQUEST_NOT_SENT"): 1
    }
    assert one._on.metrics.sends.numbers == {}


@pytest.mark.parametrize("kind", [RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY])
async def test_what_waited_for_a_thread_until_the_lease_was_over_waits_for_it_to_come_back(
    kind: RequestKind,
) -> None:
    one, doubted = desk()
    silent = cast(Any, Silent())
    one._on.teller = one._on.venue = one._on.rest = silent
    one.command = lambda flight: cast(Command, None)  # type: ignore[method-assign]
    flight = Flight(kind, record(), "1-0", by_rest=True, ws_fallback=True, valid_until_ms=2**60)
    if kind is RequestKind.CREATE:
        flight = create(sent_ms=0)
        flight.sends, flight.by_rest = 0, True
    one.take(flight)
    await one.departures.leave()
    [sending] = one._on.tasks
    one.departures.may_send = lambda: False
    await sending
    assert (one.flights, flight.sends, flight.transport, doubted) == (1, 0, "", [])
    assert not flight.done, "whoever owns the account next asks the venue first"
    assert await one.departures.leave() is not None, "and it still waits to leave"
    assert one._on.metrics.sends.numbers == {}


@pytest.mark.parametrize("rest_can", [True, False])
@pytest.mark.parametrize("ws_fallback", [True, False])
def test_what_the_socket_cannot_say_goes_by_rest_where_rest_can_and_may(
    monkeypatch: pytest.MonkeyPatch, rest_can: bool, ws_fallback: bool
) -> None:
    one, _ = desk()
    ways: list[tuple[str, str]] = []
    monkeypatch.setattr(one, "by_rest", lambda flight: ways.append(("rest", "")))
    monkeypatch.setattr(one, "not_sent", lambda flight, why: ways.append(("not sent", why)))
    flight = Flight(RequestKind.CREATE, record(), "1-0", False, ws_fallback, 2**60)
    one.cannot_encode(flight, CannotEncode("code", "none yet", rest_can=rest_can))
    refused = ("not sent", "INVALID_CODE: code: none yet")
    assert ways == [("rest", "") if rest_can and ws_fallback else refused]


def test_a_cancel_that_the_venue_took_proves_the_unknown_order() -> None:
    one, _ = desk()
    told: list[tuple[Any, ...]] = []
    one._on.teller = cast(
        Any,
        SimpleNamespace(
            order=lambda record, events: told.extend((event.status,) for event in events),
            request=lambda record, kind, result, reason, exists: told.append((result, exists)),
            settle=lambda strategy, entry_id: None,
            cut=lambda: None,
        ),
    )
    unknown = record(state=State.UNKNOWN, venue_id="")
    cancel = Flight(RequestKind.CANCEL, unknown, "2-0", False, True, 2**60, sends=1)
    one._conclude(cancel, Answer("r1", Verdict(Proof.DONE, "0")))
    assert told == [
        (OrderStatus.CANCELING,),
        (WsOrderResultType.ACK_TIMEOUT_CONFIRMED, Exists.TRUE),
    ]
    assert unknown.state is State.CANCELING
