"""Many seeds in several processes, each with a server of its own."""

import logging
import multiprocessing
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from demo.redis_server import die_with_parent
from simulation.mutants import MUTANTS
from simulation.store import Store, running_server
from simulation.story import Outcome, Story

_WAIT_S = 0.2


@dataclass(frozen=True)
class Part:
    """One seed to be played.

    ``mutant``: by this broken build of the product. ``only``: with these kinds of fault, and often.
    """

    seed: int
    orders: int
    mutant: str = ""
    only: tuple[str, ...] = ()


@dataclass
class Tally:
    """What has been played so far."""

    begun_s: float
    seeds: int = 0
    orders: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    bad: list[int] = field(default_factory=list)

    def add(self, one: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.orders += one.orders
        self.virtual_s += one.virtual_s
        self.faults.update(one.faults)
        self.checked.update(one.checked)
        if one.differences:
            self.bad.append(one.seed)

    @property
    def seeds_per_s(self) -> float:
        return self.seeds / max(1e-9, time.monotonic() - self.begun_s)


def play(part: Part, store: Store, *, keep_log: bool = False) -> Story:
    """Return a played story; its outcome is ``outcome``."""
    story = Story(part.seed, store, part.orders, part.only)
    if keep_log:
        story.scene.log = []
    with MUTANTS[part.mutant].built(store) if part.mutant else nullcontext():
        story.play()
    return story


def outcomes(
    parts: Sequence[Part], processes: int, minutes: float = 0.0
) -> Iterator[tuple[Part, Outcome]]:
    """Yield what each part came to, as it comes; begin none after ``minutes`` (0: play all)."""
    context = multiprocessing.get_context("spawn")
    found: Any = context.Queue()
    players = [
        context.Process(
            target=_play_share,
            args=(parts[number::processes], number, minutes * 60, found),
            daemon=True,
        )
        for number in range(processes)
    ]
    hashed = os.environ.get("PYTHONHASHSEED")
    # Sets of texts are walked in the same order everywhere, so that a seed is one run.
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        for player in players:
            player.start()
    finally:
        os.environ.pop("PYTHONHASHSEED")
        if hashed is not None:
            os.environ["PYTHONHASHSEED"] = hashed
    try:
        yield from _received(players, found)
    finally:
        for player in players:
            player.terminate()
            player.join()


def _received(players: Sequence[Any], found: Any) -> Iterator[tuple[Part, Outcome]]:
    left = len(players)
    while left:
        try:
            one = found.get(timeout=_WAIT_S)
        except queue.Empty:
            codes = [player.exitcode for player in players]
            if any(codes):
                raise RuntimeError(
                    f"a player ended before its seeds, exit codes {codes}: below 0 a signal from "
                    "outside, above 0 see its traceback"
                ) from None
            continue
        if one is None:
            left -= 1
        else:
            yield one


def _play_share(parts: Sequence[Part], number: int, most_s: float, found: Any) -> None:
    _end_with_parent()
    be_quiet()
    _stay_on_one_core(number)
    end_s = time.monotonic() + most_s if most_s else float("inf")
    with running_server() as path:
        store = Store(path)
        for part in parts:
            if time.monotonic() > end_s:
                break
            found.put((part, play(part, store).outcome))
        store.close()
    found.put(None)


def _end_with_parent() -> None:
    """End when the process that counts does: else we play on for hours, and nobody hears of it."""
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        sys.exit("the process that counts has ended")  # before we asked to be told


def be_quiet() -> None:
    """Let the product log nothing: it has much to say about faults."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # coroutines of dead processes complain when collected


def _stay_on_one_core(number: int) -> None:
    """Keep this process and its server together: they take turns, so they never both run."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
