"""D. Reconnect: what happened meanwhile is told once, to its owner, and nothing else is."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from router.enums import ExchangeType
from simulator.server import RunningSimulator
from tests.scenarios.stack import FAR_PRICE, VENUE_SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.venues import VenueUnderTest, every_derivative, every_venue

AMOUNT = Decimal("0.001")


@contextmanager
def outage(stack: Stack) -> Iterator[None]:
    """Cut the private socket and keep it away while the block lasts."""
    path = {"path": stack.venue.private_path}
    with stack.control.fault("refuse_connections", match=path):
        stack.cut("private")
        stack.wait_socket("private", "disconnected")
        yield


def resynced(strategy: Recorder, times: int = 1) -> None:
    until(
        lambda: strategy.events().count("resynced") >= times,
        lambda: f"resynced; told: {strategy.events()}",
    )


def open_order(strategy: Recorder, **terms: object) -> str:
    oid = strategy.buy(**terms)
    strategy.wait_for(oid, "accepted")
    return oid


def test_an_order_is_asked_about_until_the_venue_answers(stack: Stack) -> None:
    """The snapshot is answered and lacks the order; what became of it cannot be asked for long."""
    strategy = stack.start_strategy()
    oid = open_order(strategy)
    asking = stack.here | {"op": ["query-order", "orders-history", "fills"]}
    with stack.control.fault("rest_5xx", match=asking, status=503) as fault:
        with outage(stack):
            stack.control.fill_order(oid, account=stack.account)
        resynced(strategy)
        until(lambda: stack.control.hits(fault) > 8, "asked more often than any count of tries")
    strategy.wait_for(oid, "filled")
    stack.check(strategy)


@every_derivative  # spot's pushes and answers may share one socket
@pytest.mark.parametrize("shown", [True, False], ids=["shown before", "never shown"])
def test_an_order_ends_between_two_sockets_while_its_create_is_unanswered(
    redis_url: str, simulator: RunningSimulator, venue: VenueUnderTest, shown: bool
) -> None:
    """The resync leaves it to its answer, which says no more than that it was taken."""
    with running_stack(redis_url, simulator, venue=venue, audit_every_s=0) as stack:
        stack.start_worker()
        stack.wait_resynced()
        strategy = stack.start_strategy()
        place = stack.here | {"op": "order"}
        with stack.control.fault("delay_ack", match=place, delay_ms=3_000):
            if shown:
                oid = open_order(strategy)
            else:
                with stack.control.fault("lose_push", match=stack.here):
                    oid = strategy.buy()
                    until(lambda: stack.ledger().orders, "the order is at the venue")
            with outage(stack):
                stack.control.fill_order(oid, account=stack.account)
            resynced(strategy)
            strategy.wait_for(oid, "filled")
        stack.check(strategy)


@every_venue
def test_d1_the_events_come_once_each_in_order_with_the_diff_before_resynced(stack: Stack) -> None:
    strategy = stack.start_strategy()
    open_order(strategy)
    with outage(stack):
        pass
    resynced(strategy)
    assert [name for name in strategy.events() if name != "connected"] == [
        "disconnected",
        "reconnected",
        "resynced",
    ]
    order = [
        one.what.get("event", "diff") for one in strategy.told if one.name in ("status", "diff")
    ]
    assert order[-3:] == ["reconnected", "diff", "resynced"]
    assert strategy.diffs()[0]["success"] is True
    stack.check(strategy)


def test_d2_a_failing_resync_says_so_clears_nothing_and_is_retried(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(type="MARKET")
    strategy.wait_for(oid, "filled")
    until(lambda: stack.redis.hget(stack.keys.positions, stack.symbol))
    rest = stack.here | {"transport": "rest"}
    with stack.control.fault("rest_5xx", match=rest, status=503, processed=False):
        with outage(stack):
            pass
        until(lambda: "resync_failed" in strategy.events())
        failed = strategy.diffs()[-1]
        assert failed["success"] is False
        assert failed["error"]
        assert stack.redis.hget(stack.keys.positions, stack.symbol)
    resynced(strategy)
    assert strategy.diffs()[-1]["positions_closed"] == []
    stack.check(strategy)


def test_d2_a_socket_replaced_while_a_resync_fails_delays_what_the_outage_hid(stack: Stack) -> None:
    """The replacement begins another resync: who was told of the outage is told of its end."""
    strategy = stack.start_strategy()
    oid = open_order(strategy)
    rest = stack.here | {"transport": "rest"}
    with stack.control.fault("rest_5xx", match=rest, status=503, processed=False) as failing:
        with outage(stack):
            stack.control.cancel_order(oid, account=stack.account)
        until(lambda: stack.control.hits(failing) > 12, "it pauses for long between its tries")
    connected = strategy.events().count("connected")
    stack.control.notice("private", account=stack.account, after_ms=60_000)
    until(lambda: strategy.events().count("connected") > connected, "it was replaced")
    resynced(strategy)
    assert strategy.diffs()[-1]["open_orders_removed"] == [oid]
    stack.check(strategy)


@every_venue
@pytest.mark.parametrize("what", ["canceled", "filled", "partly_filled"])
def test_d3_what_happened_in_the_outage_is_told_once_and_in_the_diff(
    stack: Stack, what: str
) -> None:
    strategy = stack.start_strategy()
    oid = open_order(strategy, amount=Decimal("0.003"))
    with outage(stack):
        if what == "canceled":
            stack.control.cancel_order(oid, account=stack.account)
        else:
            for _ in range(3 if what == "filled" else 1):
                stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
    resynced(strategy)
    diff = strategy.diffs()[-1]
    assert diff["open_orders_removed"] == ([] if what == "partly_filled" else [oid])
    expected = {
        "canceled": ["canceled"],
        "filled": ["partially_filled", "partially_filled", "filled"],
        "partly_filled": ["partially_filled"],
    }[what]
    assert [name for name in strategy.of(oid) if name not in ("pending", "accepted")] == expected
    if what != "canceled" and stack.venue.positions:
        assert diff["positions_opened"] == [stack.symbol]
    stack.check(strategy)


def test_d4_an_order_placed_by_hand_is_external_and_never_fatal(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with outage(stack):
        row = stack.control.place_order(
            stack.account, VENUE_SYMBOL, "buy", AMOUNT, price=FAR_PRICE, client_id="byhand1"
        )
    resynced(strategy)
    [external] = strategy.diffs()[-1]["open_orders_external"]
    assert (external["client_id"], external["eid"]) == ("byhand1", row["venue_id"])
    oid = open_order(strategy)
    assert strategy.diffs()[-1]["open_orders_added"] == []
    assert oid in strategy.cache.get_open_orders(stack.symbol)
    stack.check(strategy)


@every_venue
def test_d5_an_order_missing_from_a_stale_snapshot_stays_open(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = open_order(strategy)
    with stack.control.fault(
        "visibility_lag", delay_ms=1_000_000, match=stack.here | {"op": "orders-pending"}
    ):
        with outage(stack):
            pass
        resynced(strategy)
    assert strategy.diffs()[-1]["open_orders_removed"] == []
    assert strategy.of(oid) == ["pending", "accepted"]
    assert oid in strategy.cache.get_open_orders(stack.symbol)
    stack.check(strategy)


@every_venue
@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_d5_an_end_that_a_stale_snapshot_hides_is_told_by_the_audit(stack: Stack, end: str) -> None:
    """Its push came before we listened again, and the list shows it as it was: open."""
    strategy = stack.start_strategy()
    oid, other = open_order(strategy), open_order(strategy)
    then_ms = stack.control.health()["now_ms"]
    until(lambda: stack.control.health()["now_ms"] > then_ms)
    with stack.control.fault("stale_snapshot", as_of_ms=then_ms, match=stack.here) as stale:
        with outage(stack):
            if end == "filled":
                stack.control.fill_order(oid, account=stack.account)
            else:
                stack.control.cancel_order(oid, account=stack.account)
        resynced(strategy)
        assert stack.control.hits(stale)
        assert strategy.of(oid) == ["pending", "accepted"]
        assert strategy.diffs()[-1]["open_orders_removed"] == []
    strategy.wait_for(oid, end)
    assert strategy.events().count("resynced") == 1
    assert strategy.of(other) == ["pending", "accepted"]
    stack.check(strategy)


@every_venue
@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_an_end_that_was_never_pushed_is_found_by_an_audit(
    redis_url: str, simulator: RunningSimulator, venue: VenueUnderTest, end: str
) -> None:
    """The socket lives, so there is no reconnect that would show it."""
    with running_stack(redis_url, simulator, venue=venue, audit_every_s=0.2) as stack:
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        oid, other = open_order(strategy), open_order(strategy)
        with stack.control.fault("lose_push", match=stack.here):
            if end == "filled":
                stack.control.fill_order(oid, account=stack.account)
            else:
                stack.control.cancel_order(oid, account=stack.account)
            strategy.wait_for(oid, end)
        assert "disconnected" not in strategy.events()
        assert strategy.of(other) == ["pending", "accepted"]
        stack.check(strategy)


@every_venue
def test_an_audit_ends_no_order_that_queries_do_not_show_yet(
    redis_url: str, simulator: RunningSimulator, venue: VenueUnderTest
) -> None:
    """Lists and queries by id lag behind what the venue has acknowledged and pushed."""
    with running_stack(redis_url, simulator, venue=venue, audit_every_s=0.05) as stack:
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        with stack.control.fault("visibility_lag", delay_ms=1_500, match=stack.here):
            oid = open_order(strategy)
        [row] = stack.ledger().orders
        until(lambda: stack.control.health()["now_ms"] > row["created_ms"] + 1_700)
        assert stack.ledger().orders[0]["state"] == row["state"], "it is open all the time"
        assert strategy.of(oid) == ["pending", "accepted"]
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "canceled")
        stack.check(strategy)


def test_d6_the_largest_grace_holds_and_a_negative_one_is_refused(stack: Stack) -> None:
    wishes = {"alpha": 150, "beta": 600}
    strategies = {}
    for name, grace_ms in wishes.items():
        recorder = Recorder()
        recorder.begin = lambda one, ms=grace_ms: one.set_reconnect_reconcile_grace_ms(
            ExchangeType.OKX, ms
        )
        strategies[name] = stack.start_strategy(name, recorder)
    with pytest.raises(ValueError, match="grace_ms must be >= 0"):
        strategies["alpha"].set_reconnect_reconcile_grace_ms(ExchangeType.OKX, -1)
    oid = open_order(strategies["alpha"])
    with outage(stack):
        stack.control.cancel_order(oid, account=stack.account)
    resynced(strategies["alpha"])
    at_ms = {  # as the worker wrote them: a busy strategy hears of both at once
        one.what["event"]: one.what["timestamp"]
        for one in strategies["alpha"].told
        if one.name == "status"
    }
    assert at_ms["resynced"] - at_ms["reconnected"] >= wishes["beta"] - 2  # two roundings
    stack.check(*strategies.values())


def test_d7_unchanged_orders_are_not_told_again(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oids = [open_order(strategy) for _ in range(3)]
    for times in (1, 2):
        with outage(stack):
            pass
        resynced(strategy, times)
    for oid in oids:
        assert strategy.of(oid) == ["pending", "accepted"]
    assert all(diff["open_orders_added"] == [] for diff in strategy.diffs())
    stack.check(strategy)


@every_derivative
def test_d9_a_position_flattened_meanwhile_is_cleared(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(type="MARKET")
    strategy.wait_for(oid, "filled")
    until(lambda: stack.redis.hget(stack.keys.positions, stack.symbol))
    with outage(stack):
        venue = stack.venue
        stack.control.set_position(stack.account, venue.venue_symbol, 0, venue=venue.name)
    resynced(strategy)
    assert strategy.diffs()[-1]["positions_closed"] == [stack.symbol]
    assert not stack.redis.hget(stack.keys.positions, stack.symbol)
    stack.check(strategy)


def trade_sockets(stack: Stack) -> list[str]:
    return [
        row["connection"]
        for row in stack.control.connections()
        if (row["account"], row["role"]) == (stack.account, "trade")
    ]


def test_d11_a_service_notice_loses_no_intent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    [before] = trade_sockets(stack)
    stack.control.notice("trade", account=stack.account, after_ms=3_000)
    oids = [strategy.buy() for _ in range(20)]
    for oid in oids:
        strategy.wait_for(oid, "accepted")
        assert strategy.results(oid) == []
    until(lambda: before not in trade_sockets(stack), "the venue has cut the old session")
    last = open_order(strategy)
    assert strategy.results(last) == []
    stack.check(strategy)


def test_d13_each_diff_names_its_own_orders_and_all_get_the_events(stack: Stack) -> None:
    alpha, beta = stack.start_strategy("alpha"), stack.start_strategy("beta")
    mine, other = open_order(alpha), open_order(beta)
    with outage(stack):
        stack.control.cancel_order(mine, account=stack.account)
        stack.control.cancel_order(other, account=stack.account)
    for strategy in (alpha, beta):
        resynced(strategy)
    assert alpha.diffs()[-1]["open_orders_removed"] == [mine]
    assert beta.diffs()[-1]["open_orders_removed"] == [other]
    assert alpha.events()[-3:] == beta.events()[-3:]
    stack.check(alpha, beta)
