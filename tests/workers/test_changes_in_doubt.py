"""A cancel or modify that was written may act, whatever keeps its second copy from leaving (P3)."""

import asyncio
from decimal import Decimal

import pytest

from router.enums import Exists, RequestKind
from router.settings import OrderSettings
from router.state import State
from strategy_sdk.testing import linear_perpetual
from tests.workers.ladder_world import Says, World, create_in_doubt
from tests.workers.samples import SYMBOL, record
from tests.workers.virtual_time import VirtualLoop
from workers.flights import Flight
from workers.venue import Modify
from workers.wiring import end_tasks

LIVE = dict.fromkeys(("by_id", "open", "history", "fills"), Says.LIVE)
VALID_MS = 5_000


def written(world: World, kind: RequestKind) -> Flight:
    """Return a change of an open order, sent three seconds ago."""
    one = record(
        state=State.ACCEPTED, exists=Exists.TRUE, created_ms=world.flight.record.created_ms
    )
    now_ms = world.wiring.clock.monotonic_ms()
    wish = Modify(linear_perpetual(SYMBOL), "c-o1", "v-o1", Decimal(91_000), None, 0)
    return Flight(
        kind,
        one,
        "1-0",
        by_rest=False,
        ws_fallback=True,
        valid_until_ms=now_ms + VALID_MS,
        command=wish if kind is RequestKind.MODIFY else None,
        sends=1,
        sent_ms=now_ms - 3_000,
        first_sent_ms=now_ms - 3_000,
        transport="ws",
    )


@pytest.mark.parametrize(
    ("kind", "halted"),
    [(RequestKind.CANCEL, False), (RequestKind.MODIFY, False), (RequestKind.MODIFY, True)],
    ids=["late-cancel", "late-modify", "halted-modify"],
)
def test_a_change_that_was_written_is_never_told_as_not_sent(
    kind: RequestKind, halted: bool
) -> None:
    async def live() -> World:
        world = create_in_doubt(OrderSettings(), LIVE, late_ms=0, fallback=True, valid_ms=VALID_MS)
        world.wiring.failure = asyncio.get_running_loop().create_future()
        flight = written(world, kind)
        if halted:
            world.desk.halt("stop")
        else:
            flight.valid_until_ms -= 2 * VALID_MS
        running = asyncio.create_task(world.desk.departures.run())
        world.desk.begin_doubt(flight, "the socket was lost after the write")
        await asyncio.sleep(30)
        await end_tasks([running, *world.wiring.tasks])
        assert flight.done
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        world = runner.run(live())
    assert world.venue.creates == [], "no second copy left"
    assert world.notes.results == [("ACK_TIMEOUT", "true")]
    assert world.notes.told == (["CANCEL_FAILED"] if kind is RequestKind.CANCEL else [])
