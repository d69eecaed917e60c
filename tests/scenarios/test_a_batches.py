"""A10. Orders of a batch carry idempotency keys like any other order."""

import multiprocessing
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from router.enums import OrderSide, OrderType
from router.settings import Settings
from simulator.server import RunningSimulator
from strategy_sdk import Runner
from strategy_sdk.errors import BatchIncomplete
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import FAR_PRICE, SYMBOL, Recorder, Stack, running_stack, until

_SPAWN = multiprocessing.get_context("spawn")


def one(key: str | None = None, **changes: Any) -> BatchOrder:
    """Return a resting order of a batch."""
    terms: dict[str, Any] = {"price": FAR_PRICE, "idempotency_key": key} | changes
    return BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), **terms)


def expect_orders(stack: Stack, strategy: Recorder, oids: set[str]) -> None:
    """Check that exactly these orders reached the venue, each once, and that all is told so."""
    for oid in sorted(oids):
        strategy.wait_for(oid, "accepted")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "every intent has an outcome")
    ledger, once = stack.ledger(), Counter(stack.client_id(strategy, oid) for oid in oids)
    assert Counter(row["client_id"] for row in ledger.orders) == once
    assert Counter(row["client_id"] for row in ledger.requests) == once
    stack.check(strategy)


def test_a10_a_key_twice_in_one_batch_is_one_order(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oids = strategy.create_batch_orders([one("a"), one("b"), one("a"), one(), one(), one("b")])
    assert (oids[0], oids[1]) == (oids[2], oids[5])
    assert len(set(oids)) == 4, "orders without a key are orders of their own"
    expect_orders(stack, strategy, set(oids))
    assert stack.redis.hgetall(stack.keys.repeats("alpha")) == {"a": "1", "b": "1"}


def test_a10_a_batch_on_every_tick_is_the_first_batch(stack: Stack) -> None:
    """Other prices and another order of the keys change nothing: the key names the order."""
    strategy, keys = stack.start_strategy(), ["a", "b", "c"]
    with stack.control.fault("delay_ack", match=stack.here, delay_ms=700):
        first = dict(zip(keys, strategy.create_batch_orders([one(k) for k in keys]), strict=True))
        for tick in range(1, 101):
            turned = keys[tick % 3 :] + keys[: tick % 3]
            again = strategy.create_batch_orders([one(k, price=FAR_PRICE - tick) for k in turned])
            assert again == [first[key] for key in turned]
    expect_orders(stack, strategy, set(first.values()))
    assert {Decimal(row["price"] or 0) for row in stack.ledger().orders} == {FAR_PRICE}


def test_a10_batches_and_single_calls_share_their_keys(stack: Stack) -> None:
    strategy = stack.start_strategy()
    by_socket = strategy.buy(idempotency_key="socket")
    by_rest = strategy.create_order(
        *(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), FAR_PRICE),
        idempotency_key="rest",
    )
    batch = strategy.create_batch_orders([one("rest"), one("new"), one("socket")])
    assert (batch[0], batch[2]) == (by_rest, by_socket)
    assert strategy.buy(idempotency_key="new") == batch[1]
    expect_orders(stack, strategy, {by_socket, *batch})


def test_a10_what_is_refused_in_a_batch_takes_no_key(stack: Stack) -> None:
    """A refused order must not burn its key; the others of its batch live on."""
    strategy = stack.start_strategy()
    living = strategy.buy(client_oid="mine")
    strategy.wait_for(living, "accepted")
    with pytest.raises(BatchIncomplete) as caught:
        strategy.create_batch_orders([one("a"), one("b", client_oid="mine")])
    first, refused = caught.value.oids
    assert first is not None
    assert refused is None
    again = strategy.create_batch_orders([one("a"), one("b")])
    assert again[0] == first
    expect_orders(stack, strategy, {living, *again})


def _fire(settings: Settings, account: str, number: int, rounds: int, barrier: Any) -> list[Any]:
    """Return what each round's batch answered; the rounds are in step with other processes."""
    strategy = Recorder()
    runner = Runner(
        strategy, "alpha", {"okx": account}, instance=f"p{number}", settings=settings
    ).start()
    answers = []
    for turn in range(rounds):
        barrier.wait(60)
        batch = [one(f"{turn}:a"), one(f"{turn}:b"), one(f"{turn}:a")]
        answers.append(strategy.create_batch_orders(batch))
    runner.stop()
    runner.join()
    return answers


def _fire_and_say(answers: Any, *args: Any) -> None:
    answers.put(_fire(*args))


def test_a10_the_same_batch_from_several_processes_is_one_batch(
    redis_url: str, simulator: RunningSimulator
) -> None:
    rounds, processes = 10, 3
    with running_stack(redis_url, simulator) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        barrier, answers = _SPAWN.Barrier(processes), _SPAWN.Queue()
        fleet = [
            _SPAWN.Process(
                target=_fire_and_say,
                args=(answers, stack.settings, stack.account, number, rounds, barrier),
            )
            for number in range(processes)
        ]
        for process in fleet:
            process.start()
        told = [answers.get(timeout=60) for _ in fleet]
        for process in fleet:
            process.join(30)
        assert told == [told[0]] * processes
        assert all(a == repeated for a, _, repeated in told[0])
        oids = {oid for batch in told[0] for oid in batch}
        assert len(oids) == 2 * rounds
        expect_orders(stack, strategy, oids)
