"""One connection to Redis of a part's own, on which packed commands are asked one after the other.

The pool's checks, retries and packing cost as much as a command itself; the intake's reads and the
outbox's writes are most of a worker's traffic, so they go without.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
import redis.asyncio

pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
ANSWER_WITHIN_S = 5.0
"""Longer than any BLOCK, so that an idle read is not taken for a lost server."""


class Line:
    """Asks on a connection of its own, opened when needed; used by one task at a time."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client
        self._connection: Any = None

    def __repr__(self) -> str:
        return f"Line({'open' if self._connection is not None else 'closed'})"

    async def ask(self, packed: bytes) -> Any:
        """Return the answer to one packed command.

        Raises:
            ConnectionError, TimeoutError: If none came in time; it may have been carried out.
            ResponseError: If Redis refused it.
        """
        return (await self._ask(packed, 1))[0]

    async def ask_both(self, first: bytes, second: bytes) -> tuple[Any, Any]:
        """Return the answers to two packed commands, sent in one write; raise as ``ask`` does."""
        answer, other = await self._ask(first + second, 2)
        return answer, other

    async def _ask(self, packed: bytes, count: int) -> list[Any]:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                if self._connection is None:
                    pool: Any = self._client.connection_pool
                    self._connection = await pool.get_connection()
                await self._connection.send_packed_command([packed], check_health=False)
                return [await self._connection.read_response() for _ in range(count)]
        except BaseException:
            # What was asked may still be answered; nobody may read that as another answer.
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._client.connection_pool.release(connection)
