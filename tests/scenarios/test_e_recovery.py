"""E. Crash and failover: whoever dies, every intent gets one outcome and the venue one order."""

import logging
import signal
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router import functions, ids
from router.enums import WsOrderResultType as Result
from router.keyspace import GROUP
from simulator.server import RunningSimulator
from strategy_sdk.schema import Order
from tests.scenarios.stack import (
    DEADLINE_S,
    FAR_PRICE,
    PATIENT_MS,
    SYMBOL,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)
from tests.workers.killable import epoch_of, killable_worker, lease_of, redis_ms, standby
from tests.workers.poison import create, poisons

LEASE_MS = 3_000  # a busy machine must not take it from a worker that lives
#: Between the end of a lease and the next owner; tests/workers/test_lease.py has the exact rule.
TAKEOVER_MS = 20_000


def claim(stack: Stack, strategy: str) -> int:
    """Take the strategy's waiting intents as the last owner would; return how many."""
    reader = f"epoch-{epoch_of(stack)}"
    reply = stack.redis.xreadgroup(GROUP, reader, {stack.keys.intents(strategy): ">"})
    return sum(len(entries) for _, entries in reply)


# --- E1, E2, E3 ---------------------------------------------------------------------------------

#: Where the worker dies, as faults: fault → operation that it meets.
DEATHS: dict[str, dict[str, str]] = {
    "sent and not processed": {"swallow_request": "order"},
    "processed, neither acked nor pushed": {"lose_ack": "order", "lose_push": "orders"},
    "pushed and not acked": {"lose_ack": "order"},
}


@pytest.mark.parametrize("death", DEATHS)
def test_e1_a_killed_worker_costs_no_order_and_no_outcome(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path, death: str
) -> None:
    with (
        running_stack(
            redis_url, simulator, orders=rules(ack_timeout_ms=PATIENT_MS), lease_ttl_ms=LEASE_MS
        ) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy, second = stack.start_strategy(), standby(stack)
        for fault, op in DEATHS[death].items():
            stack.control.arm(fault, count=1, match=stack.here | {"op": op})
        oid = strategy.buy(idempotency_key="entry")
        until(lambda: stack.ledger().requests_of(oid), "it was sent")
        if death == "pushed and not acked":
            strategy.wait_for(oid, "accepted")
        killed_ms = redis_ms(stack)
        first.signal(signal.SIGKILL)
        second.wait_serving()
        owner = stack.redis.hgetall(stack.keys.lease)
        assert owner["owner"] == lease_of(second, stack).owner
        assert int(owner["since_ms"]) - killed_ms < LEASE_MS + TAKEOVER_MS
        strategy.wait_for(oid, "accepted")
        assert strategy.buy(idempotency_key="entry") == oid
        if "not processed" in death:
            transports = [row["transport"] for row in stack.ledger().requests_of(oid)]
            assert transports == ["ws", "rest"], "sent again only after its absence was proven"
        else:
            strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
            assert len(stack.ledger().requests_of(oid)) == 1
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
        assert len(stack.ledger().orders_of(oid)) == 1
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
        stack.check(strategy)


def test_e1_a_cancel_of_a_killed_worker_is_still_done(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=LEASE_MS) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy, second = stack.start_strategy(), standby(stack)
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        stack.control.arm("swallow_request", count=1, match=stack.here | {"op": "cancel-order"})
        strategy.cancel_order_ws(SYMBOL, oid)
        until(lambda: len(stack.ledger().requests_of(oid)) == 2, "the cancel was sent")
        first.signal(signal.SIGKILL)
        second.wait_serving()
        strategy.wait_for(oid, "canceled")
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
        assert [row["state"] for row in stack.ledger().orders_of(oid)] == ["canceled"]
        assert "cancel_failed" not in strategy.of(oid)
        stack.check(strategy)


def test_e2_a_worker_paused_past_its_lease_sends_and_writes_nothing_more(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=LEASE_MS) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        epoch = epoch_of(stack)
        strategy, second = stack.start_strategy(), standby(stack)
        resting = strategy.buy()
        strategy.wait_for(resting, "accepted")
        # More than the venue's limit lets out at once, so that some wait inside the worker.
        oids = [strategy.buy() for _ in range(62)]
        until(lambda: len(stack.ledger().requests) >= 50, "the first of them left")
        first.signal(signal.SIGSTOP)
        second.wait_serving()
        stack.control.fill_order(resting, account=stack.account, amount="0.0004")
        new = strategy.buy()
        strategy.wait_for(new, "accepted")
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "all have an outcome")
        before = len(stack.ledger().requests)
        first.signal(signal.SIGCONT)
        until(lambda: first.said("superseded") and first.said("standing by"), first.log.read_text)
        # What was written as the pause began may leave now, the frames of one turn of its loop; the
        # venue must find them expired.
        late = stack.ledger().requests[before:]
        assert [row for row in late if row["processed"] or row["code"] == "0"] == []
        assert {row["client_id"] for row in late} <= set(oids), "nothing that came after it"
        assert lease_of(second, stack).epoch > epoch
        assert stack.redis.hget(stack.keys.applied, "epoch") == str(lease_of(second, stack).epoch)
        assert stack.redis.hget(stack.keys.lease, "owner") == lease_of(second, stack).owner
        assert len(strategy.fills(resting)) == 1
        for oid in (*oids, new):
            assert len(stack.ledger().orders_of(oid)) <= 1
        numbers = [int(row["seq"]) for _, row in stack.redis.xrange(stack.keys.results("alpha"))]
        assert numbers == list(range(1, len(numbers) + 1))
        stack.check(strategy)


#: Whose read it was → how many epochs before the owner's.
READERS = {"a superseded worker": 1, "the owner itself": 0}


def given_to(reader: str, stack: Stack) -> str:
    """Return a fresh order of alpha whose intent Redis gave to a read that nobody awaits."""
    consumer = f"epoch-{epoch_of(stack) - READERS[reader]}"
    stream, oid = stack.keys.intents("alpha"), ids.new_oid(ids.strategy_tag("alpha"))
    fields = create(oid=oid, client_id=oid)
    pipeline = stack.redis.pipeline(transaction=True)
    admission = functions.Admission(fields, "alpha", 10_000)
    call = functions.admit(stack.keys, "alpha", [admission], caps=functions.Caps())
    pipeline.fcall(*call.fcall())
    pipeline.xgroup_setid(stream, GROUP, "$")  # delivered, as far as the owner can see
    pipeline.execute()
    [(entry, _)] = stack.redis.xrevrange(stream, count=1)
    stack.redis.xclaim(stream, GROUP, consumer, 0, [entry], force=True)
    return oid


@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
@pytest.mark.parametrize("reader", READERS)
def test_e2_an_intent_taken_by_an_old_reader_is_found_by_the_owner(
    stack: Stack, reader: str
) -> None:
    """A superseded worker's blocked read may still be given an entry; nobody else would see it.

    So may one of the owner itself, where the server has not noticed yet that its line was cut.
    """
    strategy = stack.start_strategy()
    oid = given_to(reader, stack)
    strategy.wait_for(oid, "accepted")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    assert [row["client_id"] for row in stack.ledger().requests] == [oid]
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
@pytest.mark.parametrize("reader", READERS)
def test_e2_a_cancel_does_not_overtake_a_create_that_an_old_reader_has(
    stack: Stack, reader: str
) -> None:
    """Refused for want of the order, it would be told as failed, and the order be sent after it."""
    strategy = stack.start_strategy()
    oid = given_to(reader, stack)
    strategy.modify_order_ws(SYMBOL, oid, price=FAR_PRICE - 10)
    strategy.cancel_order_ws(SYMBOL, oid)  # which leaves before the modify where both wait
    strategy.wait_for(oid, "canceled")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "all were settled")
    stack.all_told()
    assert "cancel_failed" not in strategy.of(oid)
    [order] = stack.ledger().orders_of(oid)
    assert (order["state"], Decimal(order["filled"])) == ("canceled", Decimal(0))
    sent = [row["op"] for row in stack.ledger().requests_of(oid)]
    assert sent[0] == "order"
    assert sorted(sent) in (["amend-order", "cancel-order", "order"], ["cancel-order", "order"])
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
@pytest.mark.parametrize("at_venue", [True, False])
def test_e3_a_claimed_intent_is_asked_for_before_it_is_sent(stack: Stack, at_venue: bool) -> None:
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    oid = strategy.buy()
    assert claim(stack, "alpha") == 1
    if at_venue:
        stack.control.place_order(
            stack.account, "BTC-USDT-SWAP", "buy", "0.001", price=FAR_PRICE, client_id=oid
        )
    stack.start_worker()
    strategy.wait_for(oid, "accepted")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    assert len(stack.ledger().orders_of(oid)) == 1
    sent = [row["transport"] for row in stack.ledger().requests_of(oid)]
    assert sent == ([] if at_venue else ["rest"])
    if not at_venue:  # else the snapshot of open orders may show it before any query by id
        asked = min(row["n"] for row in stack.ledger().queries if row["client_id"] == oid)
        assert all(row["n"] > asked for row in stack.ledger().requests_of(oid))
    stack.all_told()
    assert strategy.result_types(oid) == ([Result.ACK_TIMEOUT_CONFIRMED] if at_venue else [])


@pytest.mark.rules(valid_for_ms=1)
def test_e3_a_claimed_cancel_may_have_been_sent_however_old_it_is(stack: Stack) -> None:
    """The earlier worker had seen the order, and its cancel was done before it could say so."""
    strategy = stack.start_strategy()
    stack.workers.pop().stop()
    oid = strategy.buy()
    strategy.cancel_order_ws(SYMBOL, oid)
    assert claim(stack, "alpha") == 2
    at_venue = stack.control.place_order(
        stack.account, "BTC-USDT-SWAP", "buy", "0.001", price=FAR_PRICE, client_id=oid
    )
    known = {"state": "ACCEPTED", "status": "ACCEPTED", "exists": "true", "acked_ms": "1"}
    known["eid"] = at_venue["venue_id"]
    stack.redis.hset(stack.keys.order("alpha", oid), mapping=known)
    stack.control.cancel_order(oid, account=stack.account)
    stack.start_worker()
    strategy.wait_for(oid, "canceled")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    stack.all_told()
    assert Result.REQUEST_NOT_SENT not in strategy.result_types(oid)
    assert "cancel_failed" not in strategy.of(oid)


@pytest.mark.rules(ack_timeout_ms=500, ladder_budget_ms=300, expiry_ms=500)
def test_e3_without_the_venues_history_nothing_is_proven_and_nothing_sent(stack: Stack) -> None:
    """The order may have come and gone where nobody can look: that is no "not found"."""
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    oid = strategy.buy()
    assert claim(stack, "alpha") == 1
    history = {"op": ["orders-history", "orders-history-archive", "fills"], "transport": "rest"}
    with stack.control.fault("rest_5xx", match=stack.here | history, status=503, processed=False):
        stack.start_worker()
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
        asked = len(stack.ledger().queries)
        until(lambda: len(stack.ledger().queries) > asked + 10, "it goes on asking")
        assert strategy.of(oid) == []
        assert stack.ledger().requests_of(oid) == []
    strategy.wait_for(oid, "failed")
    stack.all_told()
    assert [one["exists"] for one in strategy.results(oid)] == ["unknown", "false"]
    assert stack.ledger().requests_of(oid) == []
    stack.check(strategy)


# --- E7, E8 -------------------------------------------------------------------------------------


def stop_strategy(stack: Stack) -> None:
    runner = stack.runners.pop()
    runner.stop()
    runner.join(DEADLINE_S)


def test_e7_what_happened_while_a_strategy_was_down_is_told_in_order(stack: Stack) -> None:
    strategy = stack.start_strategy()
    filled, canceled, partly = (strategy.buy() for _ in range(3))
    for oid in (filled, canceled, partly):
        strategy.wait_for(oid, "accepted")
    stop_strategy(stack)
    down_from = len(strategy.told)
    control, account = stack.control, stack.account
    control.fill_order(filled, account=account, amount="0.0004")
    control.cancel_order(canceled, account=account, source="system")
    control.fill_order(partly, account=account, amount="0.0001")
    control.fill_order(filled, account=account)
    control.fill_order(partly, account=account, amount="0.0002")
    until(lambda: stack.redis.scard(stack.keys.open("alpha")) == 1, "the worker knows it all")
    assert len(strategy.told) == down_from
    stack.start_strategy(strategy=strategy)
    until(lambda: len(strategy.fills(partly)) == 2)
    missed = [one for one in strategy.told[down_from:] if isinstance(one.what, Order)]
    assert [(one.what.oid, one.name) for one in missed] == [
        (filled, "partially_filled"),
        (canceled, "canceled"),
        (partly, "partially_filled"),
        (filled, "filled"),
        (partly, "partially_filled"),
    ]
    assert strategy.cache.get_open_orders() == {partly}
    stack.check(strategy)
    stop_strategy(stack)
    told = len(strategy.told)
    stack.start_strategy(strategy=strategy)
    strategy.cancel_order_ws(SYMBOL, partly)
    strategy.wait_for(partly, "canceled")
    assert {one.name for one in strategy.told[told:]} <= {"canceling", "canceled"}
    stack.check(strategy)


class Raising(Recorder):
    """Raises in a callback, after noting it."""

    def on_accepted_order(self, order: Order) -> None:
        super().on_accepted_order(order)
        raise RuntimeError("a mistake in the strategy")


def test_e8_a_callback_that_raises_disturbs_nobody(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    raising, other = stack.start_strategy("alpha", Raising()), stack.start_strategy("beta")
    oid, theirs = raising.buy(), other.buy()
    for strategy, one in ((raising, oid), (other, theirs)):
        strategy.wait_for(one, "accepted")
        strategy.cancel_order_ws(SYMBOL, one)
        strategy.wait_for(one, "canceled")
        told = [name for name in strategy.of(one) if name != "canceling"]  # a push may outrun it
        assert told == ["pending", "accepted", "canceled"]
    assert "a mistake in the strategy" in caplog.text
    stack.check(raising, other)


class Slow(Recorder):
    """Stays inside a callback until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def on_accepted_order(self, order: Order) -> None:
        super().on_accepted_order(order)
        self.inside.set()
        self.go_on.wait(DEADLINE_S)


def test_e8_a_slow_callback_delays_nobody_and_no_ack(stack: Stack) -> None:
    slow, other = Slow(), stack.start_strategy("beta")
    stack.start_strategy("alpha", slow)
    try:
        first = slow.buy()
        assert slow.inside.wait(DEADLINE_S)
        theirs, second = other.buy(), slow.buy()
        other.wait_for(theirs, "accepted")
        other.cancel_order_ws(SYMBOL, theirs)
        other.wait_for(theirs, "canceled")
        key = stack.keys.order("alpha", second)
        until(lambda: stack.redis.hget(key, "status") == "ACCEPTED", "acked meanwhile")
        assert slow.of(second) == [], "callbacks never run beside each other"
    finally:
        slow.go_on.set()
    slow.wait_for(second, "accepted")
    assert slow.results(first) == slow.results(second) == []
    stack.check(slow, other)


# --- E9, E10 ------------------------------------------------------------------------------------


def test_e9_without_a_worker_an_intent_waits_and_expires_unsent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    late, patient = strategy.buy(valid_for_ms=150), strategy.buy(valid_for_ms=60_000)
    expires_ms = int(stack.redis.hget(stack.keys.order("alpha", late), "expires_ms"))
    until(lambda: redis_ms(stack) > expires_ms, "its time has passed")
    assert (strategy.of(late), strategy.of(patient)) == ([], [])
    stack.start_worker()
    failed = strategy.wait_for(late, "failed")
    assert (failed.reason or "").startswith("INTENT_EXPIRED")
    result = strategy.wait_result(late, Result.REQUEST_NOT_SENT)
    assert (result["exists"], result["reason"]) == ("false", failed.reason)
    strategy.wait_for(patient, "accepted")
    assert {row["client_id"] for row in stack.ledger().requests} == {patient}
    stack.check(strategy)


def test_e10_of_two_workers_one_owns_and_the_other_stands_by(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workers.lease")
    strategy, [first] = stack.start_strategy(), stack.workers
    second = standby(stack)
    owner = lease_of(first, stack).owner
    said = f"{stack.account}: owned by {owner}; standing by"
    until(lambda: said in caplog.text, "the second says that it stands by")
    assert stack.redis.hget(stack.keys.lease, "owner") == owner
    before = strategy.buy()
    strategy.wait_for(before, "accepted")
    first.stop()
    holder = stack.redis.hget(stack.keys.lease, "owner")
    assert holder in (None, lease_of(second, stack).owner), "it was given up, not left to expire"
    second.wait_serving()
    assert lease_of(second, stack).epoch > lease_of(first, stack).epoch
    lease = stack.redis.hgetall(stack.keys.lease)
    assert lease["owner"] == lease_of(second, stack).owner
    assert lease["epoch"] == str(lease_of(second, stack).epoch) == str(epoch_of(stack))
    strategy.cancel_order_ws(SYMBOL, before)
    strategy.wait_for(before, "canceled")
    after = strategy.buy()
    strategy.wait_for(after, "accepted")
    private = [row for row in stack.ledger().connections if row["closed_ms"] is None]
    roles = Counter(row["role"] for row in private)
    assert roles == Counter({"trade": 1, "private": 1}), "a standby holds no sockets"
    stack.check(strategy)


# --- E11 ----------------------------------------------------------------------------------------


def test_e11_poison_is_told_and_kept_and_harms_nobody(stack: Stack) -> None:
    strategy, other = stack.start_strategy("alpha"), stack.start_strategy("beta")
    own, theirs = strategy.buy(), other.buy()
    strategy.wait_for(own, "accepted")
    other.wait_for(theirs, "accepted")
    stream, blamed = stack.keys.intents("alpha"), {}
    for name, (fields, field) in poisons(own, theirs).items():
        blamed[stack.redis.xadd(stream, fields)] = (name, field)
    good = strategy.buy()
    strategy.wait_for(good, "accepted")
    until(lambda: stack.redis.xlen(stream) == 0, "every intent was settled")
    dead = {row["id"]: row for _, row in stack.redis.xrange(stack.keys.dead)}
    wrong = [
        f"{name}: {dead.get(entry_id)}"
        for entry_id, (name, field) in blamed.items()
        if not dead.get(entry_id, {}).get("reason", "").startswith(f"INVALID_{field}: ")
    ]
    assert not wrong, "\n".join(wrong)
    until(lambda: [one.name for one in strategy.told].count("result") == len(blamed))
    results = [one.what for one in strategy.told if one.name == "result"]
    assert Counter(one["reason"] for one in results) == Counter(
        row["reason"] for row in dead.values()
    )
    assert {one["result_type"] for one in results} == {Result.REQUEST_NOT_SENT}
    assert {row["client_id"] for row in stack.ledger().requests} == {own, theirs, good}
    assert len(stack.ledger().requests) == 3
    stack.control.fill_order(theirs, account=stack.account)
    other.wait_for(theirs, "filled")
    assert other.of(theirs) == ["pending", "accepted", "filled"]
    assert not [one for one in other.told if one.name == "result"]
    stack.check(strategy, other)


def test_e11_an_ended_orders_oid_never_trades_again_even_after_a_restart(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    fields = stack.redis.hgetall(stack.keys.order("alpha", oid)) | {"expires_ms": "0"}
    strategy.wait_for(oid, "accepted")
    stack.control.fill_order(oid, account=stack.account)
    strategy.wait_for(oid, "filled")
    stack.workers[0].stop()
    entry_id = stack.redis.xadd(stack.keys.intents("alpha"), fields)
    stack.start_worker()
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    assert len(stack.ledger().requests_of(oid)) == 1
    [(_, row)] = stack.redis.xrange(stack.keys.dead)
    assert (row["id"], row["reason"][:12]) == (entry_id, "INVALID_OID:")
    stack.check(strategy)


def test_e6_an_order_admitted_again_is_settled_and_one_with_other_terms_told_as_existing(
    stack: Stack,
) -> None:
    """A server that lost the admission takes its repeat; the owner remembers the order."""
    strategy = stack.start_strategy()
    oid = strategy.buy()
    fields = stack.redis.hgetall(stack.keys.order("alpha", oid)) | {"expires_ms": "0"}
    strategy.wait_for(oid, "accepted")
    stack.redis.xadd(stack.keys.intents("alpha"), fields)
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    assert not stack.redis.exists(stack.keys.dead)
    stack.redis.xadd(stack.keys.intents("alpha"), fields | {"amount": "0.009"})
    told = strategy.wait_result(oid, Result.REQUEST_NOT_SENT)
    assert (told["reason"][:12], told["exists"]) == ("INVALID_OID:", "true")
    assert [one.name for one in strategy.told].count("result") == 1
    assert strategy.of(oid) == ["pending", "accepted"]
    assert len(stack.ledger().requests_of(oid)) == 1
    stack.check(strategy)


def test_e11_poison_on_the_control_stream_is_kept_and_harms_nobody(stack: Stack) -> None:
    strategy, control = stack.start_strategy(), stack.keys.control
    notes: list[dict[Any, Any]] = [
        {"kind": "explode"},
        {b"\xff": b"\xfe"},
        {"kind": "evidence"},
        {"kind": "evidence", "strategy": "alpha", "oid": "f" * 32, "report": "{"},
    ]
    stack.redis.hset(stack.keys.strategies, "gamma", "no registration")
    poison = [stack.redis.xadd(control, note) for note in notes]
    stack.redis.xadd(control, {"kind": "registered", "strategy": "gamma"})
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    until(lambda: stack.redis.xlen(control) == 0, "every note was read")
    assert [row["id"] for _, row in stack.redis.xrange(stack.keys.dead)] == poison
    forged = {"kind": "evidence", "strategy": "alpha", "oid": oid, "absent": "trust me"}
    stack.redis.xadd(stack.keys.arrivals, forged)  # where strategies may write
    until(lambda: stack.redis.xlen(stack.keys.arrivals) == 0, "it was read")
    assert len(stack.redis.xrange(stack.keys.dead)) == len(poison) + 1
    assert strategy.of(oid)[-1] == "accepted"
    stack.check(strategy)
