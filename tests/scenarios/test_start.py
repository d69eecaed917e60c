"""A worker's start on an account with many open orders: what it asks for, counted, not timed."""

from collections import Counter
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from tests.scenarios.stack import Stack
from workers.inbox import LOADED_TOGETHER

OPEN = 120
PAGE = 100  # OKX lists so many open orders at a time


def test_open_orders_are_read_together_not_one_by_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 open orders, one exchange with Redis each, took longer than all the rest together."""
    strategy = stack.start_strategy()
    oids = [strategy.buy() for _ in range(OPEN)]
    for oid in oids:
        strategy.wait_for(oid, "accepted")
    stack.workers.pop().stop()
    asked = len(stack.ledger().queries)
    written: list[bytes] = []
    send = AbstractConnection.send_packed_command

    async def noted(connection: Any, command: Any, check_health: bool = True) -> None:
        written.append(b"".join([command] if isinstance(command, bytes) else command))
        await send(connection, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", noted)
    stack.start_worker()
    order = stack.keys.order("alpha", "").encode()
    reads = [one for one in written if b"HGETALL" in one and order in one]
    assert len(reads) == -(-OPEN // LOADED_TOGETHER) == 1
    assert sum(one.count(order) for one in reads) == OPEN
    # What it asked for before, and in, the first reconciliation; pages, not orders.
    strategy.cancel_order_ws(stack.symbol, oids[0])
    strategy.wait_for(oids[0], "canceled")
    stack.wait_connected()
    queries = Counter(row["op"] for row in stack.ledger().queries[asked:])
    assert queries["orders-pending"] <= -(-OPEN // PAGE), queries
    assert queries["query-order"] == 0, "none is asked for by itself"
    assert sum(queries.values()) <= 10, queries
    stack.check(strategy)
