"""Many orders asked for in rounds: soon enough, and never more than venues bear."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from router.orders import OrderRecord
from router.outcomes import Rung
from strategy_sdk.testing import linear_perpetual
from tests.workers.listing_venue import ListingVenue
from tests.workers.samples import SYMBOL, record
from tests.workers.virtual_time import VirtualClock, VirtualLoop
from workers.inquiry import Findings, Inquiry
from workers.rounds import Rounds
from workers.venue import Instruments

OTHER = "ETHUSDT-PERP.OKX"
LISTED = Instruments([linear_perpetual(SYMBOL), linear_perpetual(OTHER)])
COSTS = {"/order": 1, "/open": 1, "/history": 5, "/fills": 5}  # Binance's weights


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to its end on a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


class World:
    """Rounds that ask a venue which answers at once."""

    def __init__(self, shown: set[str] | None = None) -> None:
        self.venue = ListingVenue(shown)
        clock = VirtualClock()
        inquiry = Inquiry(cast(Any, self.venue), cast(Any, self.venue), clock, lambda: LISTED)
        self.tasks: list[asyncio.Task[None]] = []
        self.rounds = Rounds(inquiry, clock, self.spawn)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    async def twice(self, one: OrderRecord) -> set[Rung]:
        """Return what two whole ladders say, as a proof of absence needs them."""
        return {(await self.rounds.ask(one, whole=True)).rung for _ in range(2)}

    def most(self, kinds: set[str], seconds: float) -> int:
        """Return the highest cost of the queries of these kinds in so many seconds."""
        asked = [(at_s, COSTS[kind]) for at_s, kind in self.venue.times_s if kind in kinds]
        return max(
            sum(cost for at_s, cost in asked if begin_s <= at_s < begin_s + seconds)
            for begin_s, _ in asked
        )


def orders(count: int, **fields: Any) -> list[OrderRecord]:
    return [
        record(f"o{n}", venue_id="", created_ms=1_790_000_010_000 + 400 * n, **fields)
        for n in range(count)
    ]


def test_one_order_is_asked_for_at_once() -> None:
    async def scenario() -> None:
        world = World({"o0"})
        [one] = orders(1)
        assert (await world.rounds.ask(one, whole=True)).rung is Rung.FOUND
        assert asyncio.get_running_loop().time() == 0
        assert (await world.rounds.ask(record("none", venue_id=""), whole=False)).rung is (
            Rung.NOT_FOUND
        )
        assert asyncio.get_running_loop().time() == 0
        assert world.venue.asked == {"/order": 2}

    run(scenario())


@pytest.mark.parametrize(("count", "within_s"), [(20, 2.0), (150, 25.0), (1_000, 240.0)])
def test_the_absence_of_many_is_proven_soon_and_within_what_venues_bear(
    count: int, within_s: float
) -> None:
    """A hundred unknown orders, each with all lists to itself, had taken minutes."""

    async def scenario() -> None:
        world = World()
        found = await asyncio.gather(*(world.twice(one) for one in orders(count)))
        assert set.union(*found) == {Rung.NOT_FOUND}
        assert asyncio.get_running_loop().time() < within_s
        assert world.venue.asked["/order"] == 2 * count
        assert world.venue.asked["/open"] < count / 2
        assert world.most({"/order"}, 2.0) <= 50 + 2 * 28 + 2 * 10, "two rounds may overdraw"
        assert world.most({"/open"}, 2.0) <= 20
        assert world.most(set(COSTS), 60.0) <= 2_400
        await asyncio.gather(*world.tasks)
        assert repr(world.rounds) == "Rounds(0 waiting, 0 running)"

    run(scenario())


def test_orders_of_many_symbols_share_no_list_and_keep_within_it_too() -> None:
    async def scenario() -> None:
        world = World()
        mixed = [
            one for pair in zip(orders(40), orders(40, symbol=OTHER), strict=True) for one in pair
        ]
        found = await asyncio.gather(*(world.twice(one) for one in mixed))
        assert set.union(*found) == {Rung.NOT_FOUND}
        assert world.most(set(COSTS), 60.0) <= 2_400

    run(scenario())


def test_a_query_that_hangs_keeps_its_own_round_waiting_only() -> None:
    async def scenario() -> None:
        world = World({f"o{n}" for n in range(30)})
        held = world.venue.silent = asyncio.Event()
        first, *others = orders(30)
        hanging = asyncio.create_task(world.rounds.ask(first, whole=True))
        await world.venue.hangs.wait()
        found = await asyncio.gather(*(world.rounds.ask(one, whole=True) for one in others))
        assert {findings.rung for findings in found} == {Rung.FOUND}
        assert not hanging.done()
        held.set()
        assert (await hanging).rung is Rung.FOUND

    run(scenario())


def test_who_has_given_up_is_not_asked_for() -> None:
    async def scenario() -> None:
        world = World()
        asking = [asyncio.create_task(world.rounds.ask(one, whole=False)) for one in orders(200)]
        await asking[0]
        for one in asking:
            one.cancel()
        asked = world.venue.asked["/order"]
        await asyncio.gather(*world.tasks)
        assert world.venue.asked["/order"] <= asked + 20 < 200, "but for two rounds under way"

    run(scenario())


def test_a_defect_is_raised_to_who_asked_and_the_next_round_goes_on() -> None:
    async def scenario() -> None:
        world = World({"o1"})
        first, second = orders(2)
        together = world.rounds._inquiry.together

        async def fail(askings: Any) -> list[Findings]:
            raise LookupError("a defect")

        world.rounds._inquiry.together = fail  # type: ignore[method-assign]
        with pytest.raises(LookupError):
            await world.rounds.ask(first, whole=True)
        world.rounds._inquiry.together = together  # type: ignore[method-assign]
        assert (await world.rounds.ask(second, whole=True)).rung is Rung.FOUND

    run(scenario())
