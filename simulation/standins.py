"""What stands in the product's modules for the world: clock, luck, threads, sockets, REST.

The product's text is unchanged. Each module that says ``import time`` has, for the length of a run,
a name ``time`` that means the simulated time; so for the others in the table.
"""

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from simulation.loop import VirtualLoop
from simulation.strands import TIMED_OUT, Strand

PRODUCT = ("router", "workers", "strategy_sdk", "simulator")


class StandIn:
    """A module with some of its names meaning something else."""

    def __init__(self, real: ModuleType, **others: Any) -> None:
        self.__dict__.update(others)
        self._real = real

    def __repr__(self) -> str:
        return f"StandIn({self._real.__name__})"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextlib.contextmanager
def standing_in(table: Mapping[str, StandIn]) -> Iterator[None]:
    """Let the stand-ins take the places of the real modules of these names."""
    real = {id(sys.modules[name]): one for name, one in table.items()}
    changed: list[tuple[ModuleType, str, Any]] = []
    for module in _product():
        for name, value in list(vars(module).items()):
            if isinstance(value, ModuleType) and id(value) in real:
                changed.append((module, name, value))
                setattr(module, name, real[id(value)])
    try:
        yield
    finally:
        for module, name, value in changed:
            setattr(module, name, value)


@contextlib.contextmanager
def in_place(places: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Let single names of modules mean something else."""
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    try:
        for module, name, value in places:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _product() -> list[ModuleType]:
    return [one for name, one in sys.modules.items() if name.split(".")[0] in PRODUCT]


def world(loop: VirtualLoop, **more: StandIn) -> dict[str, StandIn]:
    """Return the table for one seed: real module's name to its stand-in."""
    threads = _Threads(loop)
    return {
        "time": _time(loop),
        "random": _random(loop),
        "secrets": _secrets(loop),
        "threading": StandIn(
            threading,
            Thread=threads.thread,
            Event=threads.event,
            Lock=threads.lock,
            RLock=threads.lock,
        ),
        "socket": StandIn(sys.modules["socket"], gethostname=lambda: "simulated"),
        "os": StandIn(sys.modules["os"], getpid=lambda: 1),
    } | more


def _time(loop: VirtualLoop) -> StandIn:
    def sleep(seconds: float) -> None:
        running(loop).wait(seconds)

    return StandIn(
        sys.modules["time"],
        time=loop.wall_s,
        time_ns=lambda: int(loop.wall_s() * 1_000_000) * 1000,
        monotonic=loop.time,
        monotonic_ns=lambda: int(loop.now_s * 1_000_000_000),
        perf_counter=loop.time,
        sleep=sleep,
    )


def _random(loop: VirtualLoop) -> StandIn:
    return StandIn(
        sys.modules["random"],
        random=lambda: loop.current.random.random(),
        uniform=lambda low, high: loop.current.random.uniform(low, high),
    )


def _secrets(loop: VirtualLoop) -> StandIn:
    return StandIn(
        sys.modules["secrets"],
        randbits=lambda bits: loop.current.random.getrandbits(bits),
        token_hex=lambda size: loop.current.random.randbytes(size).hex(),
        token_bytes=lambda size: loop.current.random.randbytes(size),
    )


def running(loop: VirtualLoop) -> Strand:
    """Return the strand that runs now; only strands may block."""
    if loop.strand is None:
        raise RuntimeError("a coroutine called something that blocks its loop")
    return loop.strand


class _Threads:
    """Makes the stand-ins of ``threading``."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def event(self) -> "Event":
        return Event(self._loop)

    def lock(self) -> "Lock":
        return Lock(self._loop)

    def thread(self, **options: Any) -> "Thread":
        return Thread(self._loop, **options)


class Event:
    """``threading.Event``."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._set = False
        self._waiting: list[tuple[Strand, int]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiting, self._waiting = self._waiting, []
        for strand, ticket in waiting:
            self._loop.post(strand.process, strand.wake, ticket, None)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            strand = running(self._loop)
            self._waiting.append((strand, strand.ticket))
            strand.wait(timeout)
        return self._set


class Lock:
    """``threading.RLock``, and ``Lock`` for those that never take theirs twice."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._owner: Strand | None = None
        self._depth = 0
        self._waiting: deque[tuple[Strand, int]] = deque()

    def acquire(self) -> bool:
        me = self._loop.strand
        while self._owner is not None and self._owner is not me:
            strand = running(self._loop)
            self._waiting.append((strand, strand.ticket))
            strand.wait()
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            if self._waiting:
                strand, ticket = self._waiting.popleft()
                self._loop.post(strand.process, strand.wake, ticket, None)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Thread:
    """``threading.Thread``."""

    def __init__(
        self, loop: VirtualLoop, *, target: Any, name: str = "", args: Any = (), daemon: bool = True
    ) -> None:
        self._loop = loop
        self._work = lambda: target(*args)
        self.name = name
        self._strand: Strand | None = None

    @property
    def ident(self) -> int | None:
        return None if self._strand is None else id(self._strand)

    def start(self) -> None:
        self._strand = self._loop.start_strand(self._loop.current, self._work)

    def is_alive(self) -> bool:
        return self._strand is not None and not self._strand.done

    def join(self, timeout: float | None = None) -> None:
        strand = self._strand
        if strand is None or strand.done:
            return
        waiter = running(self._loop)
        ticket = waiter.ticket
        post = self._loop.post
        strand.at_end.append(lambda: post(waiter.process, waiter.wake, ticket, None))
        if waiter.wait(timeout) is TIMED_OUT:
            return
