"""What was let go by REST does not leave once it may not: halted, late, without the lease (P4)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from router.enums import RequestKind
from router.outcomes import Proof, Verdict
from router.settings import OrderSettings
from router.state import State
from tests.workers.ladder_world import SETTLED_S, Says, World, create_in_doubt
from tests.workers.virtual_time import VirtualLoop
from workers.flights import Flight
from workers.rest import HeldBack
from workers.venue import Answer, RestReply, RestRequest
from workers.wiring import end_tasks

VALID_MS = 5_000
NOTHING = dict.fromkeys(("by_id", "open", "history", "fills"), Says.NOTHING)


def lose_lease(world: World) -> None:
    world.desk.departures.may_send = lambda: False


def expire(world: World) -> None:
    world.flight.valid_until_ms -= 2 * VALID_MS


def halt(world: World) -> None:
    world.desk.halt("stop")


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


@pytest.mark.parametrize("meanwhile", [lose_lease, expire, halt])
def test_what_was_let_go_before_a_pause_is_not_sent_after_it(
    meanwhile: Callable[[World], None],
) -> None:
    world = let_go(meanwhile)
    assert world.venue.creates == []
    told = meanwhile is not lose_lease
    assert world.flight.done is told, "without the lease it is left to the next owner"
    assert world.notes.results == ([("REQUEST_NOT_SENT", "false")] if told else [])


@dataclass
class BusyThreads:
    """REST without a free thread until so much has changed."""

    world: World
    meanwhile: Callable[[World], None]
    left: int = 0

    async def call(self, request: RestRequest, may_leave: Callable[[], bool]) -> RestReply:
        await asyncio.sleep(0.1)
        self.meanwhile(self.world)
        if not may_leave():
            raise HeldBack("asked in the thread")
        self.left += 1
        return RestReply(200, "created")


def late_doubt(world: World) -> None:
    world.desk.begin_doubt(world.flight, "the socket of its first copy was lost")


def late_ack(world: World) -> None:
    answer = Answer("r1", Verdict(Proof.DONE, "0"), "c-o1", "v-o1")
    world.desk._conclude(world.flight, answer)


def waited(meanwhile: Callable[[World], None], *, again: bool = False) -> tuple[World, BusyThreads]:
    """Return the world after a create waited for a thread, and so much had changed by then.

    ``again``: it is the second copy, by REST, of one whose absence was proven.
    """

    async def live() -> tuple[World, BusyThreads]:
        world = create_in_doubt(
            OrderSettings(), NOTHING, late_ms=0, fallback=True, valid_ms=VALID_MS
        )
        world.wiring.failure = asyncio.get_running_loop().create_future()
        threads = BusyThreads(world, meanwhile)
        world.wiring.rest.call = threads.call  # type: ignore[method-assign]
        running = asyncio.create_task(world.desk.departures.run())
        if again:
            world.desk.again_by_rest(world.flight)
        else:
            world.flight = _fresh(world.flight)
            world.desk.take(world.flight)
            world.desk.departures.look_again()
        await asyncio.sleep(SETTLED_S)
        await end_tasks([running, *world.wiring.tasks])
        return world, threads

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


@pytest.mark.parametrize("meanwhile", [expire, halt])
def test_what_waits_for_a_thread_does_not_leave_after_a_halt_or_its_validity(
    meanwhile: Callable[[World], None],
) -> None:
    world, threads = waited(meanwhile)
    assert (threads.left, world.flight.done) == (0, True)
    assert world.notes.results == [("REQUEST_NOT_SENT", "false")]


@pytest.mark.parametrize("meanwhile", [expire, halt])
def test_a_second_copy_that_may_not_leave_leaves_the_first_to_the_ladder(
    meanwhile: Callable[[World], None],
) -> None:
    world, threads = waited(meanwhile, again=True)
    assert (threads.left, world.flight.done) == (0, True)
    assert world.notes.results == [("ACK_TIMEOUT", "false")]


def test_a_halt_lets_cancels_leave() -> None:
    async def asked() -> list[bool]:
        world = create_in_doubt(
            OrderSettings(), NOTHING, late_ms=0, fallback=True, valid_ms=VALID_MS
        )
        halt(world)
        kinds = [replace(_fresh(world.flight), kind=kind) for kind in RequestKind]
        return [world.desk._may_leave(one) is (one.kind is RequestKind.CANCEL) for one in kinds]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert all(runner.run(asked()))


def test_a_second_copy_does_not_leave_once_the_first_was_acknowledged() -> None:
    world, threads = waited(late_ack, again=True)
    assert (threads.left, world.flight.done) == (0, True)
    assert (world.flight.record.state, world.notes.results) == (State.PENDING, [])


def test_a_second_copy_handed_back_in_doubt_is_left_to_its_climb() -> None:
    """Queued as well, it could leave while the climb proves the absence of the copy before it."""
    queued: list[int] = []

    def doubt(world: World) -> None:
        if not queued:
            late_doubt(world)
            asyncio.get_running_loop().call_later(0.01, look, world)

    def look(world: World) -> None:
        queued.append(world.desk.departures.paced + len(threads_at_work(world)))

    world, threads = waited(doubt, again=True)
    assert queued == [0], "neither waiting nor on its way"
    assert threads.left == 1, "its climb has proven the absence anew, and sent it"
    assert world.notes.results == []


def threads_at_work(world: World) -> list[str]:
    return [task.get_name() for task in world.wiring.tasks if task.get_name().startswith("rest ")]
