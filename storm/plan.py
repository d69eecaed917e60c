"""The faults of a storm as data: what happens when, to whom, all of it from the seed. Pure.

What is done to a process, a line or an account is undone by a later step of the same number.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from demo.faults import Act, Step, step_at_venue

#: How long an owner's lease lives; ``router/settings.py``, the default.
LEASE_S = 3.0
#: A line may hold bytes back for so long: less than the lease's margin, so that what was sent under
#: a lease arrives under it.
MOST_DELAY_MS = 250
_EVERY_S = 3.0
_AT_VENUE_EVERY_S = 1.3
#: The last share of the time is quiet but for what is undone.
_UNTIL = 0.85

LineTo = Literal["redis", "venue"]
#: ``cut``: nothing passes. ``deaf``: what is asked arrives, no answer does. ``mute``: nothing that
#: is asked arrives. ``slow``: each piece is held back.
Trouble = Literal["cut", "deaf", "mute", "slow"]
_REDIS: LineTo = "redis"
_VENUE: LineTo = "venue"
_TROUBLES: tuple[Trouble, ...] = ("cut", "deaf", "mute", "slow")


@dataclass(frozen=True, slots=True)
class Who:
    """Which process: a name, or ``owner`` and ``other`` of the account at a venue."""

    name: str
    venue: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.venue}" if self.venue else self.name


@dataclass(frozen=True, slots=True)
class Kill(Act):
    """End a process as a crash would; its next host has a clock that is ``clock_ms`` wrong."""

    number: int
    who: Who
    clock_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pause(Act):
    """Stop a process where it stands."""

    number: int
    who: Who


@dataclass(frozen=True, slots=True)
class Disturb(Act):
    """Trouble a process's lines; afterwards what lost bytes is closed, or stays ``silent``."""

    number: int
    who: Who
    to: LineTo
    trouble: Trouble
    delay_ms: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True)
class HangUp(Act):
    """Close all of a process's connections to Redis or to the venues at once."""

    number: int
    who: Who
    to: LineTo


@dataclass(frozen=True, slots=True)
class KillRedis(Act):
    """End Redis as a crash would; it comes back with its data."""

    number: int


@dataclass(frozen=True, slots=True)
class Halt(Act):
    """Stop new orders of the account at a venue."""

    number: int
    venue: str


@dataclass(frozen=True, slots=True)
class Undo(Act):
    """Start again, let go on, heal or resume what the act of this number was done to."""

    number: int


@dataclass(frozen=True, slots=True)
class _Draw:
    """What a random fault is made from."""

    number: int
    random: random.Random
    venues: Sequence[str]
    strategies: Sequence[str]

    def between(self, least: float, most: float) -> float:
        return self.random.uniform(least, most)

    def worker(self, name: str = "") -> Who:
        return Who(name or self.random.choice(("owner", "other")), self.venue())

    def venue(self) -> str:
        return self.random.choice(self.venues)

    def anybody(self) -> Who:
        some = (self.worker(), self.worker(), self.strategy(), Who("jobs"))
        return self.random.choice(some)

    def strategy(self) -> Who:
        return Who(self.random.choice(self.strategies))


#: What happens, and after how many seconds which undoing of it; None: nothing is to be undone.
_Fault = tuple[str, Act, tuple[float, str] | None]


def schedule(
    seconds: float, seed: int, *, venues: Sequence[str], strategies: Sequence[str]
) -> list[Step]:
    """Return the steps in the order of their times; one of each kind of fault is among them."""
    draw = random.Random(seed)
    until_s = seconds * _UNTIL
    steps: list[Step] = []
    at_s = draw.expovariate(1 / _AT_VENUE_EVERY_S)
    while at_s < until_s:
        steps.append(step_at_venue(at_s, draw))
        at_s += draw.expovariate(1 / _AT_VENUE_EVERY_S)
    for number, (at_s, make) in enumerate(_times(until_s, draw)):
        what, act, undone = make(_Draw(number, draw, venues, strategies))
        steps.append(Step(at_s, what, (act,)))
        if undone is not None:
            after_s, then = undone
            steps.append(Step(min(at_s + after_s, seconds * 0.95), then, (Undo(number),)))
    return sorted(steps, key=lambda step: step.at_s)


def _times(until_s: float, draw: random.Random) -> list[tuple[float, Callable[[_Draw], _Fault]]]:
    """Return when which kind of fault begins: each once, spread evenly, and more at random."""
    each = list(_KINDS)
    draw.shuffle(each)
    share_s = until_s / len(each)
    found = [((place + draw.random()) * share_s, make) for place, make in enumerate(each)]
    at_s = draw.expovariate(1 / _EVERY_S)
    while at_s < until_s:
        found.append((at_s, draw.choice(_KINDS)))
        at_s += draw.expovariate(1 / _EVERY_S)
    return found


def _kill_owner(draw: _Draw) -> _Fault:
    return _killed(draw, draw.worker("owner"), 2 * LEASE_S)


def _kill_other(draw: _Draw) -> _Fault:
    return _killed(draw, draw.worker("other"), 2 * LEASE_S)


def _kill_strategy(draw: _Draw) -> _Fault:
    return _killed(draw, draw.strategy(), 1.0)


def _kill_jobs(draw: _Draw) -> _Fault:
    return _killed(draw, Who("jobs"), LEASE_S)


def _killed(draw: _Draw, who: Who, most_s: float) -> _Fault:
    clock_ms = 0
    if who.venue and draw.random.random() < 0.5:
        clock_ms = draw.random.randint(-5_000, 5_000)
    then = "started again" + (f", its clock {clock_ms} ms wrong" if clock_ms else "")
    return f"{who} is killed", Kill(draw.number, who, clock_ms), (draw.between(0.1, most_s), then)


def _pause_beyond_the_lease(draw: _Draw) -> _Fault:
    return _paused(draw, draw.worker("owner"), draw.between(1.8, 2.6) * LEASE_S)


def _pause(draw: _Draw) -> _Fault:
    return _paused(draw, draw.anybody(), draw.between(0.05, 0.6) * LEASE_S)


def _paused(draw: _Draw, who: Who, for_s: float) -> _Fault:
    return f"{who} is paused for {for_s:.1f} s", Pause(draw.number, who), (for_s, f"{who} goes on")


def _disturb_redis(draw: _Draw) -> _Fault:
    return _disturbed(draw, draw.anybody(), "redis")


def _disturb_venue(draw: _Draw) -> _Fault:
    return _disturbed(draw, draw.worker(), "venue")


def _disturbed(draw: _Draw, who: Who, to: LineTo) -> _Fault:
    trouble = draw.random.choice(_TROUBLES)
    delay_ms = draw.random.randint(20, MOST_DELAY_MS) if trouble == "slow" else 0
    what = f"{who}: its lines to {to} are {trouble}" + (f" ({delay_ms} ms)" if delay_ms else "")
    silent = draw.random.random() < 0.5
    act = Disturb(draw.number, who, to, trouble, delay_ms, silent)
    return what, act, (draw.between(0.3, 1.7) * LEASE_S, f"{who}: its lines to {to} are healed")


def _hang_up(draw: _Draw) -> _Fault:
    who, to = draw.random.choice(((draw.anybody(), _REDIS), (draw.worker(), _VENUE)))
    return f"{who}: its connections to {to} are closed", HangUp(draw.number, who, to), None


def _kill_redis(draw: _Draw) -> _Fault:
    return "Redis is killed", KillRedis(draw.number), (draw.between(0.1, 2.0), "Redis is back")


def _halt(draw: _Draw) -> _Fault:
    venue = draw.venue()
    then = (draw.between(1.5, 2.0) * LEASE_S, f"{venue} is resumed")
    return f"{venue} is halted", Halt(draw.number, venue), then


_KINDS: tuple[Callable[[_Draw], _Fault], ...] = (
    _kill_owner,
    _kill_other,
    _kill_strategy,
    _kill_jobs,
    _pause_beyond_the_lease,
    _pause,
    _disturb_redis,
    _disturb_venue,
    _hang_up,
    _kill_redis,
    _halt,
)
