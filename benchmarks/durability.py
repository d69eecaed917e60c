"""What a Redis that writes to disk more or less often costs: one router, the server turned.

``appendfsync`` can be set while the server runs, so all modes are measured with the same processes;
rounds go through the modes in turn, each beginning with another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.comparison import Say
from benchmarks.figures import Spread, quantile, spread
from benchmarks.options import Options
from benchmarks.side import Run, Side

MODES = ("no", "everysec", "always")


@dataclass(frozen=True, slots=True)
class Durability:
    """One mode: submit → on_pending_order one order at a time, and orders per second."""

    appendfsync: str
    p50_us: Spread
    p99_us: Spread
    per_s: Spread


def measure(router: Side, url: str, options: Options, say: Say) -> list[Durability]:
    """Return one row for each mode; the server is left at ``everysec``."""
    client: Any = redis.Redis.from_url(url)
    runs: dict[str, list[tuple[Run, Run]]] = {mode: [] for mode in MODES}
    try:
        _round(router, "everysec", client, options.warm_up_orders, options)
        for number in range(options.rounds):
            say(f"durability, round {number + 1} of {options.rounds}")
            first = number % len(MODES)
            for mode in MODES[first:] + MODES[:first]:
                runs[mode].append(_round(router, mode, client, options.durable_orders, options))
    finally:
        client.config_set("appendfsync", "everysec")
        client.close()
    return [_row(mode, found) for mode, found in runs.items()]


def _round(router: Side, mode: str, client: Any, orders: int, options: Options) -> tuple[Run, Run]:
    client.config_set("appendfsync", mode)
    alone = router.one_by_one(orders)
    router.clear()
    many = router.burst(1, 2 * orders, options.window, 1)
    router.clear()
    return alone, many


def _row(mode: str, found: Sequence[tuple[Run, Run]]) -> Durability:
    return Durability(
        mode,
        spread(quantile(alone.times_us, 0.5) for alone, _ in found),
        spread(quantile(alone.times_us, 0.99) for alone, _ in found),
        spread(many.orders_per_s for _, many in found),
    )
