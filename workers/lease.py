"""The account's lease: who may send. Kept by renewal, trusted by our own monotonic clock only.

Invariant: ``may_send`` is false before the lease can have expired on the server, so a paused or
cut-off owner stops before a standby can begin (E2).
"""

import asyncio
import logging
import os
import secrets
import socket
from typing import Any

import redis.asyncio
import redis.exceptions

from router import functions
from router.errors import LeaseLost
from router.keyspace import AccountKeys
from workers.clock import Clock
from workers.outbox import NO_ANSWER, answer_in_time

log = logging.getLogger(__name__)

_SAFETY = 0.8  # of the ttl: we stop this early


class Lease:
    """One account's lease, seen from one worker."""

    def __init__(
        self, client: "redis.asyncio.Redis", keys: AccountKeys, clock: Clock, *, ttl_ms: int
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._good_until_ms = 0
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.epoch = 0
        self.holder = ""

    def __repr__(self) -> str:
        return f"Lease({self._keys.account}, epoch={self.epoch}, may_send={self.may_send()})"

    def may_send(self) -> bool:
        """Whether the lease is certainly ours now."""
        return self._clock.monotonic_ms() < self._good_until_ms

    async def acquire(self) -> None:
        """Return once this worker owns the account; wait as a standby while another does."""
        while True:
            asked_ms = self._clock.monotonic_ms()
            try:
                reply = await self._call("acquire")
            except NO_ANSWER as error:
                log.warning("%s: Redis does not answer: %r", self._keys.account, error)
                await asyncio.sleep(0.5)
                continue
            if reply[0] == "owner":
                self.epoch, self.holder = int(reply[1]), self.owner
                self._extend(asked_ms, int(reply[2]))
                log.info("%s: owner with epoch %d", self._keys.account, self.epoch)
                return
            if self.holder != reply[1]:
                self.holder = reply[1]
                log.info("%s: owned by %s; standing by", self._keys.account, self.holder)
            await asyncio.sleep(min(max(int(reply[2]), 20), self._ttl_ms / 3) / 1000)

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LeaseLost: If another worker took the account.
        """
        while True:
            await asyncio.sleep(self._ttl_ms / 3000)
            asked_ms = self._clock.monotonic_ms()
            try:
                async with asyncio.timeout(self._ttl_ms / 2000):
                    reply = await self._call("renew")
            except (redis.exceptions.RedisError, TimeoutError) as error:
                log.warning("%s: the lease was not renewed: %s", self._keys.account, error)
                continue
            if reply[0] != "owner":
                self._good_until_ms = 0
                raise LeaseLost(self._keys.account, self.epoch, int(reply[1]))
            self._extend(asked_ms, int(reply[2]))

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
        # The server looked at its clock somewhere between the question and the answer.
        took_ms = self._clock.monotonic_ms() - asked_ms
        self._clock.redis_offset_ms = server_ms - (self._clock.now_ms() - took_ms // 2)

    async def _call(self, action: str) -> Any:
        call = functions.lease(
            self._keys,
            action,
            owner=self.owner,
            epoch=self.epoch,
            ttl_ms=self._ttl_ms,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        return await answer_in_time(self._client.fcall(*call.fcall()))
