"""What the parts of one account's worker share."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from router import outcomes
from router.evidence import Fill, OrderReport
from router.orders import OrderRecord
from router.settings import OrderSettings
from workers.clock import Clock
from workers.inquiry import Inquiry
from workers.metrics import AccountMetrics
from workers.registry import Registry
from workers.rest import RestClient
from workers.rounds import Rounds
from workers.teller import Teller
from workers.venue import Instruments, Venue

log = logging.getLogger(__name__)

_CANCEL_AGAIN_S = 0.2


@dataclass(eq=False)
class Wiring:
    """One account's venue, clock, orders and ways to tell and to ask."""

    account: str
    venue: Venue
    orders: OrderSettings
    clock: Clock
    registry: Registry
    teller: Teller
    inquiry: Inquiry
    rest: RestClient
    instruments: Instruments = field(default_factory=Instruments)
    metrics: AccountMetrics = field(default_factory=AccountMetrics)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failure: asyncio.Future[None] | None = None
    rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        self.rounds = Rounds(self.inquiry, self.clock, self.spawn)

    def find(self, what: OrderReport | Fill) -> OrderRecord | None:
        """Return the order in memory that the venue speaks of; None if there is none."""
        record = self.registry.find(what.symbol, what.client_id, what.venue_id)
        return record if record is not None and self.inquiry.is_ours(record, what) else None

    def absent_from(self, sent_ms: int) -> int:
        """Return from when a "not found" counts for a request sent at ``sent_ms``; of its clock."""
        return outcomes.absent_from(
            sent_ms,
            expiry_ms=self.orders.expiry_ms,
            clock_skew_ms=self.orders.clock_skew_ms,
            visibility_lag_ms=self.orders.visibility_lag_ms,
        )

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run ``work`` beside everything else; its failure ends the worker, loudly."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.error("%s: %s failed", self.account, task.get_name(), exc_info=task.exception())
        if self.failure is not None and not self.failure.done():
            self.failure.set_exception(task.exception() or RuntimeError(task.get_name()))


async def end_tasks(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Return when all tasks have ended; cancel them as often as that takes.

    One ``cancel`` is not enough: redis-py 8.1 now and then swallows one inside a blocking read.
    """
    ended = {task for task in tasks if task.done()}
    left = set(tasks) - ended
    _note_failures(ended, logging.INFO)  # one of them is why the others end: it is told elsewhere
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        _note_failures(ended, logging.WARNING)


def _note_failures(ended: Iterable["asyncio.Task[None]"], level: int) -> None:
    for task in ended:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.log(level, "%s ended with %r", task.get_name(), error)
