"""The teller: what it writes is also what is counted."""

from typing import Any, cast

from router.enums import Exists
from router.keyspace import AccountKeys
from router.orders import OrderRecord
from router.state import State
from tests.workers.samples import record
from workers.metrics import AccountMetrics
from workers.outbox import Outbox
from workers.registry import Registry
from workers.teller import Teller

KEYS = AccountKeys("okx-main")
NOW_MS = 5_000


class Told:
    """A teller whose outbox is never written."""

    def __init__(self, *records: OrderRecord) -> None:
        self.metrics, self.registry = AccountMetrics(), Registry()
        self.outbox = Outbox(cast(Any, None), KEYS, 1)
        for one in records:
            self.registry.add(one)
        self.teller = Teller(
            keys=KEYS,
            outbox=self.outbox,
            registry=self.registry,
            exchange="okx",
            account_type="main",
            epoch=1,
            idempotency_ttl_ms=1_000,
            now_ms=lambda: NOW_MS,
            metrics=self.metrics,
        )


async def test_the_live_orders_are_counted_through_end_and_revival() -> None:
    one = record(idem="k")
    told = Told(one)
    for state, live in ((State.FAILED, 0), (State.ACCEPTED, 1), (State.FILLED, 0)):
        one.state = state
        told.teller.order(one, [])
        assert told.registry.live_count == live


async def test_the_time_without_the_truth_is_measured_once_from_the_sending() -> None:
    lost, never = record("o1", sent_ms=1_000), record("o2", sent_ms=2_000)
    told = Told(lost, never)
    for one in (lost, never):
        one.state = State.UNKNOWN
        told.teller.order(one, [])
    assert told.registry.unknown_count == 2
    lost.state, lost.exists = State.ACCEPTED, Exists.TRUE
    never.state, never.exists = State.FAILED, Exists.FALSE
    for one in (lost, never, lost):
        told.teller.order(one, [])
    assert told.registry.unknown_count == 0
    assert (told.metrics.unknown.count, told.metrics.unknown.total) == (2, 4.0 + 3.0)
    assert told.metrics.unknown_resolved.numbers == {("found",): 1, ("absent",): 1}


async def test_a_dead_letter_is_counted() -> None:
    told = Told()
    told.teller.dead_letter(KEYS.control, "1-0", {"kind": "nonsense"}, "unknown kind")
    assert told.metrics.dead_letters.numbers == {(): 1}
    assert told.outbox.waiting == 1
