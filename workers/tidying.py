"""Archives orders that ended long ago and trims results that were handled, a page at a time."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from router.keyspace import AccountKeys
from router.settings import JobSettings

PAGE = 500
"""Orders archived in one exchange with Redis; short enough that nobody waits for it."""

Order = Mapping[str, str]


def archive_ended(client: Any, keys: AccountKeys, strategy: str, jobs: JobSettings) -> int:
    """Write ended orders to the archive (if one is set), then remove them; return how many.

    All that ended ``keep_ended_s`` ago or earlier go, however many: what comes in faster than it
    goes would fill Redis. A crash between the two writes an order twice into the archive, never
    zero times.
    """
    before_ms, done = (time.time() - jobs.keep_ended_s) * 1000, 0
    while True:
        oids = client.zrangebyscore(keys.ended(strategy), "-inf", before_ms, 0, PAGE)
        if oids:
            orders = _orders(client, keys, strategy, oids)
            if jobs.archive_dir:
                _append(Path(jobs.archive_dir) / keys.account, strategy, orders)
            _remove(client, keys, strategy, orders)
        done += len(oids)
        if len(oids) < PAGE:
            return done


def _orders(client: Any, keys: AccountKeys, strategy: str, oids: Sequence[str]) -> dict[str, Order]:
    pipeline = client.pipeline(transaction=False)
    for oid in oids:
        pipeline.hgetall(keys.order(strategy, oid))
    return dict(zip(oids, pipeline.execute(), strict=True))


def _remove(client: Any, keys: AccountKeys, strategy: str, orders: Mapping[str, Order]) -> None:
    client_ids = {oid: order.get("client_id", oid) for oid, order in orders.items()}
    holders = client.hmget(keys.clients, list(client_ids.values()))
    free = [
        client_id
        for (oid, client_id), holder in zip(client_ids.items(), holders, strict=True)
        if holder == f"{strategy}/{oid}/ended"
    ]
    pipeline = client.pipeline(transaction=True)
    pipeline.unlink(*(keys.order(strategy, oid) for oid in orders))
    pipeline.zrem(keys.ended(strategy), *orders)
    if free:
        pipeline.hdel(keys.clients, *free)
    pipeline.execute()


def _append(folder: Path, strategy: str, orders: Mapping[str, Order]) -> None:
    """Add the orders to the files of the days they ended on, on the disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for order in orders.values():
        if order:
            day = datetime.fromtimestamp(int(order.get("ended_ms") or 0) / 1000, UTC).date()
            lines[str(day)].append(json.dumps({**order, "strategy": strategy}) + "\n")
    for name, texts in lines.items():
        with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(texts)
            file.flush()
            os.fsync(file.fileno())


def trim_results(client: Any, keys: AccountKeys, strategy: str, jobs: JobSettings) -> int:
    """Remove results that every instance has handled and that are older than the keeping time.

    Nothing unhandled is ever trimmed (P6).
    """
    cursors = client.hvals(keys.cursor(strategy))
    if not cursors:
        return 0
    handled = min(cursors, key=_entry_order)
    old_ms = int((time.time() - jobs.keep_results_s) * 1000)
    cut = min(handled, f"{old_ms}-0", key=_entry_order)
    return int(client.xtrim(keys.results(strategy), minid=cut, approximate=False))


def _entry_order(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)
