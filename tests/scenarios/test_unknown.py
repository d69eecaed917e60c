"""An order with an unknown outcome counts as open everywhere, until the venue's word ends that."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from rq import SimpleWorker
from rq.timeouts import TimerDeathPenalty

from commands.survey import account_view
from router import settings as settings_module
from router.enums import OrderStatus
from router.enums import WsOrderResultType as Result
from router.errors import Denied
from router.settings import JobSettings, Settings
from router.state import State
from simulator.server import RunningSimulator
from tests.scenarios.stack import IN_VAIN, SYMBOL, Recorder, Stack, rules, running_stack, until
from workers import jobs

AMOUNT = Decimal("0.001")
ONE_OPEN = rules(max_open_orders_per_strategy=1, **IN_VAIN)

pytestmark = pytest.mark.rules(**IN_VAIN)


@contextmanager
def deaf_venue(stack: Stack, *, arrives: bool) -> Iterator[None]:
    """Let nothing be heard of the next create: no ack, no push, no answer to a query.

    ``arrives``: the venue takes it all the same.
    """
    lost = "lose_ack" if arrives else "swallow_request"
    rest = stack.here | {"transport": "rest"}
    with ExitStack() as faults:
        for fault, params in (
            (lost, {"count": 1, "match": stack.here | {"op": "place"}}),
            ("lose_push", {"match": stack.here}),
            ("rest_5xx", {"match": rest, "status": 503, "processed": False}),
        ):
            faults.enter_context(stack.control.fault(fault, **params))
        yield


def unknown_order(stack: Stack, strategy: Recorder, **terms: Any) -> str:
    """Return an order told as unknown; call it inside ``deaf_venue``."""
    oid = strategy.buy(**terms)
    assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
    until(lambda: stack.redis.hget(stack.keys.order("alpha", oid), "state") == State.UNKNOWN)
    return oid


@pytest.fixture
def one_open(redis_url: str, simulator: RunningSimulator) -> Iterator[Stack]:
    """A stack whose strategies may have one open order, its worker serving."""
    with running_stack(redis_url, simulator, orders=ONE_OPEN) as stack:
        stack.start_worker()
        yield stack


def test_unknown_counts_as_open_in_redis_the_cache_and_the_status(one_open: Stack) -> None:
    stack, strategy = one_open, one_open.start_strategy()
    with deaf_venue(stack, arrives=True):
        oid = unknown_order(stack, strategy, idempotency_key="k")
        # Redis: the open set, and the cap of open orders that admission keeps.
        assert stack.redis.smembers(stack.keys.open("alpha")) == {oid}
        assert stack.redis.zscore(stack.keys.ended("alpha"), oid) is None
        with pytest.raises(Denied, match="OPEN_FULL"):
            strategy.buy()
        with pytest.raises(Denied, match="unknown"):
            strategy.release_idempotency_key("k")
        # The SDK: cache and stored orders.
        assert strategy.cache.get_open_orders(SYMBOL) == {oid}
        assert strategy.cache.get_inflight_orders(SYMBOL) == {oid}
        [stored] = strategy.fetch_open_orders(SYMBOL)
        assert (stored.oid, stored.status, stored.is_opened) == (oid, OrderStatus.PENDING, True)
        assert stored.remaining == stored.amount == AMOUNT
        # The operator: order-router status, doctor.
        [shown] = account_view(stack.redis, stack.keys).strategies
        assert (shown.open, shown.unknown) == (1, 1)
    stack.control.cancel_order(oid, account=stack.account)
    strategy.wait_for(oid, "canceled")
    assert strategy.cache.get_open_orders(SYMBOL) == set()
    stack.check(strategy)


def test_unknown_stays_open_over_restarts_of_strategy_and_worker(stack: Stack) -> None:
    strategy = stack.start_strategy()
    rest = stack.here | {"transport": "rest", "op": ["query-order", "orders-pending", "fills"]}
    with deaf_venue(stack, arrives=True):
        oid = unknown_order(stack, strategy)
        runner = stack.runners.pop()
        runner.stop()
        runner.join()
        stack.workers.pop().stop()
    # The venue answers again, but not about orders.
    with stack.control.fault("rest_5xx", match=rest, status=503, processed=False):
        stack.start_worker()
        again = stack.start_strategy()
        assert again.cache.get_open_orders(SYMBOL) == {oid}
        assert stack.redis.hget(stack.keys.order("alpha", oid), "state") == State.UNKNOWN
        assert again.of(oid) == []
    # The resync, which failed meanwhile, finds it.
    assert again.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)["exists"] == "true"
    again.wait_for(oid, "accepted")
    stack.check(again)


def test_cancel_all_orders_takes_an_unknown_order_with_it(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with deaf_venue(stack, arrives=True):
        oid = unknown_order(stack, strategy)
        assert strategy.cancel_all_orders(SYMBOL) == [oid]
        until(lambda: stack.ledger().orders_of(oid)[0]["state"] == "canceled")
    strategy.wait_for(oid, "canceled")
    stack.check(strategy)


def test_a_cancel_of_an_unknown_order_that_never_arrived_ends_nothing(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with deaf_venue(stack, arrives=False):
        oid = unknown_order(stack, strategy)
        strategy.cancel_all_orders(SYMBOL)
        # The venue refuses the cancel of what it does not know, which is no proof.
        assert "51400" in str(strategy.wait_for(oid, "cancel_failed").reason)
        assert strategy.cache.get_open_orders(SYMBOL) == {oid}
    strategy.wait_for(oid, "failed")
    until(lambda: strategy.results(oid)[-1]["exists"] == "false")
    assert strategy.cache.get_open_orders(SYMBOL) == set()
    stack.check(strategy)


TRUTHS = ["open", "partly_filled", "filled", "canceled", "absent"]


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_owner_delivers_the_late_truth(stack: Stack, truth: str) -> None:
    strategy = stack.start_strategy()
    with deaf_venue(stack, arrives=truth != "absent"):
        oid = unknown_order(stack, strategy, amount=3 * AMOUNT)
        make_true(stack, oid, truth)
    assert_told_late(stack, strategy, oid, truth)


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_durable_resolver_finds_the_late_truth_while_nobody_owns_the_account(
    redis_url: str, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, truth: str
) -> None:
    with running_stack(redis_url, simulator, orders=rules(**IN_VAIN)) as stack:
        stack.settings = stack.settings.model_copy(update={"jobs": QUICK_JOBS})
        monkeypatch.setattr(settings_module, "load", lambda: stack.settings)
        stack.start_worker()
        strategy = stack.start_strategy()
        with deaf_venue(stack, arrives=truth != "absent"):
            oid = unknown_order(stack, strategy, amount=3 * AMOUNT)
            stack.workers.pop().stop()
            with working_jobs(stack):  # the venue does not answer: the pauses grow
                chain = stack.keys.resolving("alpha", oid)
                until(lambda: int(stack.redis.get(chain) or 0) >= 2)
            make_true(stack, oid, truth)
        with working_jobs(stack):
            until(lambda: any(one["kind"] == "evidence" for one in control(stack)))
        assert stack.redis.hget(stack.keys.order("alpha", oid), "state") == State.UNKNOWN
        # The next owner cannot ask: what it knows, it knows from the job.
        asking = stack.here | {"op": ["query-order", "orders-pending"]}
        with stack.control.fault("rest_5xx", match=asking, status=503, processed=False):
            stack.start_worker()
            assert_told_late(stack, strategy, oid, truth)


def test_the_next_owner_goes_on_asking(redis_url: str, simulator: RunningSimulator) -> None:
    """No job runs: it may have died with the owner that told the order as unknown."""
    with running_stack(redis_url, simulator, orders=rules(**IN_VAIN)) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        with deaf_venue(stack, arrives=False):
            oid = unknown_order(stack, strategy)
            stack.workers.pop().stop()
        stack.start_worker()
        assert_told_late(stack, strategy, oid, "absent")


def control(stack: Stack) -> list[dict[str, str]]:
    return [fields for _, fields in stack.redis.xrange(stack.keys.control)]


def assert_told_late(stack: Stack, strategy: Recorder, oid: str, truth: str) -> None:
    late = Result.ACK_TIMEOUT if truth == "absent" else Result.ACK_TIMEOUT_CONFIRMED
    exists = "false" if truth == "absent" else "true"
    expected = [(Result.ACK_TIMEOUT, "unknown"), (late, exists)]
    until(lambda: outcomes(strategy, oid) == expected, lambda: f"told: {outcomes(strategy, oid)}")
    strategy.wait_for(oid, LAST_TOLD[truth])
    assert len(stack.ledger().requests_of(oid)) == 1, "nobody may place it again"
    stack.check(strategy)


LAST_TOLD = {
    "open": "accepted",
    "partly_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "absent": "failed",
}
QUICK_JOBS = JobSettings(resolve_first_s=0.05, resolve_most_s=0.4, sweep_every_s=0.2)


def outcomes(strategy: Recorder, oid: str) -> list[tuple[Result, str]]:
    return [(one["result_type"], one["exists"]) for one in strategy.results(oid)]


def make_true(stack: Stack, oid: str, truth: str) -> None:
    """Let the venue's order become what the test calls ``truth``; nobody is told."""
    if truth == "canceled":
        stack.control.cancel_order(oid, account=stack.account)
    elif truth != "open" and truth != "absent":
        for _ in range(1 if truth == "partly_filled" else 3):
            stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)


@contextmanager
def working_jobs(stack: Stack) -> Iterator[None]:
    """Run the schedule and an rq worker, as ``order-router jobs`` does, while the block lasts."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=jobs.keep_schedule, args=(stack.settings, stop)),
        threading.Thread(target=_work, args=(stack.settings, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


class _ThreadWorker(SimpleWorker):  # type: ignore[misc]
    """An rq worker outside the main thread, where no signal can be waited for."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None: ...


def _work(settings: Settings, stop: threading.Event) -> None:
    with closing(jobs.connect(settings)) as client:
        while not stop.wait(0.02):
            _ThreadWorker([settings.jobs.queue], connection=client).work(
                burst=True, logging_level="WARNING"
            )
