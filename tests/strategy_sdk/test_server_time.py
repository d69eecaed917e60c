"""The server's time, as a strategy process knows it."""

from decimal import Decimal
from time import monotonic, time_ns

import pytest

from router.enums import OrderSide, OrderType
from strategy_sdk.server_time import ServerTime
from strategy_sdk.strategy import Strategy
from strategy_sdk.testing import StrategyHarness, linear_perpetual

SYMBOL = "BTCUSDT-PERP.OKX"

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


def test_a_create_is_valid_from_the_call_and_a_cancel_from_its_arrival() -> None:
    with StrategyHarness(Strategy(), [linear_perpetual(SYMBOL)]) as harness:
        account, now_s = harness.runner.accounts.all[0], monotonic()
        seconds, _ = harness.client.time()
        # As if each call lay on its way for longer than a cancel is valid.
        harness.runner.gateway._time_of(account).learn((seconds - 15) * 1_000, now_s, now_s)
        terms = (SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), Decimal(89_000))
        oid = harness.strategy.create_order_ws(*terms, valid_for_ms=300)
        harness.strategy.cancel_order_ws(SYMBOL, oid)
        entries = harness.client.xrange(account.keys.intents(harness.runner.strategy_id))
    lived_ms = [int(one["expires_ms"]) - int(one["created_ms"]) for _, one in entries]
    assert len(lived_ms) == 2
    assert lived_ms[0] < 0 < lived_ms[1]


def test_books_stay_wanted_when_this_machines_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StrategyHarness(Strategy(), [linear_perpetual(SYMBOL)]) as harness:
        harness.strategy.subscribe_bookl1(SYMBOL)
        account, real = harness.runner.accounts.all[0], time_ns
        monkeypatch.setattr("time.time_ns", lambda: real() - 120 * 10**9)
        harness.runner._alive.beat()
        wanted = harness.runner.accounts.venue(account.exchange).wanted
        seconds, _ = harness.client.time()
        assert abs(seconds * 1_000 - harness.client.zscore(wanted, SYMBOL)) < 30_000
