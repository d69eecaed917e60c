"""One side of a comparison, the floor or the router: the same questions to its strategies.

Questions to a strategy process, one JSON object a line, and their answers:
- ``{"do": "latency", "orders": n}`` → ``times_ns`` (submit to told, one order at a time),
  ``began_ns``, ``ended_ns`` (a clock that all processes share);
- ``{"do": "burst", "orders", "window", "batch"}`` → the same, the floor without ``times_ns``;
- ``{"do": "clear"}``: end all open orders.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import system
from benchmarks.children import Child


@dataclass(frozen=True, slots=True)
class Run:
    """One run of orders: the rate, submit-to-told times where measured, processor time by role."""

    orders_per_s: float
    times_us: list[float]
    cpu_us_per_order: dict[str, float]


@dataclass
class Side:
    """The processes of one side, ready to be asked."""

    name: str
    strategies: Sequence[Child]
    others: dict[str, int] = field(default_factory=dict)
    """Process ids of the other roles: worker, redis, venue."""
    after: Callable[[], None] = lambda: None
    """What else ends its open orders."""

    def one_by_one(self, orders: int) -> Run:
        """Return the times of ``orders`` orders of one strategy, each alone on its way."""
        return self._run(self.strategies[:1], {"do": "latency", "orders": orders})

    def burst(self, strategies: int, orders: int, window: int, batch: int) -> Run:
        """Return how fast ``orders`` orders in all went through, by so many strategies at once."""
        share = orders // strategies
        question = {"do": "burst", "orders": share, "window": window, "batch": batch}
        return self._run(self.strategies[:strategies], question)

    def _run(self, chosen: Sequence[Child], question: Mapping[str, Any]) -> Run:
        before = self._cpu_ns(chosen)
        for child in chosen:
            child.tell(question)
        answers: list[dict[str, Any]] = [child.hear() for child in chosen]
        after = self._cpu_ns(chosen)
        began = min(answer["began_ns"] for answer in answers)
        ended = max(answer["ended_ns"] for answer in answers)
        done = question["orders"] * len(chosen)
        return Run(
            orders_per_s=done * 1e9 / (ended - began),
            times_us=[one / 1e3 for answer in answers for one in answer.get("times_ns", ())],
            cpu_us_per_order={role: (after[role] - before[role]) / 1e3 / done for role in before},
        )

    def clear(self) -> None:
        """End all open orders."""
        for child in self.strategies:
            child.tell({"do": "clear"})
        for child in self.strategies:
            child.hear()
        self.after()

    def _cpu_ns(self, strategies: Sequence[Child]) -> dict[str, int]:
        pids = {"strategies": [child.pid for child in strategies]}
        pids |= {role: [pid] for role, pid in self.others.items()}
        found = {role: [system.cpu_ns(pid) for pid in many] for role, many in pids.items()}
        return {
            role: sum(one for one in times if one is not None)
            for role, times in found.items()
            if None not in times
        }
