"""Connects keep the venue's limit, on a clock that the test turns."""

import asyncio

from workers.connects import Connects
from workers.pacing import PERIOD_SHARE
from workers.venue import RateLimit

LIMIT = RateLimit(3, 1.0, per_symbol=False)


class Turned:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s


async def test_d10_no_second_ever_sees_more_connects_than_the_venue_allows() -> None:
    clock = Turned()
    connects = Connects(LIMIT, clock.monotonic_s, clock.sleep)
    begun = []
    for _ in range(20):
        await connects.passed()
        begun.append(clock.now_s)
    assert begun[:3] == [100.0] * 3, "what the venue allows need not wait"
    for first, fourth in zip(begun, begun[LIMIT.count :], strict=False):
        assert fourth - first >= LIMIT.period_s * PERIOD_SHARE - 1e-9
    assert begun[-1] - 100.0 < 7 * LIMIT.period_s, "and none waits longer than that takes"


async def test_sockets_that_wait_are_let_out_in_their_order() -> None:
    clock = Turned()
    connects = Connects(LIMIT, clock.monotonic_s, clock.sleep)
    out: list[int] = []

    async def one(number: int) -> None:
        await connects.passed()
        out.append(number)

    await asyncio.gather(*(one(number) for number in range(9)))
    assert out == list(range(9))


async def test_one_that_is_given_up_while_it_waits_blocks_nobody() -> None:
    moment = asyncio.Event()

    async def never(pause_s: float) -> None:
        await moment.wait()

    clock = Turned()
    connects = Connects(RateLimit(1, 1.0, per_symbol=False), clock.monotonic_s, never)
    await connects.passed()
    waiting = asyncio.create_task(connects.passed())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    clock.now_s += 2
    await connects.passed()
