"""rq jobs: what must survive and may wait. No job ever places an order.

``resolve_unknown`` climbs the ladder for an order whose outcome is unknown, with growing pauses,
and hands what it finds to the account's owner through the control stream, since only the owner
writes orders. ``sweep`` finds unknown orders that have no resolver. ``tidy`` archives and trims.
"""

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import DuplicateJobError
from rq.scheduler import RQScheduler

from router import settings as settings_module
from router.contracts import ControlKind
from router.errors import RedisUnavailable
from router.evidence import OrderReport, report_json
from router.keyspace import AccountKeys, index
from router.orders import OrderRecord
from router.outcomes import MISSES_FOR_PROOF, Rung, absent_from
from router.settings import Settings, shown
from router.state import State
from workers import exposition
from workers.clock import Clock
from workers.inquiry import Findings, Inquiry
from workers.job_metrics import JobMetrics, QueueCollector, measured_job
from workers.rest import RestClient
from workers.setup import account_setup
from workers.venue import Instruments, UnexpectedReply, Venue

log = logging.getLogger(__name__)

_SCHEDULE_EVERY_S = 0.5
_TIDY_AT_ONCE = 1_000


def connect(settings: Settings) -> "redis.Redis":
    """Return a client for rq: bytes, no repeats by itself."""
    return redis.Redis.from_url(settings.redis_url, retry=None, socket_timeout=10.0)


def text_client(settings: Settings) -> Any:
    """Return a client whose replies are text."""
    return redis.Redis.from_url(
        settings.redis_url, retry=None, socket_timeout=10.0, decode_responses=True
    )


def enqueue_resolve(
    settings: Settings, account: str, strategy: str, oid: str, *, attempt: int = 0
) -> None:
    """Enqueue the resolver of one unknown order, after a pause that grows with ``attempt``."""
    jobs = settings.jobs
    delay_s = min(jobs.resolve_most_s, jobs.resolve_first_s * 2 ** min(attempt, 20))
    client = connect(settings)
    try:
        Queue(jobs.queue, connection=client).enqueue_in(
            timedelta(seconds=delay_s),
            resolve_unknown,
            account,
            strategy,
            oid,
            attempt,
            job_id=f"{jobs.queue}-resolve-{account}-{oid}-{attempt}",
            result_ttl=0,
        )
    except DuplicateJobError:
        log.debug("the resolver of %s is already enqueued", oid)
    finally:
        client.close()


def resolve_unknown(account: str, strategy: str, oid: str, attempt: int = 0) -> str:
    """Climb the ladder once for an unknown order; return what was found."""
    settings = settings_module.load()
    client = text_client(settings)
    try:
        keys = AccountKeys(account, settings.prefix)
        fields = client.hgetall(keys.order(strategy, oid))
        if not fields or fields.get("state") != State.UNKNOWN:
            return "known"
        record = OrderRecord.from_hash(strategy, fields)
        findings = asyncio.run(_climb(settings, account, record))
        evidence = _evidence(record, findings)
        if evidence is not None:
            client.xadd(
                keys.control, {"kind": ControlKind.EVIDENCE, "strategy": strategy} | evidence
            )
    finally:
        client.close()
    if findings.rung is Rung.NO_ANSWER:
        enqueue_resolve(settings, account, strategy, oid, attempt=attempt + 1)
    return findings.rung.value


def _evidence(record: OrderRecord, findings: Findings) -> dict[str, str] | None:
    report: OrderReport | None = findings.report
    if findings.rung is Rung.FOUND and report is not None:
        return {"oid": record.oid, "report": report_json(report)}
    if findings.rung is Rung.NOT_FOUND:
        return {"oid": record.oid, "absent": "proven absent at the venue by the resolver"}
    return None


async def _climb(settings: Settings, account: str, record: OrderRecord) -> Findings:
    """Return FOUND, NOT_FOUND (then absence is proven) or NO_ANSWER."""
    setup = account_setup(account, settings)
    clock = Clock()
    rest = RestClient(
        setup.venue,
        setup.credentials,
        clock,
        threads=2,
        connect_timeout_s=settings.worker.rest_connect_timeout_s,
        read_timeout_s=settings.worker.rest_read_timeout_s,
    )
    try:
        await _sync_clock(setup.venue, rest, clock)
        instruments = await _instruments(setup.venue, rest)
        inquiry = Inquiry(setup.venue, rest, clock, lambda: instruments)
        rules = settings.orders
        from_ms = absent_from(
            record.sent_ms,
            expiry_ms=rules.expiry_ms,
            clock_skew_ms=rules.clock_skew_ms,
            visibility_lag_ms=rules.visibility_lag_ms,
        )
        await asyncio.sleep(max(0, from_ms - clock.now_ms()) / 1000)
        for _ in range(MISSES_FOR_PROOF):
            findings = await inquiry.whole(record)
            if findings.rung is not Rung.NOT_FOUND:
                return findings
            await asyncio.sleep(rules.visibility_lag_ms / 1000)
        return findings
    except UnexpectedReply as error:
        return Findings(Rung.NO_ANSWER, problem=str(error))
    finally:
        rest.close()


async def _sync_clock(venue: Venue, rest: RestClient, clock: Clock) -> None:
    asked_ms = clock.now_ms()
    venue_ms = venue.read_time(await rest.ask(venue.query_time(), signed=False))
    clock.venue_offset_ms = venue_ms - (asked_ms + clock.now_ms()) // 2


async def _instruments(venue: Venue, rest: RestClient) -> Instruments:
    found = []
    for request in venue.query_instruments():
        found += venue.read_instruments(await rest.ask(request, signed=False))
    return Instruments(found)


def sweep() -> int:
    """Enqueue a resolver for each unknown order; return how many are unknown."""
    settings = settings_module.load()
    client = text_client(settings)
    unknown = 0
    try:
        for account in client.smembers(index(settings.prefix)):
            keys = AccountKeys(account, settings.prefix)
            for strategy in _strategies(client, keys):
                for oid in client.smembers(keys.open(strategy)):
                    if client.hget(keys.order(strategy, oid), "state") == State.UNKNOWN:
                        unknown += 1
                        enqueue_resolve(settings, account, strategy, oid)
    finally:
        client.close()
    return unknown


def tidy() -> dict[str, int]:
    """Archive orders that ended long ago and trim results that all instances have handled."""
    settings = settings_module.load()
    client = text_client(settings)
    done = {"archived": 0, "trimmed": 0}
    try:
        for account in client.smembers(index(settings.prefix)):
            keys = AccountKeys(account, settings.prefix)
            for strategy in _strategies(client, keys):
                done["archived"] += archive_ended(client, keys, strategy, settings)
                done["trimmed"] += trim_results(client, keys, strategy, settings)
    finally:
        client.close()
    return done


def _strategies(client: Any, keys: AccountKeys) -> list[str]:
    return sorted(name for name in client.hkeys(keys.strategies) if "@" not in name)


def archive_ended(client: Any, keys: AccountKeys, strategy: str, settings: Settings) -> int:
    """Write ended orders to the archive (if one is set), then remove them; return how many.

    A crash between the two writes an order twice into the archive, never zero times.
    """
    before_ms = (time.time() - settings.jobs.keep_ended_s) * 1000
    oids = client.zrangebyscore(keys.ended(strategy), "-inf", before_ms, 0, _TIDY_AT_ONCE)
    for oid in oids:
        order = client.hgetall(keys.order(strategy, oid))
        if settings.jobs.archive_dir and order:
            _append(Path(settings.jobs.archive_dir) / keys.account, order | {"strategy": strategy})
        pipeline = client.pipeline(transaction=True)
        pipeline.delete(keys.order(strategy, oid))
        pipeline.zrem(keys.ended(strategy), oid)
        client_id = order.get("client_id", oid)
        if client.hget(keys.clients, client_id) == f"{strategy}/{oid}/ended":
            pipeline.hdel(keys.clients, client_id)
        pipeline.execute()
    return len(oids)


def _append(folder: Path, order: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    day = datetime.fromtimestamp(int(order.get("ended_ms") or 0) / 1000, UTC).date()
    with (folder / f"{day}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(order) + "\n")
        file.flush()
        os.fsync(file.fileno())


def trim_results(client: Any, keys: AccountKeys, strategy: str, settings: Settings) -> int:
    """Remove results that every instance has handled and that are older than the keeping time.

    Nothing unhandled is ever trimmed (P6).
    """
    cursors = client.hvals(keys.cursor(strategy))
    if not cursors:
        return 0
    handled = min(cursors, key=_entry_order)
    old_ms = int((time.time() - settings.jobs.keep_results_s) * 1000)
    cut = min(handled, f"{old_ms}-0", key=_entry_order)
    return int(client.xtrim(keys.results(strategy), minid=cut, approximate=False))


def _entry_order(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def run(settings: Settings) -> None:
    """Run the rq worker and the schedule until SIGINT or SIGTERM.

    Raises:
        RedisUnavailable: If Redis does not answer.
        ConfigError: If the metrics cannot be served at their address.
    """
    with contextlib.closing(connect(settings)) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            raise RedisUnavailable(
                f"Redis does not answer at {shown(settings.redis_url)}: {error}"
            ) from error
        queue = Queue(settings.jobs.queue, connection=client)
        registry = exposition.registry(QueueCollector(queue))
        with exposition.served(settings.metrics, registry):
            _work(settings, queue, JobMetrics(registry))


def _work(settings: Settings, queue: Queue, metrics: JobMetrics) -> None:
    stop = threading.Event()
    # Threads, not rq's own scheduler process: that one outlives a killed parent.
    schedule = threading.Thread(target=keep_schedule, args=(settings, stop), daemon=True)
    schedule.start()
    try:
        worker = SimpleWorker([queue], connection=queue.connection, job_class=measured_job(metrics))
        worker.work(logging_level="WARNING")
    finally:
        stop.set()
        schedule.join(5)


def keep_schedule(settings: Settings, stop: threading.Event) -> None:
    """Enqueue ``sweep``, ``tidy`` and jobs whose time has come until ``stop``."""
    jobs = settings.jobs
    every_s = {sweep: jobs.sweep_every_s, tidy: jobs.tidy_every_s}
    due_s = dict.fromkeys(every_s, time.monotonic())
    client = connect(settings)
    queue = Queue(jobs.queue, connection=client)
    # One name for all: its lock passes to a restarted process at once. Two at the same time may
    # enqueue a job twice, which is harmless, since each job may run twice.
    scheduler = RQScheduler([jobs.queue], client, name="order-router", logging_level=logging.ERROR)
    while not stop.wait(_SCHEDULE_EVERY_S):
        try:
            scheduler.acquire_locks()
            scheduler.enqueue_scheduled_jobs()
            for job, after_s in every_s.items():
                if time.monotonic() >= due_s[job]:
                    due_s[job] = time.monotonic() + after_s
                    _enqueue_unless_waiting(queue, job)
        except redis.RedisError as error:
            log.warning("the schedule cannot reach Redis: %s", error)
    client.close()


def _enqueue_unless_waiting(queue: Queue, job: Callable[[], object]) -> None:
    """Enqueue a periodic job unless its last one still waits or runs."""
    with contextlib.suppress(DuplicateJobError):
        queue.enqueue(
            job, job_id=f"{queue.name}-{job.__name__}", unique=True, result_ttl=0, failure_ttl=0
        )
