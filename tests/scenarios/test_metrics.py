"""The numbers that are scraped and shown by ``status`` are those of the venue's ledger."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from commands.status import account_json
from commands.survey import account_view
from demo.redis_server import free_port
from router import functions
from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from router.errors import ConfigError
from router.settings import MetricsSettings, OrderSettings
from simulator.server import RunningSimulator
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import (
    FAST,
    IN_VAIN,
    Recorder,
    Stack,
    WorkerThread,
    rules,
    running_stack,
    until,
)
from tests.workers.killable import epoch_of
from workers.process import serve

Labels = frozenset[tuple[str, str]]


class Scraped:
    """One scrape's samples: name and labels → value."""

    def __init__(self, url: str, account: str) -> None:
        session = requests.Session()
        session.trust_env = False
        with session, session.get(url, timeout=10) as reply:
            reply.raise_for_status()
            text = reply.text
        self._values: dict[tuple[str, Labels], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = dict(sample.labels)
                if labels.pop("account", account) != account:
                    continue
                assert labels.pop("venue", "okx") == "okx"
                self._values[sample.name, frozenset(labels.items())] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        """Return one sample's value; 0.0 if it was not served."""
        return self._values.get((f"order_router_{name}", frozenset(labels.items())), 0.0)

    def has(self, name: str, **labels: str) -> bool:
        return (f"order_router_{name}", frozenset(labels.items())) in self._values

    def outcomes(self) -> Counter[tuple[str, str, str, str]]:
        """Return how many requests ended how: (request, transport, outcome, reason) → count."""
        found: Counter[tuple[str, str, str, str]] = Counter()
        for (name, labels), value in self._values.items():
            if name == "order_router_requests_total":
                at = dict(labels)
                key = at["request"], at["transport"], at["outcome"], at["reason"]
                found[key] = int(value)
        return found

    def stage(self, name: str) -> int:
        """Return how often a stage was measured."""
        return int(self("stage_seconds_count", stage=name))


#: Counts are exact, so no answer may be late and no proof cut short, however busy the machine.
PATIENT = FAST.model_copy(update={"ack_timeout_ms": 4_000, "ladder_budget_ms": 20_000})


@pytest.fixture
def stack(redis_url: str, simulator: RunningSimulator) -> Iterator[Stack]:
    """A stack whose worker serves its metrics."""
    with measured(redis_url, simulator, PATIENT) as one:
        yield one


@contextmanager
def measured(redis_url: str, simulator: RunningSimulator, orders: OrderSettings) -> Iterator[Stack]:
    with running_stack(redis_url, simulator, orders=orders) as one:
        metrics = MetricsSettings(port=free_port(), publish_every_s=0.1)
        one.settings = one.settings.model_copy(update={"metrics": metrics})
        one.start_worker()
        yield one


def scrape(stack: Stack) -> Scraped:
    port = stack.settings.metrics.port
    return Scraped(f"http://127.0.0.1:{port}/metrics", stack.account)


def settled(stack: Stack) -> Scraped:
    """Return a scrape once every request has its outcome."""
    until(lambda: scrape(stack)("flights") == 0, "every request has its outcome")
    return scrape(stack)


def serves(url: str) -> bool:
    try:
        Scraped(url, "")
    except requests.ConnectionError:
        return False
    return True


def shown(stack: Stack) -> dict[str, Any]:
    """Return the account as ``status --json`` shows it."""
    return account_json(account_view(stack.redis, stack.keys))


def sent(stack: Stack, op: str, transport: str) -> int:
    """Return how many such requests the venue received."""
    rows = stack.ledger().requests  # one for each order, in a batch too
    return sum(row["op"] in (op, f"batch-{op}s") and row["transport"] == transport for row in rows)


def trade(stack: Stack, strategy: Recorder) -> None:
    """Let requests end in every way there is."""
    resting = [strategy.buy() for _ in range(5)]
    for oid in resting:
        strategy.wait_for(oid, "accepted")
    strategy.cancel_order_ws(symbol="BTCUSDT-PERP.OKX", oid=resting[0])
    strategy.wait_for(resting[0], "canceled")
    refused = strategy.buy(amount=Decimal("900000"))
    strategy.wait_result(refused, Result.ACK_REJECTED)
    filled = strategy.buy(type="MARKET")
    strategy.wait_for(filled, "filled")
    by_rest = strategy.create_order(
        symbol="BTCUSDT-PERP.OKX",
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal("0.001"),
        price=Decimal("85500"),
    )
    strategy.wait_for(by_rest, "accepted")
    order = stack.here | {"op": "order"}
    with stack.control.fault("lose_ack", count=1, match=order):
        strategy.wait_result(strategy.buy(), Result.ACK_TIMEOUT_CONFIRMED)
    with stack.control.fault("swallow_request", count=1, match=order):
        strategy.wait_result(strategy.buy(ws_fallback=False), Result.ACK_TIMEOUT)


def test_what_is_scraped_is_what_the_ledger_has(stack: Stack) -> None:
    strategy = stack.start_strategy()
    trade(stack, strategy)
    stack.check(strategy)
    found = settled(stack)

    assert found.outcomes() == {
        ("create", "ws", "ACKED", ""): 6,
        ("create", "rest", "ACKED", ""): 1,
        ("create", "ws", "ACK_REJECTED", ""): 1,
        ("create", "ws", "ACK_TIMEOUT_CONFIRMED", ""): 1,
        ("create", "ws", "ACK_TIMEOUT", ""): 1,
        ("cancel", "ws", "ACKED", ""): 1,
    }
    ledger = stack.ledger()
    assert found("sends_total", request="create", transport="ws") == sent(stack, "order", "ws")
    assert found("sends_total", request="create", transport="rest") == sent(stack, "order", "rest")
    assert found("sends_total", request="cancel", transport="ws") == 1
    live = sum(row["state"] in ("live", "partially_filled") for row in ledger.orders)
    assert found("open_orders") == live == 6
    assert found("unknown_orders") == found("flights") == found("paced") == 0
    assert (found("owner"), found("lease_epoch")) == (1, epoch_of(stack))
    assert all(found("socket_up", socket=one) == 1 for one in ("trade", "private", "public"))
    assert found("socket_connects_total", socket="trade") == 1
    assert found("throttled_total") == found("dead_letters_total") == 0

    assert found.stage("age") == 11, "all requests were read"
    assert found.stage("ack") == 8, "all that went by the socket but the two without an answer"
    assert found.stage("doubt") == 2
    assert found.stage("resync") == 1
    assert found.stage("applied") == found("apply_operations_count") >= 11
    assert found.stage("rest") >= len(ledger.queries)
    assert found("frame_commands_sum") == 10
    seconds = found("stage_seconds_sum", stage="doubt")
    assert 0 < seconds < 60


def test_status_shows_the_same(stack: Stack) -> None:
    strategy = stack.start_strategy()
    trade(stack, strategy)
    scraped = settled(stack)

    def same() -> dict[str, Any]:
        metrics: dict[str, Any] = shown(stack)["metrics"] or {"requests": []}
        total = sum(one["count"] for one in metrics["requests"])
        return metrics if total == sum(scraped.outcomes().values()) else {}

    metrics = until(same, "the owner publishes")
    rows = {
        (one["request"], one["transport"], one["outcome"], one["reason"]): one["count"]
        for one in metrics["requests"]
    }
    assert rows == scraped.outcomes()
    for stage in ("age", "ack", "doubt"):
        assert metrics["stages"][stage]["count"] == scraped.stage(stage)
    doubt = metrics["stages"]["doubt"]
    assert 0 < doubt["p50_ms"] <= doubt["p99_ms"] <= doubt["most_ms"] < 60_000
    assert metrics["counts"]["sends create ws"] == sent(stack, "order", "ws")
    assert metrics["epoch"] == epoch_of(stack)
    assert 0 < stack.redis.pttl(stack.keys.metrics) <= 500


def test_a_lost_socket_and_what_it_keeps_from_leaving_are_counted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("refuse_connections", match={"path": "/ws/v5/private"}):
        stack.control.close_sockets("trade", account=stack.account)
        until(lambda: not scrape(stack)("socket_up", socket="trade"), "the socket is down")
        strategy.wait_result(strategy.buy(ws_fallback=False), Result.REQUEST_NOT_SENT)
        strategy.wait_for(strategy.buy(), "accepted")
    found = settled(stack)
    assert found.outcomes() == {
        ("create", "none", "REQUEST_NOT_SENT", "WS_REQUEST_NOT_SENT"): 1,
        ("create", "rest", "ACKED", ""): 1,
    }
    assert found("socket_losses_total", socket="trade") == 1
    assert not found("socket_losses_total", socket="private")
    assert found("sends_total", request="create", transport="rest") == 1
    assert sent(stack, "order", "rest") == len(stack.ledger().requests) == 1


def test_an_unknown_order_is_counted_until_the_truth_is_known(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with measured(redis_url, simulator, rules(**IN_VAIN)) as stack:
        lose_and_find(stack)


def lose_and_find(stack: Stack) -> None:
    """Let an order's outcome be lost, then let the venue show it."""
    strategy = stack.start_strategy()
    rest = stack.here | {"transport": "rest"}
    with (
        stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "order"}),
        stack.control.fault("lose_push", match=stack.here),
        stack.control.fault("rest_5xx", match=rest, status=503, processed=False),
    ):
        oid = strategy.buy()
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
        found = scrape(stack)
        assert found("unknown_orders") == found("open_orders") == 1
        assert found("rest_calls_total", result="5xx") >= 1
    stack.control.close_sockets("private", account=stack.account)  # the resync shows it
    strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    until(lambda: scrape(stack)("socket_connects_total", socket="private") == 2, "it is back")
    found = scrape(stack)
    assert found("unknown_orders") == 0
    assert found("unknown_resolved_total", truth="found") == found.stage("unknown") == 1
    assert found("stage_seconds_sum", stage="unknown") > stack.settings.orders.ack_timeout_ms / 1e3
    assert found("socket_losses_total", socket="private") == 1
    until(lambda: scrape(stack).stage("resync") == 2, "the resync is measured")
    stack.check(strategy)


def test_throttling_pacing_and_bad_messages_are_counted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("throttle", count=1, match=stack.here | {"op": "order"}):
        strategy.wait_for(strategy.buy(), "accepted")
    stack.redis.xadd(stack.keys.intents("alpha"), {"request": "create", "nonsense": "1"})
    until(lambda: scrape(stack)("dead_letters_total") == 1, "the dead letter")
    found = settled(stack)
    assert found("throttled_total") == 1
    assert found.stage("pacing") == 1
    assert found("sends_total", request="create", transport="ws") == 2
    assert found.outcomes() == {
        ("create", "ws", "ACKED", ""): 1,
        ("create", "none", "REQUEST_NOT_SENT", "INVALID"): 1,
    }
    assert stack.redis.xlen(stack.keys.dead) == 1


def test_requests_beyond_the_venues_limit_wait_and_the_wait_is_measured(stack: Stack) -> None:
    strategy = stack.start_strategy()
    before = stack.ledger().throttled
    amount, price = Decimal("0.001"), Decimal("85500")
    one = BatchOrder("BTCUSDT-PERP.OKX", OrderSide.BUY, OrderType.LIMIT, amount, price)
    # The venue takes 300 in batches in 2 s; all wait already when the worker begins.
    stack.workers[0].stop()
    oids = [oid for _ in range(7) for oid in strategy.create_batch_orders([one] * 50)]
    stack.start_worker()
    for oid in oids:
        strategy.wait_for(oid, "accepted")
    found = settled(stack)
    assert found.outcomes() == {("create", "ws", "ACKED", ""): 350}
    assert 0 < found.stage("pacing") < 350
    assert found("throttled_total") == stack.ledger().throttled - before == 0
    stack.check(strategy)


def test_a_standby_serves_its_numbers_and_publishes_none(stack: Stack) -> None:
    port = free_port()
    metrics = MetricsSettings(port=port, publish_every_s=0.1)
    standby = WorkerThread(stack.settings.model_copy(update={"metrics": metrics}), stack.account)
    stack.workers.append(standby.start())
    url = f"http://127.0.0.1:{port}/metrics"
    until(lambda: serves(url), "the standby serves")
    assert Scraped(url, stack.account).has("owner")
    assert Scraped(url, stack.account)("owner") == 0
    assert not Scraped(url, stack.account).has("lease_epoch")
    first = epoch_of(stack)
    stack.workers[0].stop()
    until(lambda: Scraped(url, stack.account)("lease_epoch") > first, "it owns the account now")
    assert Scraped(url, stack.account)("lease_epoch") == epoch_of(stack)
    until(lambda: (shown(stack)["metrics"] or {}).get("epoch") == epoch_of(stack), "it publishes")


def test_who_lost_the_account_shows_no_owners_numbers_until_it_owns_again(stack: Stack) -> None:
    strategy = stack.start_strategy()
    strategy.wait_for(strategy.buy(), "accepted")
    first = epoch_of(stack)
    stack.redis.delete(stack.keys.lease)
    other = functions.lease(stack.keys, "acquire", owner="other", epoch=0, ttl_ms=60_000)
    word, second = stack.redis.fcall(*other.fcall())[:2]
    assert (word, int(second) > first) == ("owner", True)
    until(lambda: not scrape(stack).has("lease_epoch"), "it stands by")
    found = scrape(stack)
    assert (found.has("open_orders"), found("owner")) == (False, 0)
    assert found.stage("ack") == 1, "what was counted stays"
    stack.redis.delete(stack.keys.lease)
    until(lambda: scrape(stack)("lease_epoch") > int(second), "it owns the account again")
    until(lambda: scrape(stack)("open_orders") == 1, "it has read the order")
    strategy.wait_for(strategy.buy(), "accepted")
    assert settled(stack).outcomes() == {("create", "ws", "ACKED", ""): 2}


def test_a_port_in_use_is_named_with_its_setting(stack: Stack) -> None:
    port = stack.settings.metrics.port
    with pytest.raises(ConfigError, match=rf"^metrics\.port: .*{port}.*ORDER_ROUTER_METRICS__PORT"):
        serve(stack.settings, [stack.account])
