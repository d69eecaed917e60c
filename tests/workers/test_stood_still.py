"""A worker that stood still sends nothing by REST that it had let go before (E2, P4)."""

import asyncio
from collections.abc import Callable

import pytest

from router.enums import RequestKind
from router.settings import OrderSettings
from tests.workers.ladder_world import Says, World, create_in_doubt
from tests.workers.virtual_time import VirtualLoop
from workers.flights import Flight
from workers.wiring import end_tasks

VALID_MS = 5_000
NOTHING = dict.fromkeys(("by_id", "open", "history", "fills"), Says.NOTHING)


def lose_lease(world: World) -> None:
    world.desk.departures.may_send = lambda: False


def expire(world: World) -> None:
    world.flight.valid_until_ms -= 2 * VALID_MS


def let_go(meanwhile: Callable[[World], None]) -> World:
    """Return the world after a create was let go by REST, and so much had changed by then."""

    async def live() -> World:
        world = create_in_doubt(
            OrderSettings(), NOTHING, late_ms=0, fallback=True, valid_ms=VALID_MS
        )
        world.wiring.failure = asyncio.get_running_loop().create_future()
        world.flight = _fresh(world.flight)
        world.desk.take(world.flight)
        await world.desk.departures.leave()  # spawned, and not begun
        meanwhile(world)
        await asyncio.sleep(0.5)
        await end_tasks([*world.wiring.tasks])
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


def _fresh(flight: Flight) -> Flight:
    """Return the same create, of which nothing was sent yet."""
    return Flight(
        RequestKind.CREATE,
        flight.record,
        flight.entry_id,
        by_rest=True,
        ws_fallback=True,
        valid_until_ms=flight.valid_until_ms,
    )


def test_what_was_let_go_is_sent() -> None:
    assert len(let_go(lambda world: None).venue.creates) == 1


@pytest.mark.parametrize("meanwhile", [lose_lease, expire])
def test_what_was_let_go_before_a_pause_is_not_sent_after_it(
    meanwhile: Callable[[World], None],
) -> None:
    world = let_go(meanwhile)
    assert world.venue.creates == []
    expired = meanwhile is expire
    assert world.flight.done is expired, "without the lease it is left to the next owner"
    assert world.notes.results == ([("REQUEST_NOT_SENT", "false")] if expired else [])
