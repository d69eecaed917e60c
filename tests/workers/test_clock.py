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


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock at 1 000 000 ms that stands still."""
    one = Clock()
    monkeypatch.setattr(Clock, "now_ms", lambda self: 1_000_000)
    return one


def test_an_answer_tells_a_clock_to_half_of_what_it_took(still: Clock) -> None:
    still.learn_venue(1_000_300, took_ms=200)
    still.learn_redis(999_900, took_ms=0)
    assert (still.venue_offset_ms, still.redis_offset_ms) == (400, -100)


def test_a_slower_answer_changes_nothing_that_it_leaves_possible(still: Clock) -> None:
    still.learn_venue(1_000_300, took_ms=10)
    for told_ms in (1_000_100, 1_000_305):
        still.learn_venue(told_ms, took_ms=400)
        assert still.venue_offset_ms == 305
    still.learn_venue(1_000_306, took_ms=400)  # by then the venue's clock was set
    assert still.venue_offset_ms == 506


def test_in_doubt_any_answer_is_believed(still: Clock) -> None:
    still.learn_venue(1_000_300, took_ms=10)
    still.learn_redis(1_000_300, took_ms=10)
    still.doubt_venue()
    still.doubt_redis()
    still.learn_venue(1_000_100, took_ms=400)
    still.learn_redis(1_000_200, took_ms=200)
    assert (still.venue_offset_ms, still.redis_offset_ms) == (300, 300)


def test_a_quick_answer_grows_old_as_clocks_drift_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # Believed for ever, it would leave a clock that drifts wrong by what a slow answer takes.
    one, now = Clock(), SimpleNamespace(ms=1_000_000)
    monkeypatch.setattr(Clock, "now_ms", lambda self: now.ms)
    one.learn_venue(now.ms + 300, took_ms=10)
    now.ms += 60_000  # by now up to 6 ms worse
    one.learn_venue(now.ms + 270, took_ms=50)
    assert one.venue_offset_ms == 305
    now.ms += 3_600_000
    one.learn_venue(now.ms + 270, took_ms=50)
    assert one.venue_offset_ms == 295
