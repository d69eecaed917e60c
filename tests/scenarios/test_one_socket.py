"""A venue that pushes on the trade socket: one session is both, and losing it loses both."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from simulator.server import RunningSimulator
from tests.scenarios.stack import Stack, running_stack, until
from workers.venue import SocketPlan
from workers.venues.okx.session import PRIVATE_CHANNELS
from workers.venues.okx.venue import Okx


@pytest.fixture
def one_socket(
    monkeypatch: pytest.MonkeyPatch, redis_url: str, simulator: RunningSimulator
) -> Iterator[Stack]:
    """A stack whose trade socket subscribes to the private channels; no other private one."""
    trade_socket = Okx.trade_socket

    def with_pushes(venue: Okx) -> SocketPlan:
        return replace(trade_socket(venue), channels=PRIVATE_CHANNELS)

    monkeypatch.setattr(Okx, "trade_socket", with_pushes)
    monkeypatch.setattr(Okx, "private_socket", lambda venue: None)
    with running_stack(redis_url, simulator) as stack:
        stack.start_worker()
        yield stack


def test_an_order_is_sent_and_told_on_one_socket(one_socket: Stack) -> None:
    strategy = one_socket.start_strategy()
    oid = strategy.buy(type="MARKET")
    strategy.wait_for(oid, "filled")
    assert strategy.results(oid) == []
    status = one_socket.redis.hgetall(one_socket.keys.status)
    assert (status["trade"], status["private"]) == ("connected", "connected")
    held = [
        row["role"]
        for row in one_socket.ledger().connections
        if row["closed_ms"] is None and row["account"] == one_socket.account
    ]
    assert held == ["private"], "the simulator calls a socket so that subscribes to pushes"
    one_socket.check(strategy)


def test_losing_it_is_an_outage_of_both_and_is_made_up_for(one_socket: Stack) -> None:
    stack = one_socket
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    with stack.control.fault("refuse_connections", match={"path": "/ws/v5/private"}):
        stack.control.close_sockets("private", account=stack.account)
        until(lambda: stack.redis.hget(stack.keys.status, "private") == "disconnected")
        assert stack.redis.hget(stack.keys.status, "trade") == "disconnected"
        stack.control.cancel_order(oid, account=stack.account)
    until(lambda: "resynced" in strategy.events(), lambda: f"told: {strategy.events()}")
    assert [name for name in strategy.events() if name != "connected"] == [
        "disconnected",
        "reconnected",
        "resynced",
    ]
    assert strategy.diffs()[-1]["open_orders_removed"] == [oid]
    assert strategy.of(oid) == ["pending", "accepted", "canceled"]
    stack.check(strategy)
