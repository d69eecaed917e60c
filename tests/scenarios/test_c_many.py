"""C19. A thousand sends at once: each ACK finds its own request, whatever order they come in."""

import threading
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from router.settings import OrderSettings
from simulator.client import Ledger, RequestRow
from simulator.server import RunningSimulator
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import FAR_PRICE, SYMBOL, Recorder, Stack, running_stack, until

ORDERS, THREADS = 1_000, 20
#: More than one symbol: the venue takes 500 open orders of each.
TERMS = [
    (SYMBOL, Decimal("0.001"), FAR_PRICE),
    ("ETHUSDT-PERP.OKX", Decimal("0.01"), Decimal("2900")),
    ("BTCUSDT.OKX", Decimal("0.0001"), FAR_PRICE),
]
#: No ACK may be missed and no order expire for want of time on a busy machine.
PATIENT = OrderSettings(ack_timeout_ms=60_000, expiry_ms=30_000, valid_for_ms=60_000)


def singly(strategy: Recorder, first: int, count: int) -> list[str]:
    oids = []
    for number in range(first, first + count):
        symbol, amount, price = TERMS[number % len(TERMS)]
        terms = (symbol, OrderSide.BUY, OrderType.LIMIT, amount, price)
        oids.append(strategy.create_order_ws(*terms))
    return oids


def as_a_batch(strategy: Recorder, first: int, count: int) -> list[str]:
    return strategy.create_batch_orders(
        [
            BatchOrder(symbol, OrderSide.BUY, OrderType.LIMIT, amount, price)
            for symbol, amount, price in (
                TERMS[number % len(TERMS)] for number in range(first, first + count)
            )
        ]
    )


def send_at_once(strategy: Recorder) -> list[str]:
    """Return the oids of all orders, sent by threads that start together, by turns as batches."""
    oids: list[str] = []
    together, share = threading.Barrier(THREADS), ORDERS // THREADS

    def send(number: int) -> None:
        way = as_a_batch if number % 2 else singly
        together.wait(30)
        oids.extend(way(strategy, number * share, share))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return oids


def frames(ledger: Ledger) -> dict[tuple[str, str], list[RequestRow]]:
    """Return the requests by connection and by the id of the frame that they came in."""
    found: dict[tuple[str, str], list[RequestRow]] = defaultdict(list)
    for row in ledger.requests:
        found[row["connection"], row["request_id"]].append(row)
    return found


@pytest.mark.timeout(240)
def test_c19_a_thousand_concurrent_sends_get_a_thousand_matching_acks(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator, orders=PATIENT, pacing=False) as stack:
        stack.start_worker()
        stack.wait_audited()  # it would find what the pushes are late to tell
        strategy = stack.start_strategy()
        with (
            stack.control.fault("lose_push", match=stack.here),
            stack.control.fault("reorder_acks", match=stack.here, hold_ms=200),
        ):
            oids = send_at_once(strategy)
            assert len(set(oids)) == ORDERS
            until(lambda: len(strategy.told) >= ORDERS, "each is acknowledged", 60)
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "each is settled", 60)
        ledger = stack.ledger()
        assert Counter(row["client_id"] for row in ledger.orders) == Counter(oids)
        # No push was seen, so the venue's id can only have come with the ACK.
        eids = {one.what.oid: one.what.eid for one in strategy.told if one.name == "pending"}
        assert eids == {row["client_id"]: row["venue_id"] for row in ledger.orders}
        assert {one.name for one in strategy.told if one.name != "status"} == {"pending"}
        for (connection, request_id), rows in frames(ledger).items():
            assert connection
            assert request_id
            assert_one_frame(rows)
        check_ends(stack, strategy)


def assert_one_frame(rows: list[RequestRow]) -> None:
    """Fail if one id was given to more than one frame: a frame's items follow each other."""
    assert len(rows) == 1 or rows[0]["op"].startswith("batch-"), "an id was used twice"
    assert len(rows) <= 20
    numbers = [row["n"] for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(rows))), "an id was used twice"
    assert len({row["client_id"] for row in rows}) == len(rows)


def check_ends(stack: Stack, strategy: Recorder) -> None:
    """Cancel everything, which every ACK mismatched until now would upset."""
    for symbol, _, _ in TERMS:
        strategy.cancel_all_orders(symbol)
    until(lambda: stack.redis.scard(stack.keys.open("alpha")) == 0, "all have ended", 60)
    until(lambda: not strategy.cache.get_open_orders(include_canceling=True), "all told", 60)
    assert {row["state"] for row in stack.ledger().orders} == {"canceled"}
    for rows in frames(stack.ledger()).values():
        assert_one_frame(rows)
    stack.check(strategy)
