"""What goes wrong in a seed: which kinds of fault, when, to whom. All of it is drawn.

Each seed has a climate of its own: some kinds of fault and not others, often or seldom. So faults
of one kind also meet a world in which everything else works.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.protocol import State

from router.keyspace import AccountKeys
from simulation.loop import Process, VirtualLoop
from simulation.network import Weather
from simulation.redis_link import Server
from simulation.venue import Venue
from simulation.venue_link import VenueLink
from simulator.exchange.faults import Fault

#: Venue faults with how often each may hit, and parameters drawn between two bounds.
_VENUE: dict[str, dict[str, tuple[int, int]]] = {
    "lose_ack": {},
    "delay_ack": {"delay_ms": (50, 1_500)},
    "duplicate_ack": {},
    "reorder_acks": {"hold_ms": (50, 800)},
    "push_before_ack": {"delay_ms": (5, 300)},
    "ack_before_push": {"delay_ms": (5, 300)},
    "lose_push": {},
    "delay_push": {"delay_ms": (20, 1_500)},
    "duplicate_push": {},
    "reorder_pushes": {"hold_ms": (50, 800)},
    "hangup_before": {},
    "hangup_after": {},
    "swallow_request": {"hold_ms": (200, 3_000)},
    "delay_request": {"delay_ms": (50, 2_500)},
    "throttle": {},
    "ws_unknown": {"processed": (0, 1)},
    "id_less_error": {},
    "garbage_frame": {},
    "reject": {},
    "half_open": {},
    "rest_5xx": {"processed": (0, 1)},
    "rest_html": {"processed": (0, 1)},
    "rest_timeout": {"processed": (0, 1), "hold_ms": (200, 3_000)},
    "rest_unknown": {"processed": (0, 1)},
    "visibility_lag": {"delay_ms": (10, 100)},
    "stale_snapshot": {"delay_ms": (50, 1_000)},
    "refuse_login": {},
    "refuse_connections": {},
}
_OFTEN_S = 0.2
_AHEAD = 120
"""A blow falls within so many callbacks of its victim: while something happens there."""


class Cast(Protocol):
    """Who can be hurt."""

    def workers(self) -> list[Process]: ...
    def strategies(self) -> list[Process]: ...
    def revive(self, process: Process) -> None: ...


@dataclass
class Scenery:
    """What can be hurt."""

    loop: VirtualLoop
    redis: Server
    venue: Venue
    venue_link: VenueLink
    weather: Weather
    keys: AccountKeys
    faults: Counter[str]


class Trouble:
    """Makes one seed's faults: of a climate that is drawn, or ``only`` these kinds, and often."""

    def __init__(
        self, scenery: Scenery, cast: Cast, busy_s: float, only: Sequence[str] = ()
    ) -> None:
        self._on = scenery
        self._cast = cast
        self._busy_s = busy_s
        self._luck = random.Random(f"{scenery.loop.seed}/trouble")
        self.halts: list[tuple[float, float]] = []
        """When trading was halted, and when it went on."""
        self.venue_faults: list[Fault] = []
        self._blows: dict[str, tuple[int, Callable[[], None]]] = {
            "worker killed": (4, self._kill_worker),
            "worker paused": (4, self._pause_worker),
            "strategy killed": (4, self._kill_strategy),
            "strategy paused": (2, self._pause_strategy),
            "redis link cut": (2, self._cut_redis),
            "worker without redis": (2, self._cut_worker_off),
            "redis lossy": (2, self._lossy_redis),
            "redis stalled": (1, self._stall_redis),
            "network slow": (2, self._slow_network),
            "socket cut": (2, self._cut_sockets),
            "socket half-open": (2, self._silence_socket),
            "connect refused": (2, self._refuse_connects),
            "halt": (1, self._halt),
            "clock jumped": (1, self._jump_clock),
            **{f"venue {name}": (1, self._venue_fault(name)) for name in _VENUE},
        }
        """How often each kind of blow falls, compared with the others, and the blow."""
        self._only = tuple(only)
        if unknown := set(only) - set(self._blows):
            raise ValueError(f"no such faults: {sorted(unknown)}; known: {', '.join(self._blows)}")

    def __repr__(self) -> str:
        return f"Trouble({self._on.loop.seed})"

    async def run(self) -> None:
        """Make trouble for as long as the seed is busy."""
        luck = self._luck
        share = luck.choice((0.03, 0.08, 0.2, 0.5))
        kinds = [one for one in self._blows.values() if luck.random() < share]
        mean_s = luck.choice((0.15, 0.4, 1.0))
        if self._only:
            kinds, mean_s = [self._blows[name] for name in self._only], _OFTEN_S
        while kinds:
            await asyncio.sleep(luck.expovariate(1 / mean_s))
            if self._on.loop.now_s > self._busy_s:
                return
            [(_, act)] = luck.choices(kinds, [weight for weight, _ in kinds])
            act()

    def end(self) -> None:
        """Let nothing go wrong any more."""
        weather = self._on.weather
        weather.slow_share = weather.redis_lost_share = weather.refused_share = 0.0
        weather.redis_stalled_until_s = 0.0
        self._on.redis.cut_off.clear()
        self._on.venue.world.forget_faults()
        if self.halts and self.halts[-1][1] == 0.0:
            self._resume()

    def _count(self, name: str) -> None:
        self._on.faults[name] += 1

    def _for_a_while(self, undo: Callable[[], None], most_s: float = 3.0) -> None:
        loop = self._on.loop
        loop.at(loop.now_s + self._luck.random() * most_s, loop.director, undo)

    # --- processes -------------------------------------------------------------------------------

    def _soon(self, process: Process, act: Callable[[], None]) -> None:
        process.fuse = self._luck.randint(1, _AHEAD), act

    def _kill(self, process: Process, name: str) -> None:
        loop = self._on.loop
        pause_s = self._luck.choice((0.02, 0.3, 2.0)) * self._luck.random()

        def kill() -> None:
            self._count(name)
            loop.post(loop.director, loop.kill, process)
            loop.at(loop.now_s + pause_s, loop.director, self._cast.revive, process)
            process.paused = True  # nothing more runs there until the director has buried it

        self._soon(process, kill)

    def _pause(self, process: Process, name: str) -> None:
        for_s = self._luck.choice((0.1, 1.0, 4.0)) * self._luck.random()

        def pause() -> None:
            self._count(name)
            self._on.loop.pause(process, for_s)

        self._soon(process, pause)

    def _one(self, among: list[Process]) -> Process | None:
        well = [one for one in among if not one.dead and not one.paused and one.fuse is None]
        return self._luck.choice(well) if well else None

    def _kill_worker(self) -> None:
        if process := self._one(self._cast.workers()):
            self._kill(process, "worker killed")

    def _pause_worker(self) -> None:
        if process := self._one(self._cast.workers()):
            self._pause(process, "worker paused")

    def _kill_strategy(self) -> None:
        if process := self._one(self._cast.strategies()):
            self._kill(process, "strategy killed")

    def _pause_strategy(self) -> None:
        if process := self._one(self._cast.strategies()):
            self._pause(process, "strategy paused")

    def _jump_clock(self) -> None:
        process = self._one([*self._cast.workers(), *self._cast.strategies()])
        if process is not None:
            self._count("clock jumped")
            process.skew_s += self._luck.uniform(-2.0, 2.0)

    # --- Redis -----------------------------------------------------------------------------------

    def _cut_redis(self) -> None:
        process = self._one([*self._cast.workers(), *self._cast.strategies()])
        for link in list(self._on.redis.links):
            if link.process is process:
                self._count("redis link cut")
                link.cut(arrives=self._luck.random() < 0.5)

    def _cut_worker_off(self) -> None:
        """Nothing of the worker reaches Redis for a while, at whose end it may be killed."""
        process, redis = self._one(self._cast.workers()), self._on.redis
        if process is None or process in redis.cut_off:
            return
        self._count("worker without redis")
        redis.cut_off.add(process)
        for link in list(redis.links):
            if link.process is process:
                link.cut(arrives=self._luck.random() < 0.5)
        dies = self._luck.random() < 0.5

        def undo() -> None:
            mortal = [process] if process in self._cast.workers() else []
            if dies and self._one(mortal):
                self._kill(process, "worker killed without redis")
            else:
                redis.cut_off.discard(process)

        self._for_a_while(undo)

    def _lossy_redis(self) -> None:
        weather = self._on.weather
        weather.redis_lost_share = self._luck.choice((0.01, 0.05, 0.2))

        def undo() -> None:
            weather.redis_lost_share = 0.0

        self._for_a_while(undo)

    def _stall_redis(self) -> None:
        self._count("redis stalled")
        for_s = self._luck.choice((0.2, 1.0, 4.0)) * self._luck.random()
        self._on.weather.redis_stalled_until_s = self._on.loop.now_s + for_s

    # --- the way to the venue --------------------------------------------------------------------

    def _slow_network(self) -> None:
        weather = self._on.weather
        weather.slow_share = self._luck.choice((0.02, 0.1, 0.4))
        weather.slow_s = self._luck.choice((0.05, 0.3, 1.0))

        def undo() -> None:
            weather.slow_share = 0.0

        self._for_a_while(undo)

    def _open_sockets(self) -> list[Any]:
        return [one for one in self._on.venue_link.sockets if one.state is State.OPEN]

    def _cut_sockets(self) -> None:
        share = self._luck.choice((0.4, 1.0))
        for socket in self._open_sockets():
            if self._luck.random() < share:
                self._count("socket cut")
                socket.cut(arrives=self._luck.random() < 0.5)

    def _silence_socket(self) -> None:
        if sockets := self._open_sockets():
            self._count("socket half-open")
            self._luck.choice(sockets).fall_silent()

    def _refuse_connects(self) -> None:
        weather = self._on.weather
        weather.refused_share = self._luck.choice((0.3, 1.0))

        def undo() -> None:
            weather.refused_share = 0.0

        self._for_a_while(undo, most_s=1.5)

    # --- the venue -------------------------------------------------------------------------------

    def _venue_fault(self, name: str) -> Callable[[], None]:
        def act() -> None:
            luck, clock = self._luck, self._on.venue.floor.clock
            order: dict[str, Any] = {
                "fault": name,
                "count": luck.choice((1, 1, 2, 5)),
                "duration_ms": luck.randint(50, 2_000),
            }
            for parameter, (least, most) in _VENUE[name].items():
                value = luck.randint(least, most)
                order[parameter] = bool(value) if parameter == "processed" else value
            fault = self._on.venue.floor.faults.arm(order, clock.true_ms())
            self.venue_faults.append(fault)

        return act

    # --- the operator ----------------------------------------------------------------------------

    def _halt(self) -> None:
        if self.halts and self.halts[-1][1] == 0.0:
            return
        self._count("halt")
        self._on.redis.store.ask("SET", self._on.keys.halt, "simulated")
        self._note_halt("simulated")
        self.halts.append((self._on.loop.now_s, 0.0))
        self._for_a_while(self._resume, most_s=2.0)

    def _resume(self) -> None:
        if not self.halts or self.halts[-1][1] != 0.0:
            return
        self._on.redis.store.ask("DEL", self._on.keys.halt)
        self._note_halt("")
        self.halts[-1] = self.halts[-1][0], self._on.loop.now_s

    def _note_halt(self, why: str) -> None:
        self._on.redis.store.ask("XADD", self._on.keys.control, "*", "kind", "halt", "why", why)
