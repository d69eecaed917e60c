"""Archives orders that ended long ago and trims results, a page at a time."""

import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from router import functions
from router.keyspace import AccountKeys
from router.settings import JobSettings, Settings

log = logging.getLogger(__name__)

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


def trim_results(client: Any, keys: AccountKeys, strategy: str, settings: Settings) -> int:
    """Cut results that all instances have handled, too old or too many; return how many.

    What an instance had not handled is cut only by leaving it a gap marker (P2, P6). New orders are
    refused at half of the number at which that begins, so a reader that hangs loses nothing first.
    """
    call = functions.trim(
        keys,
        strategy,
        handled_ms=int(settings.jobs.keep_results_s * 1000),
        unhandled_ms=int(settings.jobs.max_result_age_s * 1000),
        most=2 * settings.orders.max_unread_results_per_strategy,
    )
    trimmed = 0
    while True:
        _, cut, marked = client.fcall(*call.fcall())
        if marked:
            log.warning(
                "%s: results of %s were cut unread; %d instances of it will be told which",
                *(keys.account, strategy, marked),
            )
        if not cut:
            return trimmed
        trimmed += cut
