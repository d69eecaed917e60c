"""D. Restarts, flapping sockets, silent streams, rotation: nothing lost, nothing told anew."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
import pytest

from simulator.config import LimitsConfig, MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.scenarios.stack import SYMBOL, VENUE_SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.venues import SPOT, USDM, VenueUnderTest, every_venue
from workers.venues.okx.settings import LIMITS

ROUNDS = 4


def results(stack: Stack, strategy: str = "alpha") -> list[dict[str, str]]:
    return [fields for _, fields in stack.redis.xrange(stack.keys.results(strategy))]


def of_orders(stack: Stack) -> list[tuple[str, str, str]]:
    """Return what was told of orders and requests, in order."""
    return [
        (row["oid"], row["type"], row.get("status") or row["result_type"])
        for row in results(stack)
        if row["type"] in ("order", "ws_order_request_result")
    ]


def told_twice(stack: Stack) -> list[str]:
    """Return the positions and balances that were told though nothing of them had changed."""
    last: dict[str, list[str]] = {}
    out = []
    for row in results(stack):
        positions = [orjson.loads(row["position"])] if "position" in row else []
        for one in [*positions, *orjson.loads(row.get("balances", "[]"))]:
            name = one.get("symbol") or one["asset"]
            numbers = ("signed_amount", "entry_price", "realized_pnl", "free", "locked")
            now = [one.get(field, "") for field in numbers]
            if last.get(name) == now:
                out.append(f"seq {row['seq']}: {one}")
            last[name] = now
    return out


def accepted(strategy: Recorder, **terms: Any) -> str:
    oid = strategy.buy(**terms)
    strategy.wait_for(oid, "accepted")
    return oid


def resynced_ms(stack: Stack) -> int:
    return int(stack.redis.hget(stack.keys.status, "resynced_ms") or 0)


def connected_again(stack: Stack, kind: str, before: set[str]) -> bool:
    """Whether the kind has a socket that is none of those before, and Redis says so."""
    fresh = (sockets(stack, kind) & live(stack)) - before
    return bool(fresh) and stack.redis.hget(stack.keys.status, kind) == "connected"


def sockets(stack: Stack, kind: str) -> set[str]:
    return {
        row["connection"] for row in stack.ledger().connections if kind in row["role"].split("+")
    }


def live(stack: Stack) -> set[str]:
    return {row["connection"] for row in stack.ledger().connections if row["closed_ms"] is None}


# --- D8 -----------------------------------------------------------------------------------------


def every_kind_of_order(stack: Stack, strategy: Recorder) -> dict[str, str]:
    """Return an order of each standing: open, partly filled and each end."""
    control, account = stack.control, stack.account
    found = {
        name: accepted(strategy, amount=Decimal("0.003"))
        for name in ("open", "partly", "filled", "canceled", "partly canceled")
    }
    for name in ("partly", "partly canceled"):
        control.fill_order(found[name], account=account, amount="0.001")
        strategy.wait_for(found[name], "partially_filled")
    control.fill_order(found["filled"], account=account)
    strategy.wait_for(found["filled"], "filled")
    for name in ("canceled", "partly canceled"):
        strategy.cancel_order_ws(SYMBOL, found[name])
        strategy.wait_for(found[name], "canceled")
    with control.fault("reject", count=1, match=stack.here | {"op": "place"}):
        found["failed"] = strategy.buy()
        strategy.wait_for(found["failed"], "failed")
    found["taken"] = strategy.buy(type="MARKET")
    strategy.wait_for(found["taken"], "filled")
    return found


def test_d8_restarts_and_reconnects_make_no_new_events(stack: Stack) -> None:
    strategy = stack.start_strategy()
    orders = every_kind_of_order(stack, strategy)
    stack.check(strategy)
    before = of_orders(stack)
    callbacks = {name: strategy.of(oid) for name, oid in orders.items()}
    for _ in range(ROUNDS):
        done_ms = resynced_ms(stack)
        stack.workers[-1].stop()
        stack.start_worker()
        until(partial(lambda at_ms: resynced_ms(stack) > at_ms, done_ms), "the new owner resynced")
    stack.all_told()
    for number in range(ROUNDS + 1, 2 * ROUNDS + 1):
        known = sockets(stack, "private")
        stack.control.close_sockets("private", account=stack.account)
        until(partial(connected_again, stack, "private", known), "it reconnected")
        until(partial(lambda times: strategy.events().count("resynced") >= times, number))
    assert of_orders(stack) == before
    assert told_twice(stack) == []
    assert {name: strategy.of(oid) for name, oid in orders.items()} == callbacks
    assert strategy.cache.get_open_orders() == {orders["open"], orders["partly"]}
    for diff in strategy.diffs():
        assert diff["success"]
        assert (diff["open_orders_added"], diff["open_orders_removed"]) == ([], [])
        assert diff["positions_opened"] == diff["positions_closed"] == []
    stack.control.fill_order(orders["partly"], account=stack.account)
    strategy.wait_for(orders["partly"], "filled")
    assert of_orders(stack)[len(before) :] == [(orders["partly"], "order", "FILLED")]
    stack.check(strategy)


def test_d8_what_changed_while_no_worker_ran_is_told_once(stack: Stack) -> None:
    strategy = stack.start_strategy()
    taken, resting = strategy.buy(type="MARKET"), accepted(strategy)
    strategy.wait_for(taken, "filled")
    until(lambda: stack.redis.hget(stack.keys.positions, SYMBOL), "the position is published")
    before = of_orders(stack)
    stack.workers[-1].stop()
    stack.control.set_position(stack.account, VENUE_SYMBOL, 0)
    stack.control.cancel_order(resting, account=stack.account)
    stack.start_worker()
    strategy.wait_for(resting, "canceled")
    until(lambda: not stack.redis.hget(stack.keys.positions, SYMBOL), "the position is cleared")
    until(lambda: strategy.cache.get_position(SYMBOL) is None, "the strategy knows")
    assert of_orders(stack)[len(before) :] == [(resting, "order", "CANCELED")]
    assert told_twice(stack) == []
    stack.check(strategy)


# --- D10 ----------------------------------------------------------------------------------------

FLAPS = 20


@pytest.fixture
def strict_simulator() -> Iterator[RunningSimulator]:
    """A simulator that keeps the venue's limits, that of connects above all."""
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0),
        # One more than published: we keep departures apart, a busy machine squeezes arrivals.
        limits=LimitsConfig(enabled=True, connections_per_s=LIMITS.connects.count + 1),
    )
    with run_in_thread(config) as one:
        yield one


def test_d10_twenty_reconnects_keep_the_venues_limit_and_one_socket_a_kind(
    redis_url: str, strict_simulator: RunningSimulator
) -> None:
    limit = LIMITS.connects
    with running_stack(redis_url, strict_simulator, reconnect_most_s=0.1) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        resting = accepted(strategy)
        for number in range(FLAPS):
            kind = ("private", "trade")[number % 2]
            known = sockets(stack, kind)
            stack.control.close_sockets(kind, account=stack.account)
            until(partial(connected_again, stack, kind, known), f"{kind} reconnected")
        until(lambda: strategy.events()[-1:] == ["resynced"], lambda: str(strategy.events()))
        rows = stack.ledger().connections
        live = Counter(row["role"] for row in rows if row["closed_ms"] is None)
        assert live == Counter({"private": 1, "trade": 1})
        assert len(rows) == FLAPS + 2, "one connect for each that was lost"
        opened = sorted(row["opened_ms"] for row in stack.control.ledger().connections)
        for first, later in zip(opened, opened[limit.count :], strict=False):
            assert later - first > limit.period_s * 800, "more connects than the venue allows"
        assert stack.ledger().throttled == 0, "the venue never had to say no"
        assert strategy.of(resting) == ["pending", "accepted"]
        assert strategy.results(accepted(strategy)) == []
        stack.check(strategy)


# --- D11 ----------------------------------------------------------------------------------------


class Load:
    """Places orders one after another, each once its last was answered, until it is stopped."""

    def __init__(self, strategy: Recorder) -> None:
        self.strategy = strategy
        self.oids: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for terms in itertools.cycle(({}, {"type": "MARKET"}, {"type": "MARKET", "side": "SELL"})):
            if self._stop.is_set():
                return
            oid = self.strategy.buy(**terms)
            self.oids.append(oid)
            until(partial(self.strategy.of, oid), f"an answer about {oid}")

    def stop(self) -> list[str]:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.oids


def test_d11_a_planned_rotation_under_load_loses_no_intent(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator, pacing=False) as stack:
        stack.start_worker()
        names = ("alpha", "beta", "gamma")
        strategies = [stack.start_strategy(name) for name in names]
        kinds = ("trade", "private")
        old = {kind: sockets(stack, kind) for kind in kinds}
        loads = [Load(strategy) for strategy in strategies]
        until(lambda: all(len(load.oids) > 5 for load in loads), "intents flow")
        for kind in kinds:
            stack.control.notice(kind, account=stack.account, after_ms=1_500)
        for kind in kinds:
            until(partial(connected_again, stack, kind, old[kind]), f"a new {kind} socket")
        old_ones = set().union(*old.values())
        until(lambda: not old_ones & live(stack), "the old sessions went")
        at_rotation = [len(load.oids) for load in loads]
        until(
            lambda: all(
                len(load.oids) > count + 5 for load, count in zip(loads, at_rotation, strict=True)
            ),
            "intents flow on",
        )
        oids = [load.stop() for load in loads]
        for strategy, mine in zip(strategies, oids, strict=True):
            assert all(strategy.results(oid) == [] for oid in mine), "a plain success each"
        requests = stack.ledger().requests
        assert {row["transport"] for row in requests} == {"ws"}, "none had to go by REST"
        assert len({row["connection"] for row in requests}) == 2, "before and after the rotation"
        assert len(requests) == sum(map(len, oids))
        assert "disconnected" not in strategies[0].events()
        stack.check(*strategies)


# --- D12 ----------------------------------------------------------------------------------------


@every_venue
def test_d12_a_silently_dead_private_stream_is_found_and_nothing_is_lost(
    redis_url: str, simulator: RunningSimulator, venue: VenueUnderTest
) -> None:
    quick = {"ping_after_s": 0.4, "dead_after_s": 1.2}
    with running_stack(redis_url, simulator, venue=venue, options=quick) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        filled, partly, canceled, kept = (
            accepted(strategy, amount=Decimal("0.003")) for _ in range(4)
        )
        stack.wait_audited()
        known = sockets(stack, "private")
        assert stack.control.half_open("private", account=stack.account) == 1
        stack.control.fill_order(filled, account=stack.account, amount="0.001")
        stack.control.fill_order(filled, account=stack.account)
        stack.control.fill_order(partly, account=stack.account, amount="0.001")
        stack.control.cancel_order(canceled, account=stack.account)
        # Acknowledged on the other socket, if there is one, while its pushes go nowhere.
        during = strategy.buy()
        until(partial(connected_again, stack, "private", known), "it was found dead and replaced")
        until(lambda: "resynced" in strategy.events(), lambda: str(strategy.events()))
        assert [name for name in strategy.events() if name != "connected"][:3] == [
            "disconnected",
            "reconnected",
            "resynced",
        ]
        strategy.wait_for(during, "accepted")
        assert strategy.of(filled)[2:] == ["partially_filled", "filled"]
        assert strategy.of(partly)[2:] == ["partially_filled"]
        assert strategy.of(canceled)[2:] == ["canceled"]
        assert strategy.of(kept) == ["pending", "accepted"]
        if not venue.one_socket:
            assert strategy.results(during) == []
        assert sorted(strategy.diffs()[0]["open_orders_removed"]) == sorted([filled, canceled])
        if venue.positions:
            assert strategy.diffs()[0]["positions_opened"] == [stack.symbol]
        stack.check(strategy)


@pytest.mark.venues(USDM.name, SPOT.name)
def test_d12_a_private_stream_that_the_venue_ends_is_replaced_and_nothing_is_lost(
    stack: Stack,
) -> None:
    """The listen key expires, or the subscription is terminated; the socket stays open."""
    strategy = stack.start_strategy()
    filled, kept = (accepted(strategy, amount=Decimal("0.003")) for _ in range(2))
    stack.wait_audited()
    known = sockets(stack, "private")
    assert stack.control.expire_streams(stack.account) == 1
    stack.control.fill_order(filled, account=stack.account)
    until(partial(connected_again, stack, "private", known), "a new stream")
    until(lambda: "resynced" in strategy.events(), lambda: str(strategy.events()))
    assert strategy.of(filled)[-1] == "filled"
    assert strategy.of(kept) == ["pending", "accepted"]
    stack.control.fill_order(kept, account=stack.account)
    strategy.wait_for(kept, "filled")
    stack.check(strategy)
