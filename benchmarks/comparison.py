"""Floor and router in turns, round by round: one at a time, then bursts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.figures import Spread, quantile, ratios, spread
from benchmarks.options import Options
from benchmarks.side import Run, Side

SIDES = ("floor", "router")
AT_VENUE = "floor at the simulator"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a burst is submitted: by how many strategies, how many orders in one call."""

    strategies: int
    batch: int


@dataclass(slots=True)
class Rounds:
    """What was measured, by side, round by round; ``None`` as shape: one order at a time."""

    runs: dict[tuple[str, Shape | None], list[Run]] = field(default_factory=dict)

    def add(self, side: str, shape: Shape | None, run: Run) -> None:
        """Keep one run."""
        self.runs.setdefault((side, shape), []).append(run)


def shapes(options: Options) -> list[Shape]:
    """Return the bursts of each round."""
    return [
        Shape(strategies, batch)
        for strategies in sorted({1, options.strategies})
        for batch in (1, options.batch)
    ]


@dataclass(frozen=True, slots=True)
class Sides:
    """The floor, and routers by the number of their strategies: results that concern the whole
    account go to every strategy, so one that only looks on would cost time."""

    floor: Side
    floor_at_venue: Side
    routers: Mapping[int, Side]

    def all(self) -> list[Side]:
        return [self.floor, self.floor_at_venue, *self.routers.values()]


def measure(sides: Sides, options: Options, say: Say) -> Rounds:
    """Return all rounds; who goes first alternates, so that a drift favours neither."""
    found = Rounds()
    say("warming up")
    time.sleep(options.settle_s)
    _round(Rounds(), sides, _warm_up(options), floor_first=True)
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        _round(found, sides, options, floor_first=number % 2 == 0)
    return found


def _warm_up(options: Options) -> Options:
    few = options.warm_up_orders
    return replace(options, latency_orders=few, burst_orders=few)


def _round(found: Rounds, sides: Sides, options: Options, *, floor_first: bool) -> None:
    one_by_one = [sides.floor, sides.floor_at_venue, sides.routers[1]]
    for side in one_by_one if floor_first else one_by_one[::-1]:
        found.add(side.name, None, side.one_by_one(options.latency_orders))
        side.clear()
    for shape in shapes(options):
        for side in _turn(sides.floor, sides.routers[shape.strategies], floor_first=floor_first):
            run = side.burst(shape.strategies, options.burst_orders, options.window, shape.batch)
            found.add(side.name, shape, run)
            side.clear()


def _turn(floor: Side, router: Side, *, floor_first: bool) -> tuple[Side, Side]:
    return (floor, router) if floor_first else (router, floor)


@dataclass(frozen=True, slots=True)
class Latency:
    """One side's times, one order at a time. p99.9 is of all rounds' samples together."""

    samples: int
    p50_us: Spread
    p99_us: Spread
    p99_9_us: float
    cpu_us: dict[str, float]


@dataclass(frozen=True, slots=True)
class Ratios:
    """The router's times by a floor's, round by round."""

    p50: Spread
    p99: Spread


@dataclass(frozen=True, slots=True)
class Throughput:
    """One shape on both sides. ``ratio``: floor's rate by the router's, round by round."""

    strategies: int
    batch: int
    floor_per_s: Spread
    router_per_s: Spread
    ratio: Spread
    router_p50_us: Spread
    floor_cpu_us: dict[str, float]
    router_cpu_us: dict[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of all rounds."""

    floor: Latency
    floor_at_venue: Latency
    router: Latency
    to_floor: Ratios
    to_floor_at_venue: Ratios
    throughputs: list[Throughput]


def summarize(rounds: Rounds, options: Options) -> Comparison:
    """Return the figures: medians of rounds with their spread."""
    floor, at_venue, router = (rounds.runs[side, None] for side in (SIDES[0], AT_VENUE, SIDES[1]))
    return Comparison(
        floor=_latency(floor),
        floor_at_venue=_latency(at_venue),
        router=_latency(router),
        to_floor=_ratios(router, floor),
        to_floor_at_venue=_ratios(router, at_venue),
        throughputs=[_throughput(shape, rounds) for shape in shapes(options)],
    )


def _latency(runs: Sequence[Run]) -> Latency:
    every = [one for run in runs for one in run.times_us]
    return Latency(
        samples=len(every),
        p50_us=spread(quantile(run.times_us, 0.5) for run in runs),
        p99_us=spread(quantile(run.times_us, 0.99) for run in runs),
        p99_9_us=quantile(every, 0.999),
        cpu_us=_cpu(runs),
    )


def _ratios(router: Sequence[Run], floor: Sequence[Run]) -> Ratios:
    def by(share: float) -> Spread:
        return spread(
            ratios(*([quantile(one.times_us, share) for one in runs] for runs in (router, floor)))
        )

    return Ratios(p50=by(0.5), p99=by(0.99))


def _throughput(shape: Shape, rounds: Rounds) -> Throughput:
    floor, router = (rounds.runs[side, shape] for side in SIDES)
    rates = [[run.orders_per_s for run in runs] for runs in (floor, router)]
    return Throughput(
        strategies=shape.strategies,
        batch=shape.batch,
        floor_per_s=spread(rates[0]),
        router_per_s=spread(rates[1]),
        ratio=spread(ratios(rates[0], rates[1])),
        router_p50_us=spread(quantile(run.times_us, 0.5) for run in router),
        floor_cpu_us=_cpu(floor),
        router_cpu_us=_cpu(router),
    )


def _cpu(runs: Sequence[Run]) -> dict[str, float]:
    roles = runs[0].cpu_us_per_order
    return {role: spread(one.cpu_us_per_order[role] for one in runs).median for role in roles}
