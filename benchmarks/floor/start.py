"""Starts the floor's processes."""

import redis

from benchmarks.children import Children
from benchmarks.floor import keys
from benchmarks.side import Side


def start_floor(children: Children, url: str, prefix: str, strategies: int) -> Side:
    """Return the floor, ready: its venue, worker and strategies, on the Redis at ``url``."""
    client = redis.Redis.from_url(url)
    client.function_load(keys.SOURCE, replace=True)
    client.close()
    names = [f"flo{number}" for number in range(strategies)]
    venue = children.start("floor-venue", ["benchmarks.floor.venue"])
    ws_url = f"ws://127.0.0.1:{venue.hear()['port']}/"
    worker = children.start(
        "floor-worker", ["benchmarks.floor.worker", url, ws_url, prefix, *names]
    )
    worker.hear()
    started = [
        children.start(f"floor-{name}", ["benchmarks.floor.strategy", url, prefix, name])
        for name in names
    ]
    return Side("floor", started, {"worker": worker.pid, "venue": venue.pid})
