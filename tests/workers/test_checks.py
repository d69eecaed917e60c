"""Looks at orders whose pushes were lost: a query that fails is no look, and is made again."""

import asyncio

import pytest

from router.evidence import OrderReport, Source, VenueState
from router.settings import OrderSettings
from router.state import State
from tests.workers.ladder_world import Says, World, create_in_doubt
from tests.workers.virtual_time import VirtualLoop
from workers.wiring import end_tasks

#: Longer than all tries took that were ever counted; a venue may ask for a minute of quiet.
DEAF_S = 50.0
SETTLED_S = 20.0


def told_after(answers: dict[str, Says], truth: dict[str, Says]) -> World:
    """Return the world in which a check's queries were answered so, and after a while truly."""

    async def live() -> World:
        rules = OrderSettings(terminal_check_ms=200)
        world = create_in_doubt(rules, answers, late_ms=0, fallback=False, valid_ms=0)
        world.wiring.failure = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(world.checks.run())
        world.checks.later(world.flight.record)
        await asyncio.sleep(DEAF_S)
        answers.update(truth)
        await asyncio.sleep(SETTLED_S)
        await end_tasks([running, *world.wiring.tasks])
        assert not world.wiring.failure.done()
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


def test_its_terms_are_taken_before_the_trades_that_are_counted_against_them() -> None:
    """Somebody enlarged the order by hand; then the amount that it had had was traded."""

    async def live() -> World:
        rules = OrderSettings()
        world = create_in_doubt(
            rules, {"fills": Says.FILLED}, late_ms=0, fallback=False, valid_ms=0
        )
        record = world.flight.record
        record.state, record.venue_id, was = State.ACCEPTED, "v-o1", record.amount
        report = OrderReport(
            record.symbol, record.client_id, "v-o1", VenueState.OPEN, was, Source.QUERY, 5_000,
            amount=3 * was,
        )  # fmt: skip
        await world.checks.take(record, report)
        assert (record.filled, record.amount, record.state) == (was, 3 * was, State.ACCEPTED)
        await end_tasks(list(world.wiring.tasks))
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        world = runner.run(live())
    assert world.venue.asked == ["fills"]
    assert "FILLED" not in world.notes.told


FILLED = {"by_id": Says.FILLED, "fills": Says.FILLED}


@pytest.mark.parametrize("silence", [Says.ERROR, Says.THROTTLED])
@pytest.mark.parametrize("rungs", [("by_id",), ("fills",), ("by_id", "fills")])
def test_a_venue_that_does_not_answer_is_asked_until_it_does(
    silence: Says, rungs: tuple[str, ...]
) -> None:
    world = told_after(FILLED | dict.fromkeys(rungs, silence), FILLED)
    record = world.flight.record
    assert record.state is State.FILLED
    assert list(record.trades) == ["t0", "t1"], "each trade, and none made up"
    assert len(world.venue.asked) < 60, "not in haste"


def test_a_venue_that_answers_is_asked_three_times() -> None:
    world = told_after({"by_id": Says.LIVE}, {})
    assert world.venue.asked == ["by_id"] * 3
    assert not world.flight.record.ended
