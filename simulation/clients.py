"""The product's Redis clients on simulated links: redis-py's connections, lines, the SDK's wire."""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.connection
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TimedOut

import workers.line
from router.servers import Servers
from simulation.redis_link import Link, Server
from simulation.standins import running
from simulation.strands import TIMED_OUT, Strand

URL = "unix:///simulated/redis"
#: What redis-py speaks where nobody chose.
_PROTOCOL = 3
#: A strategy has other things to do, so results come to it several at a time.
_BUSY_S = 0.03


class SimulatedServers(Servers):
    """The product's own way to clients, whose connections go to the simulated server."""

    def __init__(self, server: Server) -> None:
        super().__init__(URL)
        self._server = server

    def pool(self, key: str, **options: Any) -> redis.ConnectionPool:
        pool = super().pool(key, **options)
        self._simulate(pool, BlockingConnection)
        return pool

    def client_at(self, node: Any, **options: Any) -> Any:
        return self.client("", **options)

    def asyncio_client(self, key: str, **options: Any) -> "redis.asyncio.Redis":
        client = super().asyncio_client(key, **options)
        self._simulate(client.connection_pool, WorkerConnection)
        return client

    def _simulate(self, pool: Any, connection: type) -> None:
        pool.connection_kwargs["driver_info"] = None  # asks the installed packages each time
        pool.connection_class = type("Simulated", (connection,), {"server": self._server})


class WorkerConnection(redis.asyncio.connection.UnixDomainSocketConnection):
    """redis-py's asynchronous connection, its bytes carried by a link."""

    server: Server

    def __init__(self, *, find: None = None, **options: Any) -> None:
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
        if server.refuses():
            raise Lost("the simulated server cannot be reached")
        link = self._link = server.open(server.loop.current, _PROTOCOL)
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

    def taken_over(self) -> Link:
        """Return the link, which from now on tells whoever asked for it alone."""
        if self._link is None:
            raise Lost("the simulated connection is lost")
        return self._link

    def _came(self, reply: Any) -> None:
        if self._link is not None:
            self._replies.append(reply)
            self._stir()

    def _stir(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)


class Answers(workers.line._Answers):
    """What a line hears on a connection taken over: replies come from the link, parsed already."""

    def __init__(self, connection: WorkerConnection) -> None:
        self._answer = None
        self._missing, self._found = 0, []
        self._lost = None
        self._before = asyncio.Protocol()
        link = connection.taken_over()

        self.transport = SimpleNamespace(  # type: ignore[assignment]
            write=link.send, is_closing=lambda: link.broken
        )
        link.on_reply, link.on_cut = self._arrived, lambda: self.connection_lost(None)
        if link.broken:
            self.connection_lost(None)


class BlockingConnection(redis.UnixDomainSocketConnection):
    """redis-py's blocking connection: the worker loads functions by it, the jobs use no other."""

    server: Server

    def __init__(self, *, find: None = None, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._wire: StrategyWire | None = None

    @property
    def is_connected(self) -> bool:
        return self._wire is not None

    def connect(self) -> None:
        if self._wire is None:
            wire = StrategyWire(self.server, self.socket_timeout, _PROTOCOL)
            wire.connect()
            self._wire = wire

    def disconnect(self, *args: Any, **options: Any) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.disconnect()

    def can_read(self, timeout: float | None = 0) -> bool:
        return False

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self.connect()
        assert self._wire is not None
        try:
            self._wire.send_packed_command(command)
        except Lost:
            self.disconnect()
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        if self._wire is None:
            raise Lost("the simulated connection is lost")
        try:
            return self._wire.read_response()
        except (Lost, TimedOut):
            self.disconnect()
            raise


class StrategyPool:
    """What the SDK uses of a connection pool."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self.connection_kwargs = {"server": server, "timeout_s": timeout_s}
        self.connection_class = StrategyWire


class StrategyWire:
    """The SDK's wire: blocks the strand that asks."""

    def __init__(self, server: Server, timeout_s: float | None, protocol: int = 2) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._protocol = protocol
        self._link: Link | None = None
        self._replies: deque[Any] = deque()
        self._waiting: tuple[Strand, int] | None = None

    def connect(self) -> None:
        server = self._server
        running(server.loop).wait(server.network.delay_s() * 2)
        if server.refuses():
            raise Lost("the simulated server cannot be reached")
        link = self._link = server.open(server.loop.current, self._protocol, _BUSY_S)
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
