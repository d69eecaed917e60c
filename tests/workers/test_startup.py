"""The venue's clock: asked for again at once when the venue doubts ours."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.settings import OrderSettings
from tests.workers.fake_venue import until
from workers import startup as startup_module
from workers.clock import Clock
from workers.startup import Startup
from workers.venue import RestReply, RestRequest


class TimeVenue:
    """Its clock is ahead of ours by 3 s."""

    def query_time(self) -> RestRequest:
        return RestRequest("GET", "/time")

    def read_time(self, reply: RestReply) -> int:
        return int(reply.text)


class Stopped(Clock):
    """A clock that stands, so that the difference is exact."""

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return 1_000_000


async def test_a_refusal_for_the_time_is_answered_by_asking_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(startup_module, "_CLOCK_LEAST_S", 0.01)
    clock, asked = Stopped(), []

    class Rest:
        async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
            asked.append(request.path)
            return RestReply(200, str(clock.now_ms() + 3_000))

    nothing: Any = None
    setup: Any = SimpleNamespace(name="main", venue=TimeVenue())
    wiring: Any = SimpleNamespace(rest=Rest(), clock=clock, orders=OrderSettings())
    startup = Startup(setup, wiring, *[cast(Any, nothing)] * 6)
    keeping = asyncio.create_task(startup.keep_venue_time())
    try:
        await asyncio.sleep(0)
        assert asked == [], "every half minute is enough while nobody complains"
        startup.doubt_clock("-1021 outside of the recvWindow")
        startup.doubt_clock("-1021 outside of the recvWindow")
        await until(lambda: asked)
        assert clock.venue_offset_ms == 3_000
        assert len(asked) == 1, "one question for all that were refused together"
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


@pytest.mark.parametrize(("took_ms", "times"), [([500], 1), ([900, 40], 2), ([900] * 5, 3)])
async def test_the_venues_time_is_asked_for_again_where_the_answer_was_slow(
    took_ms: list[int], times: int
) -> None:
    """Known worse than the skew allowed for (250 ms), it would let requests live too long."""
    asked: list[int] = []
    hands = SimpleNamespace(ms=0)

    class Rest:
        async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
            hands.ms += took_ms[len(asked)]
            asked.append(hands.ms)
            return RestReply(200, "1")

    clock = SimpleNamespace(monotonic_ms=lambda: hands.ms, learn_venue=lambda told, took: None)
    setup: Any = SimpleNamespace(name="main", venue=TimeVenue())
    wiring: Any = SimpleNamespace(rest=Rest(), clock=clock, orders=OrderSettings())
    await Startup(setup, wiring, *[cast(Any, None)] * 6)._sync_venue_time()
    assert len(asked) == times
