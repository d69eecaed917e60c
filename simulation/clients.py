"""The product's Redis clients on simulated links: the worker's connection, the SDK's wire."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import redis.asyncio
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TimedOut

from router.settings import Settings
from simulation.redis_link import Link, Server
from simulation.standins import running
from simulation.strands import TIMED_OUT, Strand

URL = "unix:///simulated/redis"
#: A strategy has other things to do, so results come to it several at a time.
_BUSY_S = 0.03


def worker_client(
    server: Server, connect: Callable[[Settings], "redis.asyncio.Redis"]
) -> Callable[[Settings], "redis.asyncio.Redis"]:
    """Return the worker's own ``connect``, whose connections go to the simulated server."""

    def connected(settings: Settings) -> "redis.asyncio.Redis":
        client = connect(settings)
        pool: Any = client.connection_pool
        pool.connection_kwargs["driver_info"] = None  # asks the installed packages each time
        pool.connection_class = type("Simulated", (WorkerConnection,), {"server": server})
        return client

    return connected


class WorkerConnection(UnixDomainSocketConnection):
    """redis-py's asynchronous connection, its bytes carried by a link."""

    server: Server

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._link: Link | None = None
        self._replies: deque[Any] = deque()
        self._awaited: asyncio.Future[None] | None = None

    def __del__(self, _warnings: Any = None) -> None:
        pass  # there is no socket to warn of

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    async def connect(self) -> None:
        if self._link is not None:
            return
        server = self.server
        await asyncio.sleep(server.network.delay_s() * 2)
        if server.network.refuses():
            raise Lost("the simulated server cannot be reached")
        link = self._link = server.open(server.loop.current, 3)
        link.on_reply, link.on_cut = self._came, self._stir

    async def disconnect(self, nowait: bool = False, *args: Any, **options: Any) -> None:
        link, self._link = self._link, None
        self._replies.clear()
        if link is not None:
            link.close()
        self._stir()

    async def can_read(self) -> bool:
        return bool(self._replies)

    async def can_read_destructive(self) -> bool:
        return bool(self._replies)

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._link is None:
            await self.connect()
        link = self._link
        if link is None or link.broken:
            await self.disconnect()
            raise Lost("the simulated connection is lost")
        link.send(command if isinstance(command, bytes) else b"".join(command))

    async def _read_response_from_parser(self, *args: Any, **options: Any) -> Any:
        # What redis-py does around a read is its own: an abandoned one closes the connection.
        while not self._replies:
            if self._link is None or self._link.broken:
                raise Lost("the simulated connection is lost")
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        return self._replies.popleft()

    def _came(self, reply: Any) -> None:
        if self._link is not None:
            self._replies.append(reply)
            self._stir()

    def _stir(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)


class StrategyPool:
    """What the SDK uses of a connection pool."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self.connection_kwargs = {"server": server, "timeout_s": timeout_s}
        self.connection_class = StrategyWire


class StrategyWire:
    """The SDK's wire: blocks the strand that asks."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._link: Link | None = None
        self._replies: deque[Any] = deque()
        self._waiting: tuple[Strand, int] | None = None

    def connect(self) -> None:
        server = self._server
        running(server.loop).wait(server.network.delay_s() * 2)
        if server.network.refuses():
            raise Lost("the simulated server cannot be reached")
        link = self._link = server.open(server.loop.current, 2, _BUSY_S)
        link.on_reply, link.on_cut = self._came, self._stir

    def disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._link is None or self._link.broken:
            raise Lost("the simulated connection is lost")
        self._link.send(b"".join(command))

    def read_response(self) -> Any:
        while not self._replies:
            if self._link is None or self._link.broken:
                raise Lost("the simulated connection is lost")
            strand = running(self._server.loop)
            self._waiting = strand, strand.ticket
            if strand.wait(self._timeout_s) is TIMED_OUT:
                self.disconnect()
                raise TimedOut("the simulated server does not answer")
        reply = self._replies.popleft()
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def _came(self, reply: Any) -> None:
        self._replies.append(reply)
        self._stir()

    def _stir(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            strand, ticket = waiting
            strand.wake(ticket, None)
