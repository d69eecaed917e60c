"""Redis lost its data under a living owner: memory is written back, the venue asked, we go on.

Invariants:
1. From the loss on nothing is sent and no intent is read, until every order that memory holds
   stands in Redis again, with its key, and the venue was asked what is open.
2. Only the owner that the server forgot does this. Did anybody own the account since, it ends.
3. What was learned meanwhile waits in the outbox and follows what is written back.
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
from workers.outbox import persistently
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_AT_ONCE = 200
_AGAIN_S = 0.5


class Recovery:
    """One owner's way back after its Redis was emptied."""

    def __init__(
        self,
        wiring: Wiring,
        client: Any,
        keys: AccountKeys,
        lease: Lease,
        *,
        load_functions: Callable[[], Awaitable[None]],
        taken_again: Callable[[int], Awaitable[None]],
        reconcile: Callable[[], Awaitable[None]],
    ) -> None:
        self._on = wiring
        self._client = client
        self._keys = keys
        self._lease = lease
        self._load_functions = load_functions
        self._taken_again = taken_again
        self._reconcile = reconcile
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
            log.error("%s: Redis lost its data; writing back what is known", self._on.account)
            self._lease.recovering = True
            await self._have_functions()
            await self._lease.take_again()
            await self._write_back()
            await self._taken_again(self._lease.epoch)
        self._on.spawn(self._go_on(), "recovery from the venue")

    async def _have_functions(self) -> None:
        while True:
            try:
                return await self._load_functions()
            except RedisUnavailable as error:
                log.warning("%s: %s", self._on.account, error)
                await asyncio.sleep(_AGAIN_S)

    async def _go_on(self) -> None:
        await self._reconcile()
        self._lease.recovering = False
        log.warning("%s: recovered; serving again", self._on.account)

    async def _write_back(self) -> None:
        if why := self.halted():
            await persistently(lambda: self._client.set(self._keys.halt, why))
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
        if isinstance(reply, redis.exceptions.ResponseError):
            log.error("%s: %s could not be written back: %s", self._on.account, oid, reply)
        elif isinstance(reply, Exception):
            raise reply
        elif reply[0] == "fenced":
            raise LeaseLost(self._on.account, self._lease.epoch, int(reply[1]))
        elif reply[1]:
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
