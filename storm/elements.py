"""Carries out what a storm does to processes, lines, Redis and accounts, and undoes it again."""

from collections.abc import Callable
from functools import partial

import redis

from commands.halt import write as write_halt
from commands.output import now_ms
from demo.faults import Act
from demo.venues import DemoVenue
from storm.lines import Lines, Weather
from storm.plan import Disturb, Halt, HangUp, Kill, KillRedis, Pause, Undo, Who
from storm.record import Halted
from storm.stack import StormStack

_WORKERS = ("worker", "standby")
_NOBODY = "nobody there"
_ALREADY = "it is so already"


class Elements:
    """Everything that a storm's acts touch. Call it with an act; it says what came of it."""

    def __init__(self, stack: StormStack, lines: Lines) -> None:
        self._stack = stack
        self._lines = lines
        self._venues: dict[str, DemoVenue] = {one.name: one for one in stack.options.venues}
        self._undo: dict[int, Callable[[], None]] = {}
        self._paused: set[int] = set()
        self.halts: list[Halted] = []

    def __repr__(self) -> str:
        return f"Elements({len(self._undo)} to undo)"

    def __call__(self, act: Act) -> str:
        """Do it; return to whom it was done, or why it was not."""
        try:
            return self._do(act)
        except redis.RedisError:
            return "Redis is away"

    def clear(self) -> None:
        """Undo all that is left.

        Raises:
            redis.RedisError: If Redis does not answer although it was started.
        """
        for number in sorted(self._undo):
            self._undone(number)

    def _do(self, act: Act) -> str:
        match act:
            case Undo(number):
                return self._undone(number)
            case Halt(number, venue):
                return self._halt(number, self._venues[venue])
            case KillRedis(number):
                return self._kill_redis(number)
            case Kill() | Pause() | Disturb() | HangUp():
                name = self._name(act.who)
                return self._upon(name, act) if self._stack.children.runs(name) else _NOBODY
        raise TypeError(f"{act!r} is no act of a storm")

    def _undone(self, number: int) -> str:
        undo = self._undo.get(number)
        if undo is None:
            return "it was not done, or is undone"
        undo()
        self._undo.pop(number, None)
        return ""

    def _name(self, who: Who) -> str:
        if not who.venue:
            return who.name
        owner = self._stack.owner(self._venues[who.venue])
        if who.name == "owner":
            return owner
        return next(name for name in _WORKERS if name != owner)

    # --- processes and their lines

    def _upon(self, name: str, act: Kill | Pause | Disturb | HangUp) -> str:
        children, host = self._stack.children, self._stack.hosts[name]
        match act:
            case Kill(number, _, clock_ms):
                children.kill(name)
                self._undo[number] = partial(self._start_again, name, clock_ms)
            case Pause(number):
                pid = children.pid(name)
                if pid in self._paused:
                    return _ALREADY
                children.pause(name)
                self._paused.add(pid)
                self._undo[number] = partial(self._go_on, name, pid)
            case Disturb(number, _, to, trouble, delay_ms, silent):
                self._lines.set(host, to, Weather(trouble, delay_ms / 1000))
                self._undo[number] = partial(self._lines.heal, host, to, silent=silent)
            case HangUp(_, _, to):
                self._lines.hang_up(host, to)
        return name if act.who.venue else ""

    def _start_again(self, name: str, clock_ms: int) -> None:
        if not self._stack.children.runs(name):
            self._stack.start_on(name, clock_ms)

    def _go_on(self, name: str, pid: int) -> None:
        self._paused.discard(pid)
        children = self._stack.children
        if children.runs(name) and children.pid(name) == pid:
            children.resume(name)

    # --- what all share

    def _kill_redis(self, number: int) -> str:
        server = self._stack.server
        if server is None or server.process is None:
            return _ALREADY
        server.kill()
        self._undo[number] = self._start_redis
        return ""

    def _start_redis(self) -> None:
        server = self._stack.server
        if server is not None and server.process is None:
            server.start()
            if server.process is not None:
                self._stack.children.watch(server.process.pid)

    def _halt(self, number: int, venue: DemoVenue) -> str:
        keys, client = self._stack.keys_of(venue), self._stack.client
        if client.get(keys.halt):
            return _ALREADY
        write_halt(client, keys, "a storm")
        self._undo[number] = partial(self._resume, venue, now_ms())
        return ""

    def _resume(self, venue: DemoVenue, from_ms: int) -> None:
        keys, to_ms = self._stack.keys_of(venue), now_ms()
        write_halt(self._stack.client, keys, None)
        self.halts.append(Halted(venue.venue_account, venue.account, from_ms, to_ms))
