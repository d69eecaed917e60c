"""What the parts of one account's worker share."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from router.settings import OrderSettings
from workers.clock import Clock
from workers.inquiry import Inquiry
from workers.registry import Registry
from workers.rest import RestClient
from workers.teller import Teller
from workers.venue import Instruments, Venue

log = logging.getLogger(__name__)


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
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failure: asyncio.Future[None] | None = None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run ``work`` beside everything else; its failure ends the worker, loudly."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.error("%s: %s failed", self.account, task.get_name(), exc_info=task.exception())
        if self.failure is not None and not self.failure.done():
            self.failure.set_exception(task.exception() or RuntimeError(task.get_name()))

    async def stop(self) -> None:
        """Cancel what still runs."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
