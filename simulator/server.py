"""Runs the simulator: in a loop, in a thread, or as a process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import uvloop
from aiohttp import web

from simulator.client import ControlClient
from simulator.config import SimulatorConfig
from simulator.control import Control
from simulator.exchange.clock import Clock
from simulator.exchange.retention import forget
from simulator.okx.dialect import OkxDialect
from simulator.world import build

_log = logging.getLogger(__name__)

_SWEEP_S = 0.5
_READY_S = 60.0
_GOING_AWAY = 1001


class Simulator:
    """The simulator in the running event loop; start it, then stop it."""

    def __init__(self, config: SimulatorConfig | None = None, clock: Clock | None = None) -> None:
        self.config = config or SimulatorConfig()
        self.world = build(self.config, clock)
        self.okx = OkxDialect(self.world)
        self.control = Control(self.world, [self.okx])
        self._runners: list[web.AppRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ports: list[int] = []

    def __repr__(self) -> str:
        return f"Simulator(ports={self._ports}, {self.world.exchange!r})"

    @property
    def url(self) -> str:
        """Return the address of the REST interface."""
        return f"http://{self.config.host}:{self._ports[0]}"

    @property
    def ws_url(self) -> str:
        """Return the address of the WebSockets; /public, /private or /business comes after it."""
        return f"ws://{self.config.host}:{self._ports[0]}/ws/v5"

    @property
    def control_url(self) -> str:
        """Return the address of the control API."""
        return f"http://{self.config.host}:{self._ports[1]}"

    async def start(self) -> None:
        """Listen on both ports and let the market move."""
        loop = asyncio.get_running_loop()
        venue, control = web.Application(), web.Application()
        venue.add_routes(self.okx.routes())
        control.add_routes(self.control.routes())
        for app, port in ((venue, self.config.port), (control, self.config.control_port)):
            self._ports.append(await self._listen(app, port))
        self.okx.started(loop)
        self._tasks.append(loop.create_task(self._sweep()))
        if self.config.market.tick_ms:
            self._tasks.append(loop.create_task(self._move()))
        _log.info("simulator at %s, control at %s", self.url, self.control_url)

    async def stop(self) -> None:
        """Close every connection and both ports."""
        self.okx.stopped()
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

    async def _listen(self, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        listener = socket.create_server((self.config.host, port), backlog=512)
        await web.SockSite(runner, listener).start()
        return int(listener.getsockname()[1])

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self.config.market.tick_ms / 1000)
            self.world.exchange.tick()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = min(_SWEEP_S, self.config.idle_timeout_s / 4, self.config.periodic_push_s / 4)
        while True:
            await asyncio.sleep(pause_s)
            self.okx.sweep(loop.time())
            forget(self.world.exchange, self.world.retention)


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator in its own thread: where to reach it, and how to order its faults."""

    url: str
    ws_url: str
    control_url: str
    control: ControlClient
    config: SimulatorConfig


@contextlib.contextmanager
def run_in_thread(
    config: SimulatorConfig | None = None, clock: Clock | None = None
) -> Iterator[RunningSimulator]:
    """Run a simulator in a thread with its own event loop while the block lasts."""
    settings = config or SimulatorConfig()
    thread = _SimulatorThread(settings, clock)
    thread.start()
    simulator = thread.wait_ready()
    control = ControlClient(simulator.control_url)
    try:
        yield RunningSimulator(
            simulator.url, simulator.ws_url, simulator.control_url, control, settings
        )
    finally:
        control.close()
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
