"""What the worker writes to Redis: collected, then one fenced ``apply`` a turn.

What Redis does not take for now waits in memory, and in a spool if there is one (``spool.py``).

While one batch is on its way the next one grows, so the faster orders come the larger batches get.
A batch whose reply was lost is sent again with its number; ``apply`` takes each number once, and
each after the one before it, so that a server that lost an answered batch is found out.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
import redis.exceptions

from router import functions
from router.errors import LeaseLost
from router.keyspace import AccountKeys
from router.outcomes import backoff_s
from workers.line import ANSWER_WITHIN_S, Line, pack
from workers.metrics import AccountMetrics
from workers.spool import Kept, Spool

log = logging.getLogger(__name__)

MOST_OPERATIONS = 1_000
NO_ANSWER = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, TimeoutError)


class Outbox:
    """The one way by which a worker changes Redis."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: AccountKeys,
        epoch: int,
        metrics: AccountMetrics | None = None,
        *,
        replicated: bool = False,
        spool: Spool | None = None,
    ) -> None:
        self._spool = spool or Spool("", keys.account)
        self._writing_first = False
        self._line = Line(client)
        self._wait = pack(functions.WAIT) if replicated else b""
        self._metrics = metrics or AccountMetrics()
        self._begun_s = 0.0  # when the oldest operation not yet on its way was added; 0.0: none
        self._keys = keys
        self._epoch = epoch
        self.forgotten: Callable[[int], Awaitable[None]] = self._lost
        """Returns once a server that forgot this epoch, or what was written in it, knows all again,
        and ours is a newer epoch."""
        self.missing: Callable[[], Awaitable[None]] = self._no_functions
        """Returns once a server that lacked the functions has them."""
        self.held: Callable[[], Awaitable[int]] = self._own_epoch
        """Returns the epoch that is ours, perhaps newer than the one we write as, once a recovery
        that may be taking one has ended."""
        self.answered = 0
        """How many batches of this epoch the server has taken."""
        self._batches: list[functions.Batch] = [functions.Batch()]
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"Outbox(epoch={self.epoch}, written={self.answered}, waiting={self.waiting})"

    @property
    def epoch(self) -> int:
        """The epoch under which it writes."""
        return self._epoch

    def serve_epoch(self, epoch: int) -> None:
        """Write as this epoch from the next try on; its batches are counted from 1."""
        self._epoch, self.answered = epoch, 0

    @property
    def waiting(self) -> int:
        """How many operations are not yet written."""
        return sum(batch.count for batch in self._batches)

    @property
    def batch(self) -> functions.Batch:
        """The batch to add operations to; what is added before the next await is written whole."""
        if not self._begun_s:
            self._begun_s = time.monotonic()
            self._filled.set()
            self._idle.clear()
        return self._batches[-1]

    async def write_first(self, kept: Sequence[Kept]) -> None:
        """Write what an earlier owner could not; before ``run``, and before anything is added.

        Raises:
            LeaseLost: If another worker owns the account.
        """
        calls = [one.call(self._keys, self._epoch, 1 + at) for at, one in enumerate(kept)]
        await self._spool.keep(self._epoch, 1, calls)  # from here on it is ours
        self._spool.remove_others()
        self._writing_first = True
        try:
            for one in kept:
                await self._write(one)
        finally:
            self._writing_first = False
            await self._line.close()
        self._spool.clear()

    async def run(self) -> None:
        """Write batches until cancelled.

        Raises:
            LeaseLost: If another worker owns the account; nothing more was written.
        """
        try:
            while True:
                await self._filled.wait()
                while self._batches[0]:
                    begun_s, batch = self._begun_s, self._take()
                    if not self._batches[0]:
                        self._begun_s = 0.0
                    await self._write(batch)
                    self._metrics.applied.observe(time.monotonic() - begun_s)
                    self._metrics.apply_operations.observe(batch.count)
                self._spool.clear()
                self._filled.clear()
                self._idle.set()
                self._begun_s = 0.0
        except LeaseLost:
            self._spool.clear()  # whoever owns the account now asks the venue
            raise
        finally:
            await self._line.close()

    def _take(self) -> functions.Batch:
        first = self._batches.pop(0)
        if not self._batches:
            self._batches.append(functions.Batch())
        return first

    def cut(self) -> None:
        """Start a new batch once the present one is large, so that no call grows without bound."""
        if self._batches[-1].count >= MOST_OPERATIONS:
            self._batches.append(functions.Batch())

    async def drained(self) -> None:
        """Return when everything added so far is written."""
        await self._idle.wait()

    async def _write(self, batch: functions.Batch | Kept) -> None:
        while (reply := await self._try(batch, self.epoch)) is None:
            pass  # Redis had forgotten us; it knows us again
        self.answered += 1
        for problem in reply[2:]:
            self._metrics.refused_writes.add()
            log.error("%s: Redis refused a write: %s", self._keys.account, problem)

    async def _try(self, batch: functions.Batch | Kept, epoch: int) -> Any:
        call = batch.call(self._keys, epoch, self.answered + 1)
        packed = pack(("FCALL", *call.fcall()))
        try:
            reply = await until_answered(
                lambda: self._ask(packed), lambda: self._keep(epoch, self.answered + 1, call)
            )
        except redis.exceptions.ResponseError as error:
            if not functions.is_missing(error):
                raise
            await self.missing()
            return None
        if reply[0] not in ("fenced", "behind"):
            return reply
        if reply[0] == "fenced" and int(reply[1]) > max(epoch, await self.held()):
            raise LeaseLost(self._keys.account, epoch, int(reply[1]))
        await self.forgotten(epoch)
        return None

    async def _keep(self, epoch: int, number: int, call: functions.Call) -> None:
        """Put what Redis did not take, and all that waits behind it, into the spool."""
        if self._writing_first:
            return  # the spool has it
        waiting = [one for one in self._batches if one]
        later = [one.call(self._keys, epoch, number + 1 + at) for at, one in enumerate(waiting)]
        await self._spool.keep(epoch, number, [call, *later])

    async def _ask(self, packed: bytes) -> Any:
        """Return an apply's answer, once a replica has it where that is promised."""
        if not self._wait:
            return await self._line.ask(packed)
        reply, replicas = await self._line.ask_both(packed, self._wait)
        if not replicas:
            # Nothing to take back: what was written is true, and the venue can tell it again.
            self._metrics.unreplicated.add()
            log.error(
                "%s: no replica has the last outcomes; a failover now forgets them until the venue "
                "is asked again",
                self._keys.account,
            )
        return reply

    async def _own_epoch(self) -> int:
        return self._epoch

    async def _no_functions(self) -> None:
        raise LeaseLost(self._keys.account, self.epoch, 0)

    async def _lost(self, epoch: int) -> None:
        raise LeaseLost(self._keys.account, epoch, 0)


async def answer_in_time(call: Awaitable[Any]) -> Any:
    """Return what a Redis call returns.

    Raises:
        TimeoutError: If no answer came in 5 s; the call may have been carried out.
    """
    async with asyncio.timeout(ANSWER_WITHIN_S):
        return await call


async def persistently(act: Callable[[], Awaitable[Any]]) -> Any:
    """Return what ``act`` returns, repeating it with backoff while Redis is unreachable.

    Only for calls that may be repeated.
    """
    return await until_answered(lambda: answer_in_time(act()))


async def _nothing() -> None:
    """Do nothing between two tries."""


async def until_answered(
    ask: Callable[[], Awaitable[Any]], meanwhile: Callable[[], Awaitable[None]] = _nothing
) -> Any:
    """Return what ``ask`` returns, which ends by itself; repeat it as ``persistently`` does.

    ``meanwhile`` is done after each try without an answer.
    """
    delays = backoff_s(0.02, 1.0, lambda: random.uniform(0.7, 1.3))
    while True:
        try:
            return await ask()
        except NO_ANSWER as error:
            delay_s = next(delays)
            log.warning("Redis does not answer (%r); again in %.2f s", error, delay_s)
            await meanwhile()
            await asyncio.sleep(delay_s)
