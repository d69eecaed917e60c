"""Many seeds in several processes, each with a server of its own."""

import logging
import multiprocessing
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from simulation.mutants import MUTANTS
from simulation.store import Store, running_server
from simulation.story import Outcome, Story

_WAIT_S = 0.2


@dataclass(frozen=True)
class Wish:
    """What is to be simulated. ``minutes`` 0: until all seeds are done."""

    first: int
    seeds: int
    orders: int
    minutes: float = 0.0
    mutant: str = ""
    processes: int = 2


@dataclass
class Tally:
    """What has been simulated so far."""

    begun_s: float
    seeds: int = 0
    orders: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    bad: list[Outcome] = field(default_factory=list)

    def add(self, one: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.orders += one.orders
        self.virtual_s += one.virtual_s
        self.faults.update(one.faults)
        self.checked.update(one.checked)
        if one.differences:
            self.bad.append(one)

    @property
    def seeds_per_s(self) -> float:
        return self.seeds / max(1e-9, time.monotonic() - self.begun_s)


def play(
    seed: int, store: Store, orders: int, mutant: str = "", *, keep_log: bool = False
) -> Story:
    """Return a played story; its outcome is ``outcome``."""
    story = Story(seed, store, orders)
    if keep_log:
        story.scene.log = []
    with MUTANTS[mutant].built(store) if mutant else nullcontext():
        story.play()
    return story


def outcomes(wish: Wish) -> Iterator[Outcome]:
    """Yield the outcomes of all seeds wished for, as they come."""
    context = multiprocessing.get_context("spawn")
    found: Any = context.Queue()
    # Sets of texts are walked in the same order everywhere, so that a seed is one run.
    os.environ["PYTHONHASHSEED"] = "0"
    players = [
        context.Process(target=_play_share, args=(wish, number, found), daemon=True)
        for number in range(wish.processes)
    ]
    for player in players:
        player.start()
    left = len(players)
    try:
        while left:
            try:
                one = found.get(timeout=_WAIT_S)
            except queue.Empty:
                if any(player.exitcode not in (None, 0) for player in players):
                    raise RuntimeError("a player ended before its seeds; see above") from None
                continue
            if one is None:
                left -= 1
            else:
                yield one
    finally:
        for player in players:
            player.terminate()
            player.join()


def _play_share(wish: Wish, number: int, found: Any) -> None:
    """Play every n-th seed."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # coroutines of dead processes complain when collected
    _stay_on_one_core(number)
    end_s = time.monotonic() + wish.minutes * 60 if wish.minutes else float("inf")
    with running_server() as path:
        store = Store(path)
        for seed in range(wish.first + number, wish.first + wish.seeds, wish.processes):
            if time.monotonic() > end_s:
                break
            found.put(play(seed, store, wish.orders, wish.mutant).outcome)
        store.close()
    found.put(None)


def _stay_on_one_core(number: int) -> None:
    """Keep this process and its server together: they take turns, so they never both run."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
