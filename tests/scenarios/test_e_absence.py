"""E. Nobody there: no worker to send (E9), no strategy to read (E13)."""

import signal
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router import settings as settings_module
from router.enums import OrderStatus
from router.enums import WsOrderResultType as Result
from router.errors import Denied
from router.settings import JobSettings
from simulator.server import RunningSimulator
from strategy_sdk.schema import Order
from tests.scenarios.stack import FAST, SYMBOL, Recorder, Stack, running_stack, until
from tests.workers.killable import killable_worker, redis_ms
from workers import jobs

# --- E9 -----------------------------------------------------------------------------------------


def test_e9_with_no_worker_a_strict_request_is_refused_at_once_and_never_sent(
    stack: Stack,
) -> None:
    strategy = stack.start_strategy()
    resting = strategy.buy()
    strategy.wait_for(resting, "accepted")
    stack.workers[0].stop()
    sent = len(stack.ledger().requests)
    oid = strategy.buy(ws_fallback=False, idempotency_key="entry", client_oid="entry1")
    failed = strategy.wait_for(oid, "failed")
    result = strategy.wait_result(oid, Result.REQUEST_NOT_SENT)
    assert (failed.reason or "").startswith("NO_WORKER: ")
    assert (result["reason"], result["exists"], result["request"]) == (
        failed.reason,
        "false",
        "create",
    )
    strategy.cancel_order_ws(SYMBOL, resting, ws_fallback=False)
    refused = strategy.wait_for(resting, "cancel_failed")
    assert (refused.is_opened, refused.remaining) == (True, Decimal("0.001"))
    strategy.modify_order_ws(SYMBOL, resting, price=Decimal("85000"), ws_fallback=False)
    until(lambda: len(strategy.results(resting)) == 2)
    for row in strategy.results(resting):
        assert row["reason"].startswith("NO_WORKER: ")
        assert (row["result_type"], row["exists"]) == (Result.REQUEST_NOT_SENT, "true")
    assert stack.redis.xlen(stack.keys.intents("alpha")) == 0, "nothing waits to be sent late"
    assert strategy.buy(ws_fallback=False, idempotency_key="entry") == oid, "the key is taken"
    # A worker that comes finds nothing to do, and an order that stands as it stood.
    stack.start_worker()
    assert strategy.release_idempotency_key("entry")
    again = strategy.buy(ws_fallback=False, idempotency_key="entry", client_oid="entry1")
    strategy.wait_for(again, "accepted")
    strategy.cancel_order_ws(SYMBOL, resting, ws_fallback=False)
    strategy.wait_for(resting, "canceled")
    assert strategy.of(oid) == ["failed"]
    told = [name for name in strategy.of(resting) if name != "canceling"]  # a push may outrun it
    assert told == ["pending", "accepted", "cancel_failed", "canceled"]
    names = [row["client_id"] for row in stack.ledger().requests[sent:]]
    assert names == ["entry1", resting]
    numbers = [int(row["seq"]) for _, row in stack.redis.xrange(stack.keys.results("alpha"))]
    assert numbers == list(range(1, len(numbers) + 1)), "results of both writers are one sequence"
    stack.check(strategy)


def nobody_reads(stack: Stack) -> bool:
    """Whether the server has noticed that the killed worker's blocked read is gone."""
    return not any("xreadgroup" in one["cmd"] for one in stack.redis.client_list())


def test_e9_a_lease_that_ends_after_admission_still_sends_nothing_late(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=20_000) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy = stack.start_strategy()
        first.signal(signal.SIGKILL)
        until(lambda: nobody_reads(stack), "the worker is gone")
        assert stack.redis.exists(stack.keys.lease), "its lease is not over yet"
        hasty = strategy.buy(ws_fallback=False, valid_for_ms=100)
        assert stack.redis.xlen(stack.keys.intents("alpha")) == 1
        stack.redis.pexpire(stack.keys.lease, 1)  # its time is over
        until(lambda: not stack.redis.exists(stack.keys.lease), "the lease ended")
        refused = strategy.buy(ws_fallback=False)
        strategy.wait_for(refused, "failed")
        assert strategy.of(hasty) == []
        expires_ms = int(stack.redis.hget(stack.keys.order("alpha", hasty), "expires_ms"))
        until(lambda: redis_ms(stack) > expires_ms, "its time has passed")
        stack.start_worker()
        failed = strategy.wait_for(hasty, "failed")
        assert (failed.reason or "").startswith("INTENT_EXPIRED")
        assert strategy.wait_result(hasty, Result.REQUEST_NOT_SENT)["exists"] == "false"
        assert stack.ledger().requests == []
        stack.check(strategy)


# --- E13 ----------------------------------------------------------------------------------------


class Missing(Recorder):
    """Notes which results were lost, and what it knows then."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[dict[str, Any]] = []

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        self._note("lost", gap)
        self.lost.append(gap | {"open": self.cache.get_open_orders()})


def stop_strategy(stack: Stack) -> None:
    runner = stack.runners.pop()
    runner.stop()
    runner.join(10)


def newest(stack: Stack) -> tuple[int, int]:
    """Return the newest result's time and number."""
    [(entry_id, fields)] = stack.redis.xrevrange(stack.keys.results("alpha"), count=1)
    return int(entry_id.partition("-")[0]), int(fields["seq"])


def test_e13_results_too_old_are_cut_and_the_gap_is_told_first(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    age_ms = 300
    short = stack.settings.model_copy(update={"jobs": JobSettings(max_result_age_s=age_ms / 1000)})
    monkeypatch.setattr(settings_module, "load", lambda: short)
    strategy = stack.start_strategy()
    filled, resting = strategy.buy(), strategy.buy(amount=Decimal("0.003"))
    for oid in (filled, resting):
        strategy.wait_for(oid, "accepted")
    stop_strategy(stack)
    cursor = stack.redis.hget(stack.keys.cursor("alpha"), "main")
    [(_, last)] = stack.redis.xrange(stack.keys.results("alpha"), cursor, cursor)
    control, account = stack.control, stack.account
    control.fill_order(filled, account=account)
    control.fill_order(resting, account=account, amount="0.001")
    until(lambda: stack.redis.hget(stack.keys.order("alpha", resting), "filled") == "0.001")
    until(lambda: stack.redis.hget(stack.keys.positions, SYMBOL), "all of it was told")
    until(lambda: redis_ms(stack) > newest(stack)[0] + age_ms, "the results are too old")
    cut_to = newest(stack)[1]
    assert jobs.tidy()["trimmed"] > 0
    assert stack.redis.xlen(stack.keys.results("alpha")) < 3, "bounded, whoever is away"
    control.fill_order(resting, account=account, amount="0.0005")
    until(lambda: stack.redis.hget(stack.keys.order("alpha", resting), "filled") == "0.0015")

    back = Missing()
    stack.start_strategy(strategy=back)
    until(lambda: back.of(resting), lambda: str(back.told))
    assert back.told[0].name == "lost", "before anything that follows"
    [gap] = back.lost
    assert (gap["first_seq"], gap["last_seq"]) == (int(last["seq"]) + 1, cut_to)
    assert "max_result_age_s" in gap["reason"]
    assert gap["open"] == {resting}, "what is open was read anew"
    assert back.of(resting) == ["partially_filled"]
    assert [amount for _, amount, _ in back.fills(resting)] == [Decimal("0.0005")]
    rows = {row["client_id"]: row for row in stack.ledger().orders}
    for oid in (filled, resting):
        known = back.fetch_order(SYMBOL, oid)
        assert known is not None
        assert known.filled == Decimal(rows[oid]["filled"])
    ended = back.fetch_order(SYMBOL, filled)
    assert ended is not None
    assert ended.status is OrderStatus.FILLED
    total = sum(Decimal(fill["amount"]) for fill in stack.ledger().fills)
    until(lambda: (one := back.cache.get_position(SYMBOL)) and one.signed_amount == total)

    stop_strategy(stack)
    again = Missing()
    stack.start_strategy(strategy=again)
    control.cancel_order(resting, account=account)
    again.wait_for(resting, "canceled")
    assert again.lost == [], "a gap is told once"


class Stuck(Recorder):
    """Stays inside a callback until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def on_accepted_order(self, order: Order) -> None:
        super().on_accepted_order(order)
        self.inside.set()
        self.go_on.wait(30)


def test_e13_a_strategy_that_reads_nothing_gets_no_new_orders_in_and_loses_nothing(
    redis_url: str, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 20
    orders = FAST.model_copy(update={"max_unread_results_per_strategy": most})
    with running_stack(redis_url, simulator, orders=orders) as stack:
        monkeypatch.setattr(settings_module, "load", lambda: stack.settings)
        stack.start_worker()
        stuck, other = Stuck(), stack.start_strategy("beta")
        stack.start_strategy("alpha", stuck)
        oids: list[str] = []

        def refusal() -> str:
            """Place one more order; return what was said against it."""
            try:
                oids.append(oid := stuck.buy(idempotency_key=f"signal-{len(oids)}"))
            except Denied as error:
                return str(error)
            order = stack.keys.order("alpha", oid)  # its results wait, too, before the next one
            until(lambda: stack.redis.hget(order, "status") == "ACCEPTED", "it is on the book")
            return ""

        try:
            assert not refusal()
            assert stuck.inside.wait(15)
            said = until(refusal, "no more orders get in")
            assert said.startswith("RESULTS_FULL: ")
            assert "nothing was admitted" in said
            stuck.cancel_order_ws(SYMBOL, oids[0])
            first = stack.keys.order("alpha", oids[0])
            until(lambda: stack.redis.hget(first, "status") == "CANCELED", "a cancel passes")
            theirs = other.buy()
            other.wait_for(theirs, "accepted")
            jobs.tidy()
        finally:
            stuck.go_on.set()
        for oid in oids[1:]:
            stuck.wait_for(oid, "accepted")
        stuck.wait_for(oids[0], "canceled")
        until(lambda: not refusal(), "it trades again")
        assert not stack.redis.exists(stack.keys.gaps("alpha"))
        stack.check(stuck, other)
