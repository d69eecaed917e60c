"""Connections to Redis on which a call is repeated, unchanged, until it is answered or given up.

Every function of the library answers a repetition as it answered first (router/functions.py), so a
lost reply costs time, never a second order. redis-py's own retry is off: its default repeats up to
ten times and cannot say whether anything was sent.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import hiredis
from redis import ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from strategy_sdk.timing import Timing

_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
Command = Sequence[str | int | float]
Replies = list[Any]
#: A failover is under way: the command was refused, not run; another try may reach the new master.
_MOVING = (ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)


class Wire(Protocol):
    """What is used of a redis-py connection."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_packed_command(self, command: Any, check_health: bool = True) -> None: ...
    def read_response(self) -> Any: ...


class LinkLost(Exception):
    """No answer in time; ``sent`` says whether the command may have reached Redis."""

    def __init__(self, sent: bool, cause: Exception) -> None:
        super().__init__(str(cause))
        self.sent = sent


def open_pool(url: str, timing: Timing) -> ConnectionPool:
    """Return how to connect to ``url``, with redis-py's retries off; connects nothing."""
    return ConnectionPool.from_url(
        url,
        protocol=2,  # replies are plain nested lists
        decode_responses=True,
        encoding_errors="replace",  # one unreadable entry must not stop the reader
        retry=None,
        socket_timeout=timing.socket_timeout_s,
        socket_connect_timeout=timing.socket_timeout_s,
    )


def backoff_s(
    first: float, most: float, jitter: Callable[[], float] = random.random
) -> Iterator[float]:
    """Yield delays that double from ``first`` to ``most``, each scaled to between half and all."""
    delay = first
    while True:
        yield delay * (0.5 + jitter() / 2)
        delay = min(most, delay * 2)


class Link:
    """Answers calls from any thread, each on a connection of its own for as long as it takes."""

    def __init__(self, pool: ConnectionPool, timing: Timing) -> None:
        self._pool = pool
        self._retry_for_s = timing.retry_for_s
        self._idle: deque[Wire] = deque()
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"Link({len(self._idle)} idle connections)"

    def call(self, *command: str | int | float) -> Any:
        """Return the answer to one command.

        Raises:
            LinkLost: If none came within the retry time.
            ResponseError: If Redis refused the command.
        """
        reply = self.call_many([command])[0]
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def call_many(self, commands: Sequence[Command]) -> Replies:
        """Return the answers to all commands, sent in one write; refusals stand in their place.

        Raises:
            LinkLost: If not all were answered within the retry time.
        """
        if not commands:
            return []
        give_up_at = time.monotonic() + self._retry_for_s
        pauses = backoff_s(0.01, 0.2)
        sent = False
        while True:
            try:
                return self._attempt(commands)
            except LinkLost as lost:
                sent = sent or lost.sent
                if self._closed.is_set() or time.monotonic() >= give_up_at:
                    raise LinkLost(sent, lost) from lost.__cause__
                time.sleep(next(pauses))

    def close(self) -> None:
        """Close the idle connections; a call under way ends with its try."""
        self._closed.set()
        while self._idle:
            self._idle.pop().disconnect()

    def _attempt(self, commands: Sequence[Command]) -> Replies:
        sent = False
        try:
            connection = self._take()
            sent = True  # from the first byte on it may have arrived
            replies = self.exchange(connection, commands)
        except AuthenticationError:
            raise
        except RedisError as error:  # refusals of the command itself stand among the replies
            self._drop_idle()  # they most likely died with this one
            raise LinkLost(sent, error) from error
        moving = next((reply for reply in replies if isinstance(reply, _MOVING)), None)
        if moving is not None:
            connection.disconnect()
            raise LinkLost(len(commands) > 1, moving) from moving
        if self._closed.is_set():
            connection.disconnect()
        else:
            self._idle.append(connection)
        return replies

    def new_connection(self) -> Wire:
        """Return a connected connection that only the caller uses."""
        # Not by the pool, which counts connections made and refuses the 101st, dead ones included.
        connection: Wire = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()
        return connection

    @staticmethod
    def exchange(connection: Wire, commands: Sequence[Command]) -> Replies:
        """Return the answers of one connection to commands sent in one write."""
        # redis-py's own packing copies every argument once more: 10 µs of a 30-argument FCALL.
        packed = b"".join([_pack(tuple(command)) for command in commands])
        connection.send_packed_command([packed], check_health=False)
        replies: Replies = []
        for _ in commands:
            try:
                replies.append(connection.read_response())
            except ResponseError as refusal:
                replies.append(refusal)
        return replies

    def _take(self) -> Wire:
        try:
            return self._idle.pop()
        except IndexError:
            return self.new_connection()

    def _drop_idle(self) -> None:
        while True:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return
            except RedisError:
                continue
