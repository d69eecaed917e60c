"""rq jobs: what must survive and may wait. No job ever places an order.

``resolve_unknown`` climbs the ladder for an order whose outcome is unknown, again and again with
growing pauses, until the venue answers. ``sweep`` finds unknown orders that have no resolver.
``tidy`` archives and trims.

Each unknown order has one chain of resolvers at a time: the next is enqueued by the last, and a key
with an expiry stands for the chain, so that one that was lost with its process begins anew.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import DuplicateJobError
from rq.registry import StartedJobRegistry
from rq.scheduler import RQScheduler

from router import settings as settings_module
from router.errors import RedisUnavailable
from router.keyspace import AccountKeys, index
from router.outcomes import Rung
from router.settings import CRASH_VARIABLE, JobSettings, Settings, shown
from router.state import State
from workers import exposition
from workers.job_metrics import JobMetrics, QueueCollector, measured_job
from workers.resolver import resolve
from workers.tidying import archive_ended, trim_results

log = logging.getLogger(__name__)

_SCHEDULE_EVERY_S = 0.5
#: How late a resolver may be before its chain counts as lost with its process.
_OVERDUE_S = 60.0
_KEEP_FAILED_S = 86_400
#: A job that was dequeued begins within moments; one that did not died with its process.
_BEGINS_WITHIN_S = 5.0


def connect(settings: Settings) -> "redis.Redis":
    """Return a client for rq: bytes, no repeats by itself."""
    return redis.Redis.from_url(settings.redis_url, retry=None, socket_timeout=10.0)


def text_client(settings: Settings) -> Any:
    """Return a client whose replies are text."""
    return redis.Redis.from_url(
        settings.redis_url, retry=None, socket_timeout=10.0, decode_responses=True
    )


# --- resolving ------------------------------------------------------------------------------------


def pause_s(jobs: JobSettings, attempt: int) -> float:
    """Return the pause before attempt number ``attempt``: doubling from the first to the most.

    rq keeps due times in whole seconds, so a pause may last a second longer.
    """
    return min(jobs.resolve_most_s, jobs.resolve_first_s * 2.0 ** min(attempt, 30))


def enqueue_resolve(
    settings: Settings, account: str, strategy: str, oid: str, *, attempt: int = 0
) -> bool:
    """Enqueue the resolver of one unknown order, after a pause that grows with ``attempt``.

    Return False, and do nothing, if the first attempt is asked for while a chain is under way.
    """
    delay_s = pause_s(settings.jobs, attempt)
    with closing(connect(settings)) as client:
        key = AccountKeys(account, settings.prefix).resolving(strategy, oid)
        expires_ms = int((delay_s + _OVERDUE_S) * 1000)
        if not client.set(key, attempt, px=expires_ms, nx=attempt == 0):
            return False
        Queue(settings.jobs.queue, connection=client).enqueue_in(
            timedelta(seconds=delay_s),
            resolve_unknown,
            *(account, strategy, oid, attempt),
            job_id=f"{settings.jobs.queue}-resolve-{account}-{oid}-{attempt}",
            result_ttl=0,
            failure_ttl=_KEEP_FAILED_S,
        )
    return True


def resolve_unknown(account: str, strategy: str, oid: str, attempt: int = 0) -> str:
    """Climb the ladder once for an unknown order; return what was found, or "known"."""
    settings = settings_module.load()
    with closing(text_client(settings)) as client:
        rung = resolve(client, settings, account, strategy, oid)
        if rung is None:
            client.delete(AccountKeys(account, settings.prefix).resolving(strategy, oid))
            return "known"
    if rung is Rung.NO_ANSWER:
        enqueue_resolve(settings, account, strategy, oid, attempt=attempt + 1)
    return rung.value


def sweep() -> int:
    """Enqueue a resolver for each unknown order that has none; return how many are unknown."""
    settings = settings_module.load()
    unknown = 0
    with closing(text_client(settings)) as client:
        for account in client.smembers(index(settings.prefix)):
            keys = AccountKeys(account, settings.prefix)
            for strategy in _strategies(client, keys):
                for oid in client.smembers(keys.open(strategy)):
                    if client.hget(keys.order(strategy, oid), "state") == State.UNKNOWN:
                        unknown += 1
                        enqueue_resolve(settings, account, strategy, oid)
    return unknown


# --- tidying --------------------------------------------------------------------------------------


def tidy() -> dict[str, int]:
    """Archive orders that ended long ago; trim results handled, too old or too many."""
    settings = settings_module.load()
    done = {"archived": 0, "trimmed": 0}
    with closing(text_client(settings)) as client:
        for account in client.smembers(index(settings.prefix)):
            keys = AccountKeys(account, settings.prefix)
            for strategy in _strategies(client, keys):
                done["archived"] += archive_ended(client, keys, strategy, settings.jobs)
                done["trimmed"] += trim_results(client, keys, strategy, settings)
    return done


def _strategies(client: Any, keys: AccountKeys) -> list[str]:
    return sorted(name for name in client.hkeys(keys.strategies) if "@" not in name)


# --- the process ----------------------------------------------------------------------------------


def run(settings: Settings) -> None:
    """Run the rq worker and the schedule until SIGINT or SIGTERM.

    Raises:
        RedisUnavailable: If Redis does not answer.
        ConfigError: If the metrics cannot be served at their address.
    """
    if crash := os.environ.get(CRASH_VARIABLE):
        from workers import crash_points

        crash_points.arm("jobs", crash)
    with closing(connect(settings)) as client:
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
    dequeued_s: dict[str, float] = {}
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
                    _enqueue_unless_waiting(queue, job, dequeued_s)
        except redis.RedisError as error:
            log.warning("the schedule cannot reach Redis: %s", error)
    client.close()


def _enqueue_unless_waiting(
    queue: Queue, job: Callable[[], object], dequeued_s: dict[str, float]
) -> None:
    """Enqueue a periodic job unless its last one still waits or runs.

    ``dequeued_s``: since when, as seen from here, a job was dequeued and not begun (monotonic s).
    """
    job_id = f"{queue.name}-{job.__name__}"
    try:
        queue.enqueue(job, job_id=job_id, unique=True, result_ttl=0, failure_ttl=0)
    except DuplicateJobError:
        # Or died with its process: rq itself looks for those each quarter of an hour only.
        StartedJobRegistry(queue=queue).cleanup()
        if not _is_unbegun(queue, job_id):
            dequeued_s.pop(job_id, None)
        elif time.monotonic() - dequeued_s.setdefault(job_id, time.monotonic()) > _BEGINS_WITHIN_S:
            log.warning("%s was dequeued and not begun; it is enqueued again", job_id)
            del dequeued_s[job_id]
            queue.connection.lrem(queue.intermediate_queue.key, 0, job_id)
            queue.push_job_id(job_id)
    else:
        dequeued_s.pop(job_id, None)


def _is_unbegun(queue: Queue, job_id: str) -> bool:
    """Whether a job was dequeued and stands nowhere else: about to begin, or lost."""
    started = StartedJobRegistry(queue=queue).get_job_ids()
    taken = job_id in queue.intermediate_queue.get_job_ids()
    return taken and job_id not in started and job_id not in queue.job_ids
