"""Each venue beside OKX: one worker and one simulator serve an account at each of them.

While the orders of one venue are measured the other accounts are idle, so the processor time of
worker and simulator is that venue's. Rounds go through the venues in turn, each beginning with
another; ratios are taken within a round.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.children import Child, Children
from benchmarks.comparison import Say
from benchmarks.figures import Spread, quantile, ratios, spread
from benchmarks.options import Options
from benchmarks.side import Run, Side
from benchmarks.stack.start import Place, start_strategies, wait_serving
from demo.config import KEYS, accounts_toml
from demo.redis_server import free_port
from demo.venues import OKX, DemoVenue, venues_named

VENUES = venues_named("okx,binance,bybit,bitget")
#: No venue may be slower than OKX by more.
MOST_RATIO = 1.2
ENVIRONMENT = KEYS
_SIMULATOR = """\
ledger_requests = false
venues = {venues}
[ports]
{ports}
[market]
tick_ms = 0
[retention]
never_filled_s = 20
ledger_s = 20
"""


@dataclass(frozen=True, slots=True)
class VenueRow:
    """One venue: submit → on_pending_order one at a time, and a burst of batches.

    The ratios are to OKX: above 1 is slower. ``worker_us`` and ``venue_us`` are the processor time
    of our worker and of the simulator, for an order of the burst.
    """

    name: str
    p50_us: Spread
    p50_ratio: Spread
    per_s: Spread
    slower: Spread
    worker_us: Spread
    worker_ratio: Spread
    venue_us: Spread

    @property
    def met(self) -> bool:
        """Whether it is no slower than it may be, one at a time and in batches."""
        return max(self.p50_ratio.median, self.slower.median) <= MOST_RATIO


@dataclass(frozen=True, slots=True)
class _Round:
    alone: Run
    burst: Run


def start(children: Children, place: Place, servers: Mapping[str, int]) -> list[Side]:
    """Return one side for each venue, ready; all share simulator, worker and Redis.

    ``servers``: Redis's process id, by its role.
    """
    ports: dict[str, int] = {one.name: free_port() for one in VENUES}
    place.config.mkdir(parents=True, exist_ok=True)
    others = "\n".join(f"{name} = {port}" for name, port in ports.items() if name != OKX.name)
    texts = {
        "simulator.toml": _SIMULATOR.format(venues=json.dumps(list(ports)), ports=others),
        "accounts.toml": accounts_toml(VENUES, ports, {}),
        "router.toml": f'prefix = "{place.prefix}"\n{place.router_toml}',
    }
    for name, text in texts.items():
        (place.config / name).write_text(text)
    options = ["--config", str(place.config / "simulator.toml"), "--port", str(ports[OKX.name])]
    venue = children.start(
        "simulator", ["commands.main", "simulator", *options, "--control-port", "0", "--json"]
    )
    accounts = [word for one in VENUES for word in ("--account", one.account)]
    worker = children.start("worker", ["commands.main", "worker", *accounts, *place.worker_options])
    for one in VENUES:
        wait_serving(place, worker, one.account)
    pids = {"worker": worker.pid, "venue": venue.pid, **servers}
    return [Side(one.name, [_strategy(children, place, one)], pids) for one in VENUES]


def _strategy(children: Children, place: Place, venue: DemoVenue) -> Child:
    symbol, amount = next(iter(venue.amounts.items()))
    name = venue.name.replace("-", "")
    [child] = start_strategies(
        children, place, [name], account=venue.account, trades=(symbol, str(amount))
    )
    return child


def measure(sides: Sequence[Side], options: Options, say: Say) -> list[VenueRow]:
    """Return one row for each venue, OKX first."""
    time.sleep(options.settle_s)
    few = replace(options, latency_orders=options.warm_up_orders, venue_orders=options.batch)
    for side in sides:
        _round(side, few)
    found: dict[str, list[_Round]] = {side.name: [] for side in sides}
    for number in range(options.rounds):
        say(f"venues, round {number + 1} of {options.rounds}")
        first = number % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            found[side.name].append(_round(side, options))
    return [_row(name, rounds, found[OKX.name]) for name, rounds in found.items()]


def _round(side: Side, options: Options) -> _Round:
    alone = side.one_by_one(min(options.latency_orders, options.venue_orders))
    side.clear()
    burst = side.burst(1, 4 * options.venue_orders, options.window, options.batch)
    side.clear()
    return _Round(alone, burst)


def _row(name: str, mine: Sequence[_Round], okx: Sequence[_Round]) -> VenueRow:
    p50s, rates, worker, venue = _figures(mine)
    okx_p50s, okx_rates, okx_worker, _ = _figures(okx)
    return VenueRow(
        name,
        spread(p50s),
        spread(ratios(p50s, okx_p50s)),
        spread(rates),
        spread(ratios(okx_rates, rates)),
        spread(worker),
        spread(ratios(worker, okx_worker)),
        spread(venue),
    )


def _figures(rounds: Sequence[_Round]) -> tuple[list[float], ...]:
    costs: list[Mapping[str, Any]] = [one.burst.cpu_us_per_order for one in rounds]
    return (
        [quantile(one.alone.times_us, 0.5) for one in rounds],
        [one.burst.orders_per_s for one in rounds],
        [one["worker"] for one in costs],
        [one["venue"] for one in costs],
    )
