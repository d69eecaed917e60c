"""The server's time, as a strategy process knows it."""

import pytest

from strategy_sdk.server_time import ServerTime

HOUR_MS = 3_600_000


class Clock:
    """Our monotonic clock, turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("strategy_sdk.server_time.time.monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_nothing_is_known_before_the_first_answer(clock: Clock) -> None:
    assert ServerTime().latest_ms() is None


def test_it_is_never_behind_the_server_and_ahead_by_an_answers_delay_at_most(clock: Clock) -> None:
    time = ServerTime()
    time.learn(HOUR_MS, asked_s=100.0, answered_s=100.2)  # answered anywhere within
    clock.now_s = 101.0
    assert time.latest_ms() == HOUR_MS + 1_000 + 1


def test_the_quickest_answer_counts_as_long_as_the_others_agree(clock: Clock) -> None:
    time = ServerTime()
    time.learn(HOUR_MS, asked_s=100.0, answered_s=100.01)
    time.learn(HOUR_MS + 1_900, asked_s=100.0, answered_s=102.0)
    clock.now_s = 103.0
    assert time.latest_ms() == HOUR_MS + 3_000 + 1


@pytest.mark.parametrize("set_by_ms", [-60_000, 60_000])
def test_a_clock_that_was_set_or_another_servers_is_believed_at_once(
    clock: Clock, set_by_ms: int
) -> None:
    time = ServerTime()
    time.learn(HOUR_MS, asked_s=100.0, answered_s=100.01)
    time.learn(HOUR_MS + 1_000 + set_by_ms, asked_s=101.0, answered_s=101.01)
    clock.now_s = 102.0
    assert time.latest_ms() == HOUR_MS + 2_000 + set_by_ms + 1
