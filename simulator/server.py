"""Runs the simulator: in a loop, in a thread, or as a process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol

import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler

from simulator import control
from simulator.binance.spot.dialect import SpotDialect
from simulator.binance.usdm.dialect import UsdmDialect
from simulator.bitget.dialect import BitgetDialect
from simulator.bybit.dialect import BybitDialect
from simulator.client import ControlClient
from simulator.config import SimulatorConfig, VenueName
from simulator.control import Control
from simulator.exchange.clock import Clock
from simulator.exchange.retention import forget
from simulator.okx.dialect import OkxDialect
from simulator.world import Floor, build

_log = logging.getLogger(__name__)

_DIALECTS: dict[VenueName, Callable[[Floor], Dialect]] = {
    "okx": OkxDialect,
    "binance-usdm": UsdmDialect,
    "binance-spot": SpotDialect,
    "bybit": BybitDialect,
    "bitget": BitgetDialect,
}
_SWEEP_S = 0.5
_READY_S = 60.0
_GOING_AWAY = 1001


class Dialect(control.Dialect, Protocol):
    """What the server asks of a dialect, besides what the control API asks."""

    ws_path: str

    @property
    def pause_s(self) -> float:
        """Return how often ``sweep`` wants to be called."""

    def routes(self) -> list[web.RouteDef]:
        """Return what is to be served."""

    def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``loop`` for everything that happens later."""

    def stopped(self) -> None:
        """Leave nothing that would still happen."""

    def sweep(self, now_s: float) -> None:
        """Do what is due as time goes by."""


@web.middleware
async def _arrived_whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request once its body is there; one that was cut off on its way never came."""
    try:
        await request.read()
    except ConnectionResetError:
        _log.info("a request to %s was cut off on its way", request.path)
        return web.Response(status=400)  # which nobody will read
    return await handler(request)


class Address(NamedTuple):
    """Where one venue is served: its REST interface, and what all its WebSockets begin with."""

    url: str
    ws_url: str


class Simulator:
    """The simulator in the running event loop; start it, then stop it."""

    def __init__(self, config: SimulatorConfig | None = None, clock: Clock | None = None) -> None:
        self.config = config or SimulatorConfig()
        self.world = build(self.config, clock)
        self.dialects: dict[VenueName, Dialect] = {
            venue: _dialect(floor) for venue, floor in self.world.floors.items()
        }
        self.control = Control(self.world, self.dialects.values())
        self.addresses: dict[VenueName, Address] = {}
        self.control_url = ""
        self._runners: list[web.AppRunner] = []
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"Simulator({self.addresses}, control at {self.control_url})"

    async def start(self) -> None:
        """Listen on every venue's port and on the control API's, and let the markets move."""
        loop = asyncio.get_running_loop()
        host = self.config.host
        for venue, dialect in self.dialects.items():
            port = await self._listen(dialect.routes(), self.config.port_of(venue))
            at = Address(f"http://{host}:{port}", f"ws://{host}:{port}{dialect.ws_path}")
            self.addresses[venue] = at
        port = await self._listen(self.control.routes(), self.config.control_port)
        self.control_url = f"http://{host}:{port}"
        for dialect in self.dialects.values():
            dialect.started(loop)
        self._tasks.append(loop.create_task(self._sweep()))
        if self.config.market.tick_ms:
            self._tasks.append(loop.create_task(self._move()))
        for venue, at in self.addresses.items():
            _log.info("simulator at %s (%s), control at %s", at.url, venue, self.control_url)

    async def stop(self) -> None:
        """Close every connection and all ports."""
        for dialect in self.dialects.values():
            dialect.stopped()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for connection in self.world.sockets:
            connection.hang_up(_GOING_AWAY)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _listen(self, routes: list[web.RouteDef], port: int) -> int:
        app = web.Application(middlewares=[_arrived_whole])
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        listener = socket.create_server((self.config.host, port), backlog=512)
        await web.SockSite(runner, listener).start()
        return int(listener.getsockname()[1])

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self.config.market.tick_ms / 1000)
            for floor in self.world.floors.values():
                floor.exchange.tick()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = min(_SWEEP_S, *(dialect.pause_s for dialect in self.dialects.values()))
        while True:
            await asyncio.sleep(pause_s)
            for dialect in self.dialects.values():
                dialect.sweep(loop.time())
            for floor in self.world.floors.values():
                forget(floor.exchange, floor.retention)


def _dialect(floor: Floor) -> Dialect:
    return _DIALECTS[floor.venue](floor)


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator in its own thread: where to reach its venues, and how to order its faults.

    ``url`` and ``ws_url`` are those of the first venue that is served.
    """

    url: str
    ws_url: str
    control_url: str
    control: ControlClient
    config: SimulatorConfig
    addresses: dict[VenueName, Address]


@contextlib.contextmanager
def run_in_thread(
    config: SimulatorConfig | None = None, clock: Clock | None = None
) -> Iterator[RunningSimulator]:
    """Run a simulator in a thread with its own event loop while the block lasts."""
    settings = config or SimulatorConfig()
    thread = _SimulatorThread(settings, clock)
    thread.start()
    simulator = thread.wait_ready()
    client = ControlClient(simulator.control_url)
    try:
        first = simulator.addresses[settings.venues[0]]
        yield RunningSimulator(
            first.url,
            first.ws_url,
            simulator.control_url,
            client,
            settings,
            simulator.addresses,
        )
    finally:
        client.close()
        thread.shut_down()


def serve(config: SimulatorConfig | None = None) -> None:
    """Run a simulator until SIGTERM or SIGINT."""
    settings = config or SimulatorConfig()
    logging.basicConfig(level=settings.log_level.upper())

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with Simulator(settings):
            # Orders live long and refer to few things: looking at them rarely is enough.
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            await stopped.wait()

    uvloop.run(main())


class _SimulatorThread(threading.Thread):
    """Owns the loop; every start is followed by exactly one shut_down."""

    def __init__(self, config: SimulatorConfig, clock: Clock | None) -> None:
        super().__init__(name="simulator", daemon=True)
        self._config = config
        self._clock = clock
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._simulator: Simulator | None = None
        self._error: OSError | None = None

    def run(self) -> None:
        uvloop.run(self._main())

    def wait_ready(self) -> Simulator:
        """Return the simulator once it listens; raise what kept it from listening."""
        if not self._ready.wait(_READY_S):
            raise TimeoutError("the simulator did not start")
        if self._error is not None:
            self.join()
            raise self._error
        if self._simulator is None:
            raise RuntimeError("the simulator did not start")
        return self._simulator

    def shut_down(self) -> None:
        """Stop the simulator and wait for its thread."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        simulator = Simulator(self._config, self._clock)
        try:
            await simulator.start()
        except OSError as error:
            self._error = error
            await simulator.stop()
            self._ready.set()
            return
        self._simulator = simulator
        self._ready.set()
        await self._stopped.wait()
        await simulator.stop()
