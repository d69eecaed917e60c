"""Starts the floor's processes: with an echo for a venue, or with the router's venue."""

import redis

from benchmarks.children import Child, Children
from benchmarks.floor import keys
from benchmarks.floor.worker import OKX_PATH
from benchmarks.side import Side
from benchmarks.stack.start import Place, start_simulator
from simulator.client import ControlClient


def start_floor(children: Children, url: str, prefix: str, strategies: int) -> Side:
    """Return the floor, ready: its venue, worker and strategies, on the Redis at ``url``."""
    venue = children.start("floor-venue", ["benchmarks.floor.venue"])
    ws_url = f"ws://127.0.0.1:{venue.hear()['port']}/"
    return _start(children, url, prefix, strategies, venue, ws_url, "floor")


def start_floor_at_simulator(children: Children, place: Place) -> Side:
    """Return a floor of one strategy whose venue is a simulator like the router's, ready.

    It carries what the router carries: acknowledgements, orders on the book, balances.
    """
    venue = start_simulator(children, place)
    at = venue.hear()
    ws_url = f"ws://127.0.0.1:{at['port']}{OKX_PATH}"
    side = _start(
        children, place.url, place.prefix, 1, venue, ws_url, "floor at the simulator", "on-book"
    )
    # Its orders rest, and are canceled by nobody.
    side.after = ControlClient(f"http://127.0.0.1:{at['control_port']}").reset
    return side


def _start(
    children: Children,
    url: str,
    prefix: str,
    strategies: int,
    venue: Child,
    ws_url: str,
    side: str,
    *told: str,
) -> Side:
    client = redis.Redis.from_url(url)
    client.function_load(keys.SOURCE, replace=True)
    client.close()
    names = [f"flo{number}" for number in range(strategies)]
    worker = children.start(
        "floor-worker", ["benchmarks.floor.worker", url, ws_url, prefix, *names]
    )
    worker.hear()
    started = [
        children.start(f"floor-{name}", ["benchmarks.floor.strategy", url, prefix, name, *told])
        for name in names
    ]
    return Side(side, started, {"worker": worker.pid, "venue": venue.pid})
