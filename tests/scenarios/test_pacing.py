"""The venue's rate limits are kept on our side: it never throttles us, and nothing is late."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from router.keyspace import VenueKeys
from router.settings import OrderSettings
from simulator.config import LimitsConfig, MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import FAR_PRICE, SYMBOL, Recorder, Stack, running_stack, until
from workers.venue import RateLimit
from workers.venues.okx.venue import Okx

ETH, INVERSE = "ETHUSDT-PERP.OKX", "BTCUSD-PERP.OKX"
AMOUNT = Decimal("0.001")
#: Queues may last; what ends an order here is the rate limit or its own validity.
PATIENT = OrderSettings(ack_timeout_ms=60_000, expiry_ms=30_000, valid_for_ms=60_000)
ACCOUNT_LIMIT, SUBSCRIPTIONS = 100, 10
#: What OKX takes of one instrument in 2 s outside of batches.
ONE_WINDOW = 60


@pytest.fixture(scope="module")
def strict() -> Iterator[RunningSimulator]:
    """A simulator that keeps OKX's limits: 60 requests, 300 orders in batches, per 2 s."""
    limits = LimitsConfig(
        enabled=True,
        account_orders_per_2s=ACCOUNT_LIMIT * 10,
        connections_per_s=1_000,  # each test opens a stack of its own
        max_open_per_symbol=5_000,
    )
    config = SimulatorConfig(market=MarketConfig(tick_ms=0), limits=limits)
    with run_in_thread(config) as one:
        yield one


@contextmanager
def paced(
    redis_url: str,
    simulator: RunningSimulator,
    *,
    pacing: bool = True,
    orders: OrderSettings = PATIENT,
) -> Iterator[tuple[Stack, Recorder]]:
    with running_stack(redis_url, simulator, orders=orders, pacing=pacing) as stack:
        stack.start_worker()
        yield stack, stack.start_strategy()


def throttled(stack: Stack) -> int:
    """Return how often the simulator had to say no, to this account, for too many requests."""
    codes = Counter(row["code"] for row in stack.ledger().requests)
    return codes["50011"] + codes["50061"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def settled(stack: Stack, deadline_s: float = 50.0) -> None:
    def empty() -> bool:
        return bool(stack.redis.xlen(stack.keys.intents("alpha")) == 0)

    until(empty, "every intent has an outcome", deadline_s)


def burst(strategy: Recorder, count: int, *, valid_for_ms: int | None = None) -> list[str]:
    return [strategy.buy(valid_for_ms=valid_for_ms) for _ in range(count)]


def burst_of_batches(strategy: Recorder, count: int) -> list[str]:
    one = BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, AMOUNT, FAR_PRICE)
    oids: list[str] = []
    for first in range(0, count, 50):
        oids += strategy.create_batch_orders([one] * min(50, count - first))
    return oids


# --- per instrument -----------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_a_burst_ten_times_the_limit_is_never_throttled_and_never_late(
    redis_url: str, strict: RunningSimulator
) -> None:
    """What had no room in time provably never left, and is told so."""
    valid_for_ms = 1_500
    hasty = PATIENT.model_copy(update={"valid_for_ms": valid_for_ms})
    with paced(redis_url, strict, orders=hasty) as (stack, strategy):
        oids = burst_of_batches(strategy, 600)
        last_ms = now_ms()
        settled(stack)
        ledger = stack.ledger()
        sent = {row["client_id"] for row in ledger.requests}
        refused = [oid for oid in oids if oid not in sent]
        assert sent, "nothing left at all"
        assert refused, "there was room for all; the test shows nothing"
        assert throttled(stack) == 0
        assert Counter(row["client_id"] for row in ledger.orders) == Counter(sent)
        for oid in refused:
            reason = strategy.wait_for(oid, "failed").reason or ""
            assert reason.startswith(("RATE_LIMITED", "INTENT_EXPIRED"))
            result = strategy.wait_result(oid, Result.REQUEST_NOT_SENT)
            assert (result["exists"], result["reason"]) == ("false", reason)
        # Some seconds for the way on a busy machine; the queue alone would last for many more.
        late_ms = max(row["ts_ms"] for row in ledger.requests) - (last_ms + valid_for_ms)
        assert late_ms < 3_000
        stack.check(strategy)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("send", [burst, burst_of_batches])
def test_a_burst_that_may_wait_leaves_whole_and_is_never_throttled(
    redis_url: str, strict: RunningSimulator, send: Callable[[Recorder, int], list[str]]
) -> None:
    with paced(redis_url, strict) as (stack, strategy):
        oids = send(strategy, 150)
        settled(stack)
        assert throttled(stack) == 0
        assert Counter(row["client_id"] for row in stack.ledger().orders) == Counter(oids)
        assert Counter(row["client_id"] for row in stack.ledger().requests) == Counter(oids)
        stack.check(strategy)


@pytest.mark.timeout(180)
def test_a_burst_of_modifies_is_never_throttled(redis_url: str, strict: RunningSimulator) -> None:
    with paced(redis_url, strict) as (stack, strategy):
        oids = burst(strategy, 40)
        settled(stack)
        for step in range(1, 4):
            for oid in oids:
                strategy.modify_order_ws(SYMBOL, oid, price=FAR_PRICE - 10 * step)
        settled(stack)
        assert throttled(stack) == 0
        assert [one for one in strategy.told if one.name == "result"] == []
        prices = {Decimal(row["price"] or 0) for row in stack.ledger().orders}
        assert prices == {FAR_PRICE - 30}
        stack.check(strategy)


@pytest.mark.timeout(180)
def test_cancels_sent_during_a_burst_do_not_wait_with_it(
    redis_url: str, strict: RunningSimulator
) -> None:
    with paced(redis_url, strict) as (stack, strategy):
        living = burst(strategy, 5)
        settled(stack)
        stack.workers[0].stop()  # however slow the machine, the whole burst stands in line
        waiting = burst_of_batches(strategy, 700)
        for oid in living:
            strategy.cancel_order_ws(SYMBOL, oid)
        stack.start_worker()
        settled(stack)
        rows = stack.ledger().requests
        cancels = [row["n"] for row in rows if "cancel" in row["op"]]
        assert len(cancels) == len(living)
        # All of these were submitted before the cancels.
        overtaken = {row["client_id"] for row in rows if row["n"] > max(cancels)}
        assert len(overtaken & set(waiting)) >= ONE_WINDOW
        assert throttled(stack) == 0
        stack.check(strategy)


# --- per account --------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_the_limit_of_all_instruments_together_is_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OKX counts creates and modifies of a sub-account over all contracts; here a tenth of it."""
    account = RateLimit(ACCOUNT_LIMIT, 2.0, per_symbol=False)
    monkeypatch.setattr(Okx, "limits", replace(Okx.limits, account=(account,)))
    limits = LimitsConfig(
        enabled=True, account_orders_per_2s=ACCOUNT_LIMIT, connections_per_s=1_000
    )
    config = SimulatorConfig(market=MarketConfig(tick_ms=0), limits=limits)
    with run_in_thread(config) as simulator, paced(redis_url, simulator) as (stack, strategy):
        terms = [
            {},
            {"symbol": ETH, "amount": Decimal("0.01"), "price": Decimal("2900")},
            {"symbol": INVERSE, "amount": Decimal("0.01")},
        ]
        oids = [strategy.buy(**terms[number % 3]) for number in range(3 * ACCOUNT_LIMIT)]
        settled(stack)
        assert throttled(stack) == 0
        assert Counter(row["client_id"] for row in stack.ledger().orders) == Counter(oids)
        stack.check(strategy)


# --- what shows that the simulator counts --------------------------------------------------------


@pytest.mark.timeout(180)
def test_without_pacing_the_venue_throttles_and_each_order_is_still_one(
    redis_url: str, strict: RunningSimulator
) -> None:
    with paced(redis_url, strict, pacing=False) as (stack, strategy):
        stack.workers[0].stop()  # all of them wait when it begins again: as fast as it can
        oids = burst_of_batches(strategy, 400)
        stack.start_worker()
        settled(stack)
        assert throttled(stack) > 0
        assert Counter(row["client_id"] for row in stack.ledger().orders) == Counter(oids)
        assert [one for one in strategy.told if one.name == "result"] == []
        stack.check(strategy)


# --- subscriptions ------------------------------------------------------------------------------


def looks(stack: Stack) -> int:
    """Return how often the worker has read which books are wanted."""
    commands = stack.redis.info("commandstats")
    return int(commands.get("cmdstat_zrangebyscore", {}).get("calls", 0))


def await_a_look(stack: Stack) -> None:
    seen = looks(stack)
    until(lambda: looks(stack) > seen, "the worker has looked")


def test_changing_books_keeps_the_limit_of_subscriptions(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = RateLimit(SUBSCRIPTIONS, 3_600.0, per_symbol=False)
    monkeypatch.setattr(Okx, "limits", replace(Okx.limits, subscriptions=limit))
    limits = LimitsConfig(enabled=True, subscribes_per_hour=SUBSCRIPTIONS, connections_per_s=1_000)
    config = SimulatorConfig(market=MarketConfig(tick_ms=0), limits=limits)
    with run_in_thread(config) as simulator, paced(redis_url, simulator) as (stack, strategy):
        wanted = VenueKeys("okx", stack.settings.prefix).wanted
        for change in range(2 * SUBSCRIPTIONS):
            symbol, other = (SYMBOL, ETH) if change % 2 else (ETH, SYMBOL)
            stack.redis.zrem(wanted, other)
            stack.redis.zadd(wanted, {symbol: now_ms()})
            await_a_look(stack)
        assert stack.control.ledger().throttled == 0
        assert stack.redis.hget(stack.keys.status, "public") == "connected"
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        stack.check(strategy)
