"""The worker's clocks: what is measured once holds, whatever becomes of the wall clock."""

from types import SimpleNamespace

import pytest

from workers import clock
from workers.clock import Clock


def test_a_wall_clock_that_is_set_moves_neither_venue_nor_redis_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Found by the simulation (seed 11, clock jumps, requests delayed at the venue): a jump of 2 s
    # let requests live longer than their absence took to be proven, and orders were made twice.
    hands = SimpleNamespace(wall_ms=1_700_000_000_000, ticks_ms=5_000)
    monkeypatch.setattr(
        clock,
        "time",
        SimpleNamespace(
            time_ns=lambda: hands.wall_ms * 1_000_000,
            monotonic_ns=lambda: hands.ticks_ms * 1_000_000,
        ),
    )
    one = Clock()
    one.venue_offset_ms, one.redis_offset_ms = 70, -30
    assert one.now_ms() == 1_700_000_000_000
    hands.wall_ms += 2_000  # set by NTP, or by hand
    hands.ticks_ms += 10
    assert one.now_ms() == 1_700_000_000_010
    assert one.venue_ms() == 1_700_000_000_080
    assert one.redis_ms() == 1_699_999_999_980
