"""Reads the intents of all strategies, many at a time, and the control stream with them.

Delivery is the claim: an entry in the group's pending list under a consumer named after an epoch
may have been sent by that epoch. Entries of earlier epochs go to the ladder, never to the socket;
entries of this epoch whose read reply was lost are found in our own pending list and sent. A
blocked read of a worker since superseded, or of a connection since lost, may still be given an
entry: so the owner looks for those of others and of its own again and again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import redis.asyncio
import redis.exceptions

from router.keyspace import GROUP, AccountKeys
from workers.line import Line, pack
from workers.outbox import NO_ANSWER, persistently, until_answered

log = logging.getLogger(__name__)

BLOCK_MS = 1_000
_LEASE_PAUSE_S = 0.05
_CLAIMED_TOGETHER = 500
Entry = tuple[str, Mapping[str, str]]
OnIntents = Callable[[str, list[Entry]], Awaitable[None]]
OnControl = Callable[[str, list[Entry]], Awaitable[None]]
"""Takes notes to the owner with the stream that they came by: not everybody may write to each."""


class Intake:
    """The reading side of one account."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: AccountKeys,
        epoch: int,
        *,
        count: int,
        on_intents: OnIntents,
        on_inherited: OnIntents,
        on_control: OnControl,
        after_read: Callable[[], Awaitable[None]],
        may_read: Callable[[], bool],
        look_every_s: float,
        forgotten: Callable[[int], Awaitable[bool]],
        same_server: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._keys = keys
        self._epoch = epoch
        self._count = count
        self._on_intents = on_intents
        self._on_inherited = on_inherited
        self._on_control = on_control
        self._after_read = after_read
        self._may_read = may_read
        self._look_every_s = look_every_s
        self._forgotten = forgotten
        self._same_server = same_server
        self._look_back = False
        self._notes = (keys.control, keys.arrivals)
        self._strategies: dict[str, str] = {}  # stream → strategy
        self._line = Line(client)
        self._packed: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"Intake({self._keys.account}, {len(self._strategies)} strategies)"

    def watch(self, strategies: Iterable[str]) -> None:
        """Read these strategies' intents from the next read on."""
        self._strategies = {self._keys.intents(name): name for name in strategies}
        self._packed.clear()

    @property
    def _consumer(self) -> str:
        return f"epoch-{self._epoch}"

    def serve_epoch(self, epoch: int) -> None:
        """Read as this epoch from the next read on."""
        self._epoch = epoch
        self._packed.clear()

    async def inherit(self) -> None:
        """Take over the entries that other epochs were given and did not settle."""
        _, others = await self._pending()
        for strategy in others:
            await self._inherit(strategy)

    async def inherit_all(self) -> None:
        """Take over what waits as well: the last owner may have been given it by a lost server.

        It is read as somebody else and inherited from there: what a lost or late reply held is then
        never taken for an entry of ours that was given to nobody before.
        """
        while notes := await persistently(lambda: self._read_waiting(self._notes, self._consumer)):
            for stream, entries in text_entries(notes):
                await self._on_control(stream, entries)
        nobody = f"waited-{self._epoch}"
        while await persistently(lambda: self._read_waiting(self._strategies, nobody)):
            pass
        await self.inherit()

    async def look_again(self) -> None:
        """Take what was given to others, and to reads of our own that nobody awaits any more.

        Others' first: what they were given may be an order that an entry of ours wants to cancel.
        """
        own, others = await self._pending()
        for strategy in others:
            await self._inherit(strategy)
        for stream in own:
            await self._recover(stream)

    async def _pending(self) -> tuple[list[str], list[str]]:
        """Return the streams with entries pending under us, the strategies with others' entries."""
        streams = [*self._notes, *self._strategies]

        async def ask() -> Any:
            pipeline = self._client.pipeline(transaction=False)
            for stream in streams:
                pipeline.xpending(stream, GROUP)
            return await pipeline.execute()

        own, others = [], []
        for stream, pending in zip(streams, await persistently(ask), strict=True):
            names = {one["name"] for one in pending["consumers"]} if pending["pending"] else set()
            if self._consumer in names:
                own.append(stream)
            if names - {self._consumer} and stream in self._strategies:
                others.append(self._strategies[stream])
        return own, others

    async def _inherit(self, strategy: str) -> None:
        """Take the entries of a strategy's stream that are pending under others, in their order."""
        stream, start = self._keys.intents(strategy), "-"
        while True:
            page = await persistently(
                lambda at=start: self._client.xpending_range(  # type: ignore[misc]
                    stream, GROUP, at, "+", _CLAIMED_TOGETHER
                )
            )
            others: Any = [one["message_id"] for one in page if one["consumer"] != self._consumer]
            if others:
                await self._on_inherited(strategy, await self._claim(stream, others))
            if len(page) < _CLAIMED_TOGETHER:
                return
            start = f"({page[-1]['message_id']}"

    async def _claim(self, stream: str, ids: Any) -> list[Entry]:
        """Return these entries, now ours.

        By their ids, not all that others have: claimed twice because the first reply was lost, they
        are the same.
        """
        claimed = await persistently(
            lambda: self._client.xclaim(stream, GROUP, self._consumer, 0, ids)
        )
        return [(entry_id, _fields(raw)) for entry_id, raw in claimed if raw]

    async def run(self) -> None:
        """Read until cancelled; look for entries of others in between."""
        try:
            while True:
                epoch = self._epoch
                try:
                    await self._read_on()
                except redis.exceptions.ResponseError:
                    # The groups are gone: with everything else, or somebody removed them by hand.
                    if not await self._forgotten(epoch):
                        raise
        finally:
            await self._line.close()

    async def _read_on(self) -> None:
        looked_s = 0.0
        await persistently(self._same_server)
        while True:
            if not self._may_read():
                await asyncio.sleep(_LEASE_PAUSE_S)  # what we would claim now nobody would send
                continue
            if self._look_back:
                await self._recover_own()
            try:
                reply = await self._read(BLOCK_MS)
            except NO_ANSWER as error:
                log.warning("%s: reading intents failed: %r", self._keys.account, error)
                await asyncio.sleep(_LEASE_PAUSE_S)
                # Another server may have forgotten what we were given: then it comes back first.
                await persistently(self._same_server)
                self._look_back = True
                continue
            if (task := asyncio.current_task()) is not None and task.cancelling():
                # redis-py swallowed it; what was just claimed is found by the next epoch.
                raise asyncio.CancelledError
            await self._take(reply)
            if not reply or time.monotonic() - looked_s > self._look_every_s:
                looked_s = time.monotonic()
                await self.look_again()

    async def _recover_own(self) -> None:
        """Take the entries that were given to us in a reply that never arrived."""
        for stream in (*self._notes, *self._strategies):
            await self._recover(stream)
        self._look_back = False

    async def _recover(self, stream: str) -> None:
        """Take a stream's entries that are pending under us; those taken before are known."""
        start = "0"
        while True:
            reply = await until_answered(lambda at=start: self._read_own(stream, at))  # type: ignore[misc]
            [(_, entries)] = reply.items() if isinstance(reply, dict) else reply
            if not entries:
                return
            start = entries[-1][0]
            await self._take(reply)

    async def _read_own(self, stream: str, start: str) -> Any:
        """Return a reply of a stream's entries that are pending under us.

        Raises:
            ConnectionError, TimeoutError: If none came, once it is known whether Redis is the
                server that it was: the connection opened next is the one that new entries are read
                on.
        """
        try:
            return await self._line.ask(self._pack([stream], start, self._consumer))
        except NO_ANSWER:
            await persistently(self._same_server)
            raise

    async def _read(self, block_ms: int) -> Any:
        """Return a reply of new entries; the command's bytes change with the strategies only."""
        packed = self._packed.get(block_ms)
        if packed is None:
            streams = [*self._notes, *self._strategies]
            packed = self._pack(streams, ">", self._consumer, block_ms)
            self._packed[block_ms] = packed
        return await self._line.ask(packed)

    async def _read_waiting(self, streams: Iterable[str], consumer: str) -> Any:
        """Give the consumer what waits in these streams; return it, nothing if nothing waits."""
        if not (named := list(streams)):
            return None
        return await self._line.ask(self._pack(named, ">", consumer))

    def _pack(
        self, streams: list[str], start: str, consumer: str, block_ms: int | None = None
    ) -> bytes:
        block = [] if block_ms is None else ["BLOCK", block_ms]
        return pack(
            (
                *("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", self._count, *block),
                *("STREAMS", *streams, *([start] * len(streams))),
            )
        )

    async def _take(self, reply: Any) -> None:
        for stream, entries in text_entries(reply):
            if stream in self._notes:
                await self._on_control(stream, entries)
            elif stream in self._strategies:
                await self._on_intents(self._strategies[stream], entries)
        # All that one read brought leaves together, whichever strategies it is from.
        await self._after_read()


def text_entries(reply: Any) -> list[tuple[str, list[Entry]]]:
    """Return an XREADGROUP reply as (stream, entries); deleted entries are left out."""
    if not reply:
        return []
    pairs = reply.items() if isinstance(reply, dict) else reply
    return [
        (
            stream,
            [(entry_id, _fields(fields)) for entry_id, fields in entries if fields],
        )
        for stream, entries in pairs
    ]


def _fields(raw: Any) -> dict[str, str]:
    """Return an entry's fields, whether the client gave a dict or a flat list."""
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))
