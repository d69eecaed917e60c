"""Connections to Redis on which a call is repeated, unchanged, until it is answered or given up.

Every function of the library answers a repetition as it answered first (router/functions.py), so a
lost reply costs time, never a second order. Only an answer counts: once a call was sent and not
answered, a refusal of its repetition does not say that it never ran. redis-py's own retry is off:
its default repeats up to ten times and cannot say whether anything was sent.
"""

import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis
from redis import ConnectionPool
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from router import functions
from router.servers import ServedElsewhere, Servers
from strategy_sdk.timing import Timing

_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
Command = Sequence[str | int | float]
Replies = list[Any]
OpenPool = Callable[[str], ConnectionPool]
"""Returns how to connect to the server that has a key."""


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
        self.cause = cause


@dataclass
class Doubt:
    """Whether a call was sent and not answered; one for all attempts at the same call."""

    sent: bool = False


def open_pool(servers: Servers, key: str, timing: Timing) -> ConnectionPool:
    """Return how to connect to the server that has ``key``, with redis-py's retries off."""
    return servers.pool(
        key,
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


def key_of(command: Command) -> str:
    """Return the first key that a command names."""
    match command[0]:
        case "FCALL":
            return str(command[3])
        case "XREAD":
            return str(command[command.index("STREAMS") + 1])
        case _:
            return str(command[1])


class Link:
    """Answers calls from any thread, each on a connection of its own for as long as it takes.

    ``place``: returns what keys have in common that one server has together (``Servers.place``);
    the commands of one call name keys of one place. Left out, all keys are on one server.
    """

    def __init__(
        self, open_pool: OpenPool, timing: Timing, place: Callable[[str], int] | None = None
    ) -> None:
        self._open_pool = open_pool
        self._place = place
        self._pools: dict[int, ConnectionPool] = {}
        self._retry_for_s = timing.retry_for_s
        self._idle: defaultdict[int, deque[Wire]] = defaultdict(deque)
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"Link({sum(map(len, self._idle.values()))} idle connections)"

    @property
    def one_place(self) -> bool:
        """Whether all keys are on one server."""
        return self._place is None

    def place(self, key: str) -> int:
        """Return where a key is: what is at one place may be named in one command."""
        return 0 if self._place is None else self._place(key)

    def call(self, *command: str | int | float, at: str = "") -> Any:
        """Return the answer to one command; ``at``: a key at its place, if it names none itself.

        Raises:
            LinkLost: If none came within the retry time.
            ResponseError: If Redis refused the command.
        """
        reply = self.call_many([command], at=at)[0]
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def call_many(
        self, commands: Sequence[Command], *, at: str = "", doubt: Doubt | None = None
    ) -> Replies:
        """Return the answers to all commands, sent in one write; refusals stand in their place.

        A function that was sent and not answered (``doubt``, noted there too) may have run: where
        its repetition is refused to the end, a LinkLost stands instead. "Function not found" is
        returned at once: no repetition helps until somebody loads it.

        Raises:
            LinkLost: If not all were answered within the retry time.
            AuthenticationError: If Redis refuses the user, and no function may have run.
        """
        if not commands:
            return []
        key = at or ("" if self._place is None else key_of(commands[0]))
        give_up_at = time.monotonic() + self._retry_for_s
        pauses = backoff_s(0.01, 0.2)
        doubt = doubt or Doubt()
        while True:
            try:
                replies = self._attempt_again(key, commands, doubt)
            except LinkLost:
                if self._is_over(give_up_at):
                    raise
            else:
                if not _is_worth_repeating(replies) or self._is_over(give_up_at):
                    return replies
            time.sleep(next(pauses))

    def close(self) -> None:
        """Close the idle connections; a call under way ends with its try."""
        self._closed.set()
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses now."""
        for idle in list(self._idle.values()):
            _drop(idle)

    def _is_over(self, give_up_at: float) -> bool:
        return self._closed.is_set() or time.monotonic() >= give_up_at

    def _attempt_again(self, key: str, commands: Sequence[Command], doubt: Doubt) -> Replies:
        """Return the answers of one attempt; LinkLost for a refusal that proves nothing."""
        try:
            replies = self._attempt(key, commands)
        except LinkLost as lost:
            doubt.sent = doubt.sent or lost.sent
            raise LinkLost(doubt.sent, lost) from lost.__cause__
        except AuthenticationError as refusal:
            if doubt.sent and commands[0][0] == "FCALL":
                raise LinkLost(True, refusal) from refusal
            raise
        if not doubt.sent:
            return replies
        return [_unproven(*each) for each in zip(commands, replies, strict=True)]

    def _attempt(self, key: str, commands: Sequence[Command]) -> Replies:
        sent, idle = False, self._idle[self.place(key)]
        try:
            connection = self._take(key)
            sent = True  # from the first byte on it may have arrived
            replies = self.exchange(connection, commands)
        except AuthenticationError:
            raise
        except RedisError as error:  # refusals of the command itself stand among the replies
            _drop(idle)  # they most likely died with this one
            if isinstance(error, ServedElsewhere):  # what was refused did not run
                sent = sum(command[0] != "WAIT" for command in commands) > 1
            raise LinkLost(sent, error) from error
        if self._closed.is_set():
            connection.disconnect()
        else:
            idle.append(connection)
        return replies

    def new_connection(self, key: str) -> Wire:
        """Return a connection, to the server that has ``key``, that only the caller uses."""
        place = self.place(key)
        pool = self._pools.get(place)
        if pool is None:
            pool = self._pools.setdefault(place, self._open_pool(key))
        # Not by the pool, which counts connections made and refuses the 101st, dead ones included.
        connection: Wire = pool.connection_class(**pool.connection_kwargs)
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

    def _take(self, key: str) -> Wire:
        try:
            return self._idle[self.place(key)].pop()
        except IndexError:
            return self.new_connection(key)


def _unproven(command: Command, reply: Any) -> Any:
    """Return what a reply is worth if the command may have run before."""
    refused = isinstance(reply, ResponseError) and not functions.is_missing(reply)
    return LinkLost(True, reply) if refused and command[0] == "FCALL" else reply


def _is_worth_repeating(replies: Replies) -> bool:
    lost = any(isinstance(reply, LinkLost) for reply in replies)
    return lost and not any(functions.is_missing(reply) for reply in replies)


def _drop(idle: deque[Wire]) -> None:
    while True:
        try:
            idle.pop().disconnect()
        except IndexError:
            return
        except RedisError:
            continue
