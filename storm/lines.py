"""The lines between a process and Redis or a venue: TCP proxies that cut, delay and swallow.

Each process has lines of its own, and leaves by an address of its own, as if it were a host: the
venue's ledger then says which process sent a request.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from storm.plan import LineTo, Trouble

_PIECE = 65_536
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Weather:
    """What is wrong with a line now."""

    trouble: Trouble | None = None
    delay_s: float = 0.0

    def passes(self, *, up: bool) -> bool:
        """Whether bytes pass: ``up``, to the server, or down from it."""
        return self.trouble not in ("cut", "mute" if up else "deaf")


_FAIR = Weather()


@dataclass(eq=False, slots=True)
class _Wire:
    """One connection through a line. A direction that lost bytes passes none for good."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    lost: set[bool] = field(default_factory=set)
    """The directions that lost bytes; True: to the server."""

    def close(self) -> None:
        for one in (self.near, self.far):
            if one is not None:
                one.transport.abort()


@dataclass(eq=False)
class Line:
    """One way from a process to a server at a local port."""

    target: int
    address: str
    weather: Weather = _FAIR
    wires: set[_Wire] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen; return the port."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    def heal(self, *, silent: bool) -> None:
        """Let all pass; what lost bytes is closed, or stays silent for good."""
        self.weather = _FAIR
        if not silent:
            for wire in [one for one in self.wires if one.lost]:
                wire.close()

    def hang_up(self) -> None:
        """Close all connections."""
        for wire in list(self.wires):
            wire.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = _Wire(writer)
        self.wires.add(wire)
        try:
            if self.weather.trouble == "cut":
                wire.lost.add(True)
                await reader.read(-1)  # as to a host that is not there: until the caller gives up
                return
            far_reader, wire.far = await asyncio.open_connection(
                "127.0.0.1", self.target, local_addr=(self.address, 0)
            )
            await asyncio.gather(
                self._pump(wire, reader, wire.far, up=True),
                self._pump(wire, far_reader, writer, up=False),
            )
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, somebody hung up, or all is over: 3.11 logs one cancelled
        finally:
            self.wires.discard(wire)
            wire.close()

    async def _pump(
        self, wire: _Wire, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool
    ) -> None:
        while data := await source.read(_PIECE):
            if self.weather.delay_s:
                await asyncio.sleep(self.weather.delay_s)
            if not self.weather.passes(up=up):
                wire.lost.add(up)
            if up not in wire.lost:
                sink.write(data)
                await sink.drain()
        if up in wire.lost:
            return  # the other side is not told
        with contextlib.suppress(OSError):
            sink.write_eof()


@dataclass(frozen=True, slots=True)
class Host:
    """The lines of one process: ports by what they lead to (``redis`` or a venue's name)."""

    address: str
    ports: Mapping[str, int]
    lines: Mapping[str, Line]

    def to(self, where: LineTo) -> list[Line]:
        """Return the lines to Redis, or those to the venues."""
        return [
            line for name, line in self.lines.items() if (name == "redis") == (where == "redis")
        ]


class Lines:
    """Keeps all lines in a thread of its own. Use it as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._hosts: list[Host] = []

    def __repr__(self) -> str:
        return f"Lines({len(self._hosts)} hosts)"

    def __enter__(self) -> "Lines":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def host(self, targets: Mapping[str, int]) -> Host:
        """Return a new host with a line to each local port in ``targets``."""
        number = len(self._hosts) + 1
        address = f"127.1.{number // 250}.{number % 250 + 1}"
        lines = {name: Line(port, address) for name, port in targets.items()}
        ports = {name: self._run(line.open()) for name, line in lines.items()}
        host = Host(address, ports, lines)
        self._hosts.append(host)
        return host

    def set(self, host: Host, to: LineTo, weather: Weather) -> None:
        """Let there be ``weather`` on a host's lines."""

        def change() -> None:
            for line in host.to(to):
                line.weather = weather

        self._do(change)

    def heal(self, host: Host, to: LineTo, *, silent: bool) -> None:
        """End the weather on a host's lines."""

        def change() -> None:
            for line in host.to(to):
                line.heal(silent=silent)

        self._do(change)

    def hang_up(self, host: Host, to: LineTo) -> None:
        """Close all connections of a host's lines."""

        def change() -> None:
            for line in host.to(to):
                line.hang_up()

        self._do(change)

    def _do(self, work: Callable[[], None]) -> None:
        async def turn() -> None:
            work()

        self._run(turn())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _close(self) -> None:
        for host in self._hosts:
            for line in host.lines.values():
                if line.server is not None:
                    line.server.close()
                line.hang_up()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
