"""What is told of a modify that the venue refused: a refused copy says nothing of one before it."""

import asyncio
from decimal import Decimal

from router.enums import Exists, RequestKind
from router.evidence import OrderReport
from router.outcomes import Verdict
from router.settings import OrderSettings
from tests.workers.ladder_world import AMOUNT, Says, World, create_in_doubt
from tests.workers.samples import SYMBOL, record, report
from tests.workers.virtual_time import VirtualLoop
from workers.flights import Flight
from workers.venue import Answer, Command, Modify, Proof, RestReply
from workers.wiring import end_tasks

WAS, ASKED = Decimal("90000"), Decimal("91000")
NOTHING_TO_CHANGE = Verdict(Proof.REJECTED, "-5027", "-5027 No need to modify the order.")
VALID_MS = 9_000


def modify(world: World) -> Flight:
    """Return a modify that left by the trading socket just now."""
    one = record(exists=Exists.TRUE, created_ms=world.flight.record.created_ms)
    instrument = world.wiring.instruments.symbol(SYMBOL)
    assert instrument is not None
    now_ms = world.wiring.clock.monotonic_ms()
    return Flight(
        RequestKind.MODIFY,
        one,
        "1-0",
        by_rest=False,
        ws_fallback=True,
        valid_until_ms=now_ms + VALID_MS,
        command=Modify(instrument, one.client_id, one.venue_id, ASKED, None, 0),
        sends=1,
        sent_ms=now_ms,
        first_sent_ms=now_ms,
        transport="ws",
    )


def refused(*, copies: int, price: Decimal) -> World:
    """Return the world after the last copy of a modify was refused.

    ``copies``: how many left; of one before the last no answer came.
    ``price``: that of the order at the venue since the last copy left.
    """

    async def live() -> World:
        world = create_in_doubt(
            OrderSettings(),
            dict.fromkeys(("by_id", "open", "history", "fills"), Says.LIVE),
            late_ms=0,
            fallback=True,
            valid_ms=VALID_MS,
        )
        world.wiring.failure = asyncio.get_running_loop().create_future()
        world.desk.ask_truth = world.doubts.ask_truth
        venue, flight = world.venue, modify(world)
        world.flight = flight

        def shown(reply: RestReply, instruments: object) -> OrderReport:
            # At the first look the venue still works on the first copy.
            last_has_left = len(venue.creates) == copies - 1
            return report(
                price=price if last_has_left else WAS,
                amount=AMOUNT,
                created_ms=venue.born_ms,
                ts_ms=venue.born_ms + len(venue.creates),
            )

        def no(reply: RestReply, command: Command) -> Answer:
            return Answer("", NOTHING_TO_CHANGE, "c-o1")

        venue.read_order, venue.read_command = shown, no  # type: ignore[method-assign]
        world.desk._changes.taken(flight)
        world.desk.flights += 1
        leaving = asyncio.create_task(world.desk.departures.run())
        if copies == 1:
            world.desk._conclude(flight, Answer("", NOTHING_TO_CHANGE, "c-o1"))
        else:
            world.desk.begin_doubt(flight, "the socket was lost after the write")
        await asyncio.sleep(30)
        await end_tasks([leaving, *world.wiring.tasks])
        assert not world.wiring.failure.done()
        assert flight.done
        assert flight.sends == copies
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


def test_a_second_copy_refused_because_the_first_was_done_is_not_told_as_rejected() -> None:
    world = refused(copies=2, price=ASKED)
    assert world.flight.record.price == ASKED
    assert world.notes.results == [("ACK_TIMEOUT_CONFIRMED", "true")]


def test_a_second_copy_refused_of_an_order_with_its_old_terms_is_told_as_rejected() -> None:
    world = refused(copies=2, price=WAS)
    assert world.flight.record.price == WAS
    assert world.notes.results == [("ACK_REJECTED", "true")]


def test_the_refusal_of_the_only_copy_stands() -> None:
    world = refused(copies=1, price=ASKED)
    assert world.notes.results == [("ACK_REJECTED", "true")]
