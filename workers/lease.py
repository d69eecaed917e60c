"""The account's lease: who may send. Kept by renewal, trusted by our own monotonic clock only.

Invariants:
1. ``may_send`` is false before the lease can have expired on the server, so a paused or cut-off
   owner stops before a standby can begin (E2).
2. ``may_send`` is false from when a renewal tells that Redis is another server than before until it
   is known what that server lacks.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

import redis.asyncio
import redis.exceptions

from router import functions
from router.errors import LeaseLost
from router.keyspace import AccountKeys
from workers.clock import Clock
from workers.outbox import NO_ANSWER, answer_in_time, persistently

log = logging.getLogger(__name__)

_SAFETY = 0.8  # of the ttl: we stop this early
_AGAIN_S = 0.5
_LEAST_WAIT_MS = 20
#: A standby asks again after this long: less than a call may take (``ANSWER_WITHIN_S``).
_MOST_WAIT_MS = 2_000


class Lease:
    """One account's lease, seen from one worker."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: AccountKeys,
        clock: Clock,
        *,
        ttl_ms: int,
        known: int = 0,
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._good_until_ms = 0
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.epoch = 0
        self.known = known
        """The highest epoch that we know of: a server that lost its data must not repeat it."""
        self._patient = False
        self._taking = False
        self._acquisitions = 0
        self.holder = ""
        self.recovering = False
        """Whether Redis forgot us and what we know is being written back: nothing may be sent."""
        self.on_forgotten: Callable[[int], None] = self._lost
        """Called when Redis knows only an older epoch than this one."""
        self.on_missing: Callable[[], None] = lambda: None
        """Called when the server lacks the functions."""
        self.on_other_server: Callable[[str], None] = lambda server: None
        """Called, each time that the lease is renewed, with the server that Redis is now while that
        is another than ``server``."""
        self.server = ""
        """The server, by its run id, that is known to have all that we know."""
        self._found = ""
        self.forgotten = False
        """Whether Redis knew nothing of earlier owners when we began."""
        self.moved = False
        """Whether this server may lack what was written last: the last owner knew another one, or
        we know an epoch that this one does not."""
        self.before_ended_ms: int | None = None
        """When the lease before ours ended, by the server's clock; None if that is not known."""

    def __repr__(self) -> str:
        return f"Lease({self._keys.account}, epoch={self.epoch}, may_send={self.may_send()})"

    def may_send(self) -> bool:
        """Whether the lease is certainly ours now."""
        return not self.recovering and self._clock.monotonic_ms() < self._good_until_ms

    async def acquire(self) -> None:
        """Return once this worker owns the account; wait as a standby while another does."""
        self._acquisitions += 1
        while True:
            asked_ms = self._clock.monotonic_ms()
            try:
                reply = await self._call("acquire")
            except NO_ANSWER as error:
                log.warning("%s: Redis does not answer: %r", self._keys.account, error)
                await asyncio.sleep(_AGAIN_S)
                continue
            if reply[0] == "owner":
                self.holder = self.owner
                self.before_ended_ms = int(reply[3]) if reply[3] else None
                self.forgotten = not reply[4]
                # A server that forgot an epoch we know of may lack what its owner was given, too.
                self.moved = self.known > 0 if self.forgotten else reply[5] != reply[6]
                self.epoch = self.known = int(reply[1])
                self.server = reply[5]
                self._met(self.server)
                self._extend(asked_ms, int(reply[2]))
                log.info("%s: owner with epoch %d", self._keys.account, self.epoch)
                return
            if reply[0] == "forgotten":
                # The last owner still knows what Redis lost: let it write that back.
                self._patient = False
                await asyncio.sleep(self._ttl_ms / 1000)
                continue
            self.known, self._patient = max(self.known, int(reply[3])), True
            if self.holder != reply[1]:
                self.holder = reply[1]
                log.info("%s: owned by %s; standing by", self._keys.account, self.holder)
            await self._given_up(within_ms=int(reply[2]))

    async def take_again(self) -> None:
        """Own the account again on a server that forgot us.

        Raises:
            LeaseLost: If another worker owned it since, or does.
        """
        asked_ms, epoch = self._clock.monotonic_ms(), self.epoch
        self._taking = True
        self._acquisitions += 1
        try:
            reply = await persistently(lambda: self._call("acquire"))
        finally:
            self._taking = False
        if reply[0] != "owner":
            raise LeaseLost(self._keys.account, epoch, int(reply[3]))
        self.epoch = self.known = int(reply[1])
        self.server = reply[5]
        self._met(self.server)
        self._extend(asked_ms, int(reply[2]))
        if int(reply[4] or 0) > epoch:
            raise LeaseLost(self._keys.account, epoch, int(reply[4]))

    def _lost(self, epoch: int) -> None:
        raise LeaseLost(self._keys.account, epoch, 0)

    async def _given_up(self, *, within_ms: int) -> None:
        """Return when the lease was given up, or may have ended by then."""
        wait_ms = min(max(within_ms, _LEAST_WAIT_MS), _MOST_WAIT_MS)
        try:
            await answer_in_time(self._client.blpop([self._keys.handover], timeout=wait_ms / 1000))
        except NO_ANSWER as error:
            log.warning("%s: Redis does not answer: %r", self._keys.account, error)
            await asyncio.sleep(_AGAIN_S)
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError  # redis-py swallowed it

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LeaseLost: If another worker took the account.
        """
        while True:
            await asyncio.sleep(self._ttl_ms / 3000)
            try:
                async with asyncio.timeout(self._ttl_ms / 2000):
                    await self.renew()
            except (redis.exceptions.RedisError, TimeoutError) as error:
                log.warning("%s: the lease was not renewed: %s", self._keys.account, error)
                if functions.is_missing(error):
                    self.on_missing()

    async def renew(self) -> None:
        """Renew once, and notice what Redis has forgotten.

        Raises:
            LeaseLost: If another worker took the account.
            RedisError, TimeoutError: If Redis did not answer, or lacks the functions.
        """
        asked_ms, epoch = self._clock.monotonic_ms(), self.epoch
        reply = await self._call("renew")
        if self._taking or self.epoch != epoch:
            return  # taken again meanwhile: the newer epoch is our own
        if reply[0] != "owner":
            self._good_until_ms = 0
            if int(reply[1]) >= epoch:
                raise LeaseLost(self._keys.account, epoch, int(reply[1]))
            self.on_forgotten(epoch)
            return
        self._met(reply[3])
        self._extend(asked_ms, int(reply[2]))
        if self._found != self.server:
            self.recovering = True  # at once: what it lacks must not be sent again
            self.on_other_server(self._found)

    def _met(self, server: str) -> None:
        """Take note of the server that answered; another one has a clock of its own."""
        if self._found != server:
            self._found = server
            self._clock.doubt_redis()

    def recovered(self) -> None:
        """Send again, unless Redis has become yet another server meanwhile."""
        self.recovering = self._found != self.server

    async def release(self) -> None:
        """Give the lease up at once, so that a standby need not wait for its end."""
        self._good_until_ms = 0
        try:
            async with asyncio.timeout(1):
                await self._call("release")
        except (redis.exceptions.RedisError, TimeoutError) as error:
            log.warning("%s: the lease was not released: %s", self._keys.account, error)

    def _extend(self, asked_ms: int, server_ms: int) -> None:
        # Counted from before the question: the server's clock started no earlier.
        self._good_until_ms = asked_ms + int(self._ttl_ms * _SAFETY)
        self._clock.learn_redis(server_ms, self._clock.monotonic_ms() - asked_ms)

    async def _call(self, action: str) -> Any:
        call = functions.lease(
            self._keys,
            action,
            owner=self.owner,
            epoch=self.known if action == "acquire" else self.epoch,
            ttl_ms=self._ttl_ms,
            host=socket.gethostname(),
            pid=os.getpid(),
            patient=self._patient,
            once=f"{self.owner}/{self._acquisitions}",
        )
        return await answer_in_time(self._client.fcall(*call.fcall()))
