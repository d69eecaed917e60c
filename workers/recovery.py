"""Redis lost data under a living owner: memory is written back, the venue asked, we go on.

It may have lost all (emptied), or what was written last (a failover, a power loss): then it is
another server than before, by its run id. After an ordinary restart, which lost nothing, looking
shows that, and we go on at once.

Invariants:
1. From the loss on nothing is sent and no intent is read, until every order that memory holds
   stands in Redis again, with its key, and the venue was asked what is open.
2. Only the owner that the server forgot does this. Did anybody own the account since, it ends.
3. What was learned meanwhile waits in the outbox and follows what is written back.
4. Each strategy is told that results are missing: those that it had not read are gone. That is
   made sure of before any order is written back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import redis.exceptions

from router import functions, ids
from router.errors import LeaseLost, RedisUnavailable
from router.keyspace import AccountKeys
from router.orders import OrderRecord
from workers.lease import Lease
from workers.outbox import Outbox, persistently
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_AT_ONCE = 200
_AGAIN_S = 0.5


class _LostAgain(Exception):
    """Redis lost its data or functions once more, while what it had lost was written back."""


class Recovery:
    """One owner's way back after its Redis was emptied."""

    def __init__(
        self,
        wiring: Wiring,
        client: Any,
        keys: AccountKeys,
        lease: Lease,
        outbox: Outbox,
        *,
        load_functions: Callable[[], Awaitable[None]],
        taken_again: Callable[[int], Awaitable[None]],
        reread: Callable[[], Awaitable[None]],
        reconcile: Callable[[], Awaitable[None]],
        skipped: int,
    ) -> None:
        self._on = wiring
        self._client = client
        self._keys = keys
        self._lease = lease
        self._load_functions = load_functions
        self._taken_again = taken_again
        self._outbox = outbox
        self._reread = reread
        self._reconcile = reconcile
        self._reconciling = 0
        self._brought_back = 0  # the epoch under which all was written back last; 0: none
        self._skipped = skipped
        self._one = asyncio.Lock()
        self.halted: Callable[[], str] = lambda: ""
        self.on_repeat: Callable[[str, str], None] = lambda oid, first: None
        """Called with an order that was admitted with a key which Redis had forgotten, and with the
        order whose key it is."""

    def __repr__(self) -> str:
        return f"Recovery({self._on.account}, epoch={self._lease.epoch})"

    def begin(self, epoch: int) -> None:
        """Recover beside everything else: Redis did not know this epoch."""
        self._on.spawn(self.forgotten(epoch), "recovery")

    def look(self, server: str) -> None:
        """Look beside everything else what this server lacks: we knew another one."""
        self._on.spawn(self._moved(server), "look at another server")

    async def noticed(self, epoch: int) -> bool:
        """Return whether Redis had forgotten this epoch; if so, once all is written back.

        Raises:
            LeaseLost: If another worker owned the account since.
        """
        found = await persistently(lambda: self._client.get(self._keys.epoch))
        if self._lease.epoch == epoch and int(found or 0) >= epoch:
            return False
        await self.forgotten(epoch)
        return True

    async def forgotten(self, epoch: int) -> None:
        """Return once what memory holds is written back; at once if it is, since this epoch.

        Raises:
            LeaseLost: If another worker owned the account since.
        """
        async with self._one:
            if self._lease.epoch > epoch:
                return
            log.error("%s: Redis lost data; writing back what is known", self._on.account)
            await self._bring_back()

    async def held(self) -> int:
        """Return our epoch, once nothing is being taken again."""
        async with self._one:
            return self._lease.epoch

    async def confirm(self) -> None:
        """Return once it is known whether Redis is the server that it was.

        Raises:
            LeaseLost: If another worker took the account.
            RedisError, TimeoutError: If Redis did not answer.
        """
        try:
            await self._lease.renew()
        except redis.exceptions.ResponseError as error:
            if not functions.is_missing(error):
                raise
            await self.missing()

    def load(self) -> None:
        """Load the functions beside everything else: the server lacks them."""
        self._on.spawn(self.missing(), "functions")

    async def missing(self) -> None:
        """Return once the server has the functions; nothing is sent until it was looked at."""
        async with self._one:
            self._lease.recovering = True
            await self._have_functions()
            await persistently(self._lease.renew)  # tells what else it lacks
            self._whole()

    async def _moved(self, server: str) -> None:
        """Return once it is known what this server lacks, and that is written back.

        Raises:
            LeaseLost: If another worker owned the account since.
        """
        async with self._one:
            if self._lease.server == server:
                return
            self._lease.recovering = True
            await self._have_functions()
            lost = await self._lost()
            if lost:
                log.error(
                    "%s: Redis is another server and lacks %s; writing back what is known",
                    *(self._on.account, lost),
                )
                await self._bring_back()
                return
            await self._reread()
            self._lease.server = server
            self._whole()
            log.warning("%s: Redis is another server; it lacks nothing", self._on.account)

    async def _lost(self) -> str:
        """Return what the server lacks of what it had taken; "" if nothing.

        Servers lose the end of what was written, never a part in between. So the last batch that
        was answered stands for all before it, and an order that we read for its admission. Before
        the first batch nothing stands for what was written back.
        """
        answered = self._outbox.answered
        if not answered and self._lease.epoch == self._brought_back:
            return "perhaps what was written back"
        applied = await persistently(
            lambda: self._client.hmget(self._keys.applied, "epoch", "batch")
        )
        mine = applied[0] == str(self._lease.epoch)
        if answered > (int(applied[1]) if mine else 0):
            return "outcomes"
        live = list(self._on.registry.live())
        for at in range(0, len(live), _AT_ONCE):
            keys = [self._keys.order(one.strategy, one.oid) for one in live[at : at + _AT_ONCE]]
            there = await persistently(lambda keys=keys: self._client.exists(*keys))  # type: ignore[misc]
            if there < len(keys):
                return "orders"
        return ""

    async def _bring_back(self) -> None:
        self._lease.recovering = True
        while not await self._written_back():
            pass  # Redis lost it once more
        self._brought_back = self._lease.epoch
        await self._taken_again(self._lease.epoch)
        self._reconciling += 1
        self._on.spawn(self._go_on(), "recovery from the venue")

    async def _written_back(self) -> bool:
        """Return whether all is written back; not, after a pause, if Redis lost it meanwhile."""
        await self._have_functions()
        try:
            await self._lease.take_again()
            # First: what is written back counts as told. Should we end halfway, our successor tells
            # none of it again, and nobody would miss it.
            await self._skip_results()
            await self._write_back()
            return True
        except (_LostAgain, redis.exceptions.ResponseError) as error:
            if not isinstance(error, _LostAgain) and not functions.is_missing(error):
                raise
            log.error("%s: writing back once more: %s", self._on.account, error)
        await asyncio.sleep(_AGAIN_S)
        return False

    async def _have_functions(self) -> None:
        while True:
            try:
                return await self._load_functions()
            except RedisUnavailable as error:
                log.warning("%s: %s", self._on.account, error)
                await asyncio.sleep(_AGAIN_S)

    async def _go_on(self) -> None:
        await self._reconcile()
        async with self._one:
            self._reconciling -= 1
            self._whole()
        log.warning("%s: recovered; serving again", self._on.account)

    def _whole(self) -> None:
        """Note that the server has all that we know, and send again; unless more is to be done."""
        if not self._reconciling:
            self._on.teller.hash(self._keys.status, {"server": self._lease.server})
            self._lease.recovered()

    async def _skip_results(self) -> None:
        """Leave a gap in every strategy's numbers, so that it learns that results are missing.

        It names more than were lost: how many those were nobody knows. A halt is kept with it.
        """
        call = functions.gap(
            self._keys,
            self._lease.epoch,
            sorted(self._on.teller.strategies),
            skipped=self._skipped,
            halted=self.halted(),
        )
        reply = await persistently(lambda: self._client.fcall(*call.fcall()))
        self._check_fence(reply)

    def _check_fence(self, reply: Any) -> None:
        """Return if the write was taken.

        Raises:
            LeaseLost: If another worker owned the account since.
            _LostAgain: If the server knows only an epoch before ours.
        """
        if reply[0] != "fenced":
            return
        if int(reply[1]) >= self._lease.epoch:
            raise LeaseLost(self._on.account, self._lease.epoch, int(reply[1]))
        raise _LostAgain(f"Redis knows epoch {reply[1]}, ours is {self._lease.epoch}")

    async def _write_back(self) -> None:
        records = sorted(self._on.registry.all(), key=lambda one: ids.made_ms(one.oid))
        holders = {(one.strategy, one.scope, one.idem): one.oid for one in records if one.idem}
        calls = [
            (one.oid, self._call(one, holds=one.oid == holders.get(_key(one)))) for one in records
        ]
        for at in range(0, len(calls), _AT_ONCE):
            part = calls[at : at + _AT_ONCE]
            replies = await persistently(lambda part=part: self._send(part))  # type: ignore[misc]
            for (oid, _), reply in zip(part, replies, strict=True):
                self._take(oid, reply)
        log.warning("%s: %d orders written back", self._on.account, len(records))

    async def _send(self, part: list[tuple[str, functions.Call]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for _, call in part:
            pipeline.fcall(*call.fcall())
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    def _take(self, oid: str, reply: Any) -> None:
        if isinstance(reply, Exception):
            if not isinstance(reply, redis.exceptions.ResponseError) or functions.is_missing(reply):
                raise reply
            log.error("%s: %s could not be written back: %s", self._on.account, oid, reply)
            return
        self._check_fence(reply)
        if reply[1]:
            self.on_repeat(reply[1], oid)

    def _call(self, record: OrderRecord, *, holds: bool) -> functions.Call:
        """Return the call that writes the order back; ``holds``: its key names it, no later one."""
        return functions.restore(
            self._keys,
            self._lease.epoch,
            record.strategy,
            record.oid,
            record.client_id,
            dict(self._fields(record)),
            key=(
                "@account" if record.scope == "account" else record.strategy,
                record.idem if holds else "",
            ),
            ended_ms=(record.ended_ms or self._on.clock.redis_ms()) if record.ended else None,
            keep_ms=self._on.orders.idempotency_ttl_ms,
            now_ms=self._on.clock.redis_ms(),
        )

    @staticmethod
    def _fields(record: OrderRecord) -> Iterator[tuple[str, str]]:
        yield from record.intent().fields().items()
        yield from record.hash_fields().items()
        yield from record.trade_fields()


def _key(record: OrderRecord) -> tuple[str, str, str]:
    return record.strategy, record.scope, record.idem
