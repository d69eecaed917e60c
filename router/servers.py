"""Connections to whichever Redis server has a key: one server, Sentinel's master, a Cluster's node.

One rule for all three: a connection goes to the server that has the key now, and whatever says
that this has changed (MOVED, READONLY, a dead socket, too few replicas) is a lost connection. So a
failover is what an outage is to everybody above: they repeat with growing pauses, and each new
connection looks anew. An account lies in one slot, so an account's client needs one server.

The looking is done here in plain blocking calls, in a thread where asyncio asks: it happens once a
connection, and there is one copy of it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
import redis.asyncio
from redis.connection import parse_url
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from router.errors import ConfigError
from router.redis_url import Node, RedisUrl, Way, read, shown

LOOK_TIMEOUT_S = 1.0
"""For each question where a server is; the next Sentinel or node is asked then."""
SILENT_FOR_S = 5.0
"""A Sentinel that did not answer is left alone for so long."""
_ELSEWHERE = (AskError, ReadOnlyError, ClusterDownError, MasterDownError, TryAgainError)
#: Too few replicas; a blocking read that ends since its master was demoted; a server that takes no
#: writes while it cannot save.
_NOT_NOW = ("NOREPLICAS", "UNBLOCKED", "MISCONF")


class ServedElsewhere(ConnectionError):
    """The server refused the command without running it: another one has the key, or will soon."""


class _Finding:
    """What our connections have on top of redis-py's: they look where to go, and notice a move."""

    def __init__(self, *args: Any, find: Callable[[], Node] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._find = find


def moved(error: ResponseError) -> ServedElsewhere | None:
    """Return the lost connection that a refusal amounts to; None if it is about the command."""
    if isinstance(error, _ELSEWHERE) or str(error).startswith(_NOT_NOW):
        return ServedElsewhere(f"the server takes no such command now: {error}")
    return None


class _Blocking(_Finding):
    def _connect(self: Any) -> Any:
        if self._find is not None:
            self.host, self.port = self._find()
        return super()._connect()  # type: ignore[misc]

    def read_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if (elsewhere := moved(error)) is None:
                raise
            self.disconnect()
            raise elsewhere from error


class _Asyncio(_Finding):
    async def _connect(self: Any) -> Any:
        if self._find is not None:
            self.host, self.port = await asyncio.to_thread(self._find)
        return await super()._connect()  # type: ignore[misc]

    async def read_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if (elsewhere := moved(error)) is None:
                raise
            await self.disconnect(nowait=True)
            raise elsewhere from error


class _Tcp(_Blocking, redis.Connection):
    pass


class _Tls(_Blocking, redis.SSLConnection):
    pass


class _Unix(_Blocking, redis.UnixDomainSocketConnection):
    pass


class _AsyncTcp(_Asyncio, redis.asyncio.Connection):
    pass


class _AsyncTls(_Asyncio, redis.asyncio.SSLConnection):
    pass


class _AsyncUnix(_Asyncio, redis.asyncio.UnixDomainSocketConnection):
    pass


_BLOCKING = {"redis": _Tcp, "rediss": _Tls, "unix": _Unix}
_ASYNCIO = {"redis": _AsyncTcp, "rediss": _AsyncTls, "unix": _AsyncUnix}


class Servers:
    """Where keys are, and clients to there. Connects nothing by itself; safe from any thread.

    Raises:
        ConfigError: If the address is malformed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._at: RedisUrl = read(url)
        try:
            self._login: dict[str, Any] = parse_url(self._at.login)  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise ConfigError("redis url", f"{shown(url)!r} cannot be used: {error}") from None
        sentinel = ("sentinel_username", "sentinel_password")
        self._sentinel_login = {
            name.removeprefix("sentinel_"): self._login.pop(name)
            for name in sentinel
            if name in self._login
        }
        self._login.pop("connection_class", None)
        self._nodes = self._at.nodes
        """Nodes of the Cluster to ask where slots are: those that have some first."""
        self._silent_until_s: dict[Node, float] = {}

    def __repr__(self) -> str:
        return f"Servers({shown(self.url)})"

    @property
    def way(self) -> Way:
        """How they are found."""
        return self._at.way

    @property
    def one_for_all(self) -> bool:
        """Whether all keys are on one server, so that one command may name any of them."""
        return self._at.way is not Way.CLUSTER

    def place(self, key: str) -> int:
        """Return what keys must have in common to stand in one command: the slot; 0 for all."""
        return 0 if self.one_for_all else key_slot(key.encode())

    # --- clients

    def pool(self, key: str, **options: Any) -> redis.ConnectionPool:
        """Return how to connect to the server that has ``key``; connects nothing."""
        return redis.ConnectionPool(**self._arguments(_BLOCKING, self._finder(key), options))

    def client(self, key: str, **options: Any) -> Any:
        """Return a client of the server that has ``key``."""
        return redis.Redis.from_pool(self.pool(key, **options))

    def asyncio_client(self, key: str, **options: Any) -> "redis.asyncio.Redis":
        """Return an asyncio client of the server that has ``key``."""
        return self._asyncio_client(self._finder(key), options)

    def client_at(self, node: Node | None, **options: Any) -> Any:
        """Return a client of one of ``masters``."""
        find = None if node is None else lambda: node
        return redis.Redis.from_pool(
            redis.ConnectionPool(**self._arguments(_BLOCKING, find, options))
        )

    def masters(self) -> Sequence[Node | None]:
        """Return every server that has keys; [None] for the one that the address names.

        Raises:
            ConnectionError: If none of the Sentinels or nodes could tell.
        """
        match self._at.way:
            case Way.SERVER:
                return [None]
            case Way.SENTINEL:
                return [self._master()]
            case Way.CLUSTER:
                return sorted({node for _, _, node in self._slots()})

    def _asyncio_client(
        self, find: Callable[[], Node] | None, options: dict[str, Any]
    ) -> "redis.asyncio.Redis":
        pool: Any = redis.asyncio.ConnectionPool(**self._arguments(_ASYNCIO, find, options))
        return redis.asyncio.Redis.from_pool(pool)

    def _arguments(
        self,
        classes: dict[str, Any],
        find: Callable[[], Node] | None,
        options: dict[str, Any],
    ) -> dict[str, Any]:
        made = {"connection_class": classes[self._at.login.partition("://")[0]], "find": find}
        return {**options, **self._login, **made}

    # --- where

    def _finder(self, key: str) -> Callable[[], Node] | None:
        match self._at.way:
            case Way.SERVER:
                return None
            case Way.SENTINEL:
                return self._master
            case Way.CLUSTER:
                slot = self.place(key)
                return lambda: self._node_of(slot)

    def _master(self) -> Node:
        """Return the master by the newest word of all Sentinels, once it says that it is one.

        During a failover the Sentinels disagree, and an old master that comes back at that moment
        says that it is one; the word with the highest configuration epoch is the newest.
        """
        words, problems = [], []
        for sentinel in self._at.nodes:
            if self._silent_until_s.get(sentinel, 0.0) > time.monotonic():
                problems.append(f"{sentinel[0]}:{sentinel[1]} did not answer just now")
                continue
            try:
                words.append(self._ask_sentinel(sentinel))
            except RedisError as error:
                self._silent_until_s[sentinel] = time.monotonic() + SILENT_FOR_S
                problems.append(f"{sentinel[0]}:{sentinel[1]}: {error}")
        if not words:
            self._silent_until_s.clear()
            raise ConnectionError(f"no Sentinel tells the master: {'; '.join(problems)}")
        _, node = max(words)
        with self._asked(node, self._plain_login) as client:
            role = _text(client.execute_command("ROLE")[0])
        if role != "master":
            raise ConnectionError(f"{node[0]}:{node[1]} is no master any more or not yet ({role})")
        return node

    def _ask_sentinel(self, sentinel: Node) -> tuple[int, Node]:
        """Return a Sentinel's word, and how new it is."""
        with self._asked(sentinel, self._sentinel_login) as client:
            told = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._at.master)
            if not told:
                raise ConnectionError(f"it watches no {self._at.master!r}")
            flat = [
                _text(one) for one in client.execute_command("SENTINEL", "MASTER", self._at.master)
            ]
        about = dict(zip(flat[::2], flat[1::2], strict=True))
        return int(about.get("config-epoch", "0")), (_text(told[0]), int(told[1]))

    def _node_of(self, slot: int) -> Node:
        for first, last, node in self._slots():
            if first <= slot <= last:
                return node
        raise ConnectionError(f"no server of the Cluster has slot {slot} now")

    def _slots(self) -> list[tuple[int, int, Node]]:
        """Return which node is the master of which slots, first to last."""
        slots = self._first_answer()
        known = dict.fromkeys((*(node for _, _, node in slots), *self._at.nodes))
        self._nodes = tuple(known)
        return slots

    def _ask_node(self, node: Node) -> list[tuple[int, int, Node]]:
        with self._asked(node, self._plain_login) as client:
            told = client.execute_command("CLUSTER", "SLOTS")
        # A server without a name of its own is the one that was asked.
        return [
            (int(row[0]), int(row[1]), (_text(row[2][0]) or node[0], int(row[2][1])))
            for row in told
        ]

    @property
    def _plain_login(self) -> dict[str, Any]:
        return {name: one for name, one in self._login.items() if name in ("username", "password")}

    def _first_answer(self) -> list[tuple[int, int, Node]]:
        problems = []
        for node in self._nodes:
            try:
                if slots := self._ask_node(node):
                    return slots
                problems.append(f"{node[0]}:{node[1]} knows of no slots")
            except RedisError as error:
                problems.append(f"{node[0]}:{node[1]}: {error}")
        told = "; ".join(problems)
        raise ConnectionError(f"no node of the Cluster tells where slots are: {told}")

    def _asked(self, node: Node, login: dict[str, Any]) -> Any:
        """Return a client for one question, to be closed; plain, with no looking of its own."""
        tls = {
            name: value
            for name, value in self._login.items()
            if name.startswith("ssl_") and self._at.login.startswith("rediss")
        }
        pool = redis.ConnectionPool(
            **tls,
            **login,
            connection_class=_Tls if self._at.login.startswith("rediss") else _Tcp,
            host=node[0],
            port=node[1],
            protocol=2,
            retry=None,
            socket_timeout=LOOK_TIMEOUT_S,
            socket_connect_timeout=LOOK_TIMEOUT_S,
        )
        return redis.Redis.from_pool(pool)


class ClientsByKey:
    """Clients that stay open until closed: one for each place that was asked for."""

    def __init__(self, servers: Servers, **options: Any) -> None:
        self.servers = servers
        self._options = options
        self._clients: dict[int, Any] = {}

    def __repr__(self) -> str:
        return f"ClientsByKey({self.servers!r}, {len(self._clients)} open)"

    def of(self, key: str) -> Any:
        """Return the client of the server that has ``key``."""
        place = self.servers.place(key)
        if place not in self._clients:
            self._clients[place] = self.servers.client(key, **self._options)
        return self._clients[place]

    def close(self) -> None:
        """Close all of them."""
        while self._clients:
            self._clients.popitem()[1].close()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
