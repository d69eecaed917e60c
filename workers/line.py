"""One connection to Redis of a part's own, on which packed commands are asked one after the other.

The intake's reads and the outbox's writes are most of a worker's traffic. redis-py connects, with
all that it knows of addresses, TLS and users; then bytes go straight from the transport into
hiredis: its own way through streams, checks and timeouts costs three times as much a question.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
import redis.asyncio
from redis.exceptions import ConnectionError, ResponseError

from router.servers import moved

pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
ANSWER_WITHIN_S = 5.0
"""Longer than any BLOCK, so that an idle read is not taken for a lost server."""
_INCOMPLETE = object()


class _Answers(asyncio.Protocol):
    """Parses what arrives on a connection taken over; one answer is waited for at a time."""

    def __init__(self, connection: Any) -> None:
        encoder, parser = connection.encoder, connection._parser
        self._parsed = hiredis.Reader(
            replyError=parser.parse_error,
            notEnoughData=_INCOMPLETE,
            encoding=encoder.encoding if encoder.decode_responses else None,
            errors=encoder.encoding_errors,
        )
        self.transport: asyncio.Transport = connection._writer.transport
        self._before = self.transport.get_protocol()
        self._answer: asyncio.Future[list[Any]] | None = None
        self._missing = 0
        self._found: list[Any] = []
        self._lost: Exception | None = None
        self.transport.set_protocol(self)

    def asked(self, count: int) -> "asyncio.Future[list[Any]]":
        """Return the ``count`` answers to what is written next.

        Raises:
            ConnectionError: If nothing can be written any more.
        """
        if self._lost is not None:
            raise self._lost
        if self.transport.is_closing():
            # Closed, and its end not told yet: uvloop takes a write now for a mistake of ours.
            raise ConnectionError("the connection to Redis is being closed")
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._missing, self._found = count, []
        return answer

    def data_received(self, data: bytes) -> None:
        self._parsed.feed(data)
        while (found := self._parsed.gets()) is not _INCOMPLETE:
            # What a server says unasked (RESP3's pushes) answers nothing.
            if not isinstance(found, hiredis.PushNotification):
                self._arrived(found)

    def _arrived(self, found: Any) -> None:
        if self._answer is None or self._answer.done():
            return
        self._found.append(found)
        if len(self._found) == self._missing:
            self._answer.set_result(self._found)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = ConnectionError(f"Redis closed the connection: {exc or 'no reason given'}")
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._lost)
        self._before.connection_lost(exc)  # whoever waits for the end of it waits there


class Line:
    """Asks on a connection of its own, opened when needed; used by one task at a time."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client
        self._connection: Any = None
        self._answers: _Answers | None = None

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
            answers = self._answers or await self._open()
            answer = answers.asked(count)
            answers.transport.write(packed)
            late = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, _give_up, answer)
            try:
                found = await answer
            finally:
                late.cancel()
        except BaseException:
            # What was asked may still be answered; nobody may read that as another answer.
            await self.close()
            raise
        for one in found:
            if isinstance(one, ResponseError):
                await self.close()
                raise moved(one) or one
            if isinstance(one, ConnectionError):  # such as LOADING
                await self.close()
                raise one
        return found

    async def _open(self) -> _Answers:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            pool: Any = self._client.connection_pool
            self._connection = await pool.get_connection()
        self._answers = _Answers(self._connection)
        return self._answers

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        self._answers = None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._client.connection_pool.release(connection)


def _give_up(answer: "asyncio.Future[list[Any]]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError(f"no answer within {ANSWER_WITHIN_S:g} s"))
