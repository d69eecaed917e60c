"""This tree beside another commit of it, in turns in one run: what a change costs, or gains.

Each side has everything of its own tree, the SDK and the functions in Redis included, so each has a
server of its own. Both are asked the same, round by round; who goes first alternates.
"""

import io
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import bench
from benchmarks.children import ROOT, BenchFailed, Children
from benchmarks.comparison import Say
from benchmarks.figures import Spread, quantile, ratios, spread
from benchmarks.options import Options
from benchmarks.side import Run, Side
from benchmarks.stack.start import start_stack

#: No figure may be worse by more.
MOST_RATIO = 1.05
NOW = "now"


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure of both trees; ``ratio``: above 1, it is worse now."""

    name: str
    before: Spread
    now: Spread
    ratio: Spread

    @property
    def met(self) -> bool:
        """Whether it is no worse than it may be."""
        return self.ratio.median <= MOST_RATIO


@dataclass(frozen=True, slots=True)
class Against:
    """What was found beside the commit ``before``."""

    before: str
    costs: list[Cost]
    took_s: float


@dataclass(frozen=True, slots=True)
class _Round:
    alone: Run
    burst: Run


def run(options: Options, before: str, say: Say) -> Against:
    """Return how this tree fares beside the commit ``before``.

    Raises:
        BenchFailed: If there is no such commit, or a process failed.
    """
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="order-router-before-") as folder, ExitStack() as stack:
        tree = Path(folder)
        _unpack(before, tree)
        sides = [_side(stack, options, before, tree), _side(stack, options, NOW, ROOT)]
        rounds = _measure(sides, options, say)
    return Against(before, costs(rounds[before], rounds[NOW]), time.monotonic() - began_s)


def _unpack(commit: str, tree: Path) -> None:
    command = ["git", "archive", "--format=tar", commit]
    try:
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        raise BenchFailed("git is not installed, so there is no other commit") from None
    if archive.returncode:
        raise BenchFailed(f"no commit {commit}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tree, filter="data")


def _side(stack: ExitStack, options: Options, name: str, tree: Path) -> Side:
    ground = stack.enter_context(bench.open_ground(options))
    (ground.folder / "router").mkdir()
    children = Children(ground.folder / "router", ground.environment, tree)
    router = start_stack(stack.enter_context(children), ground.place("router"), options.strategies)
    return replace(router, name=name, others=router.others | bench.server_of(ground.url))


def _measure(sides: Sequence[Side], options: Options, say: Say) -> Mapping[str, list[_Round]]:
    say("warming up")
    time.sleep(options.settle_s)
    few = options.warm_up_orders
    for side in sides:
        _round(side, replace(options, latency_orders=few, burst_orders=few))
    found: dict[str, list[_Round]] = {side.name: [] for side in sides}
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        for side in sides if number % 2 else [*reversed(sides)]:
            found[side.name].append(_round(side, options))
    return found


def _round(side: Side, options: Options) -> _Round:
    alone = side.one_by_one(options.latency_orders)
    side.clear()
    burst = side.burst(options.strategies, options.burst_orders, options.window, options.batch)
    side.clear()
    return _Round(alone, burst)


_FIGURES: dict[str, Callable[[_Round], float]] = {
    "p50 one at a time, µs": lambda one: quantile(one.alone.times_us, 0.5),
    "p99 one at a time, µs": lambda one: quantile(one.alone.times_us, 0.99),
    "µs between orders, batches": lambda one: 1e6 / one.burst.orders_per_s,
    "processor time alone, µs": lambda one: sum(one.alone.cpu_us_per_order.values()),
    "processor time in batches, µs": lambda one: sum(one.burst.cpu_us_per_order.values()),
}
"""By order; more of each is worse."""


def costs(before: Sequence[_Round], now: Sequence[_Round]) -> list[Cost]:
    """Return each figure on both sides, with the ratio of each round."""
    found = []
    for name, of in _FIGURES.items():
        old, new = [of(one) for one in before], [of(one) for one in now]
        found.append(Cost(name, spread(old), spread(new), spread(ratios(new, old))))
    return found
