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
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError, StopRequested
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.scheduler import RQScheduler

from router import settings as settings_module
from router.errors import RedisUnavailable
from router.keyspace import AccountKeys, index
from router.outcomes import Rung
from router.redis_url import shown
from router.servers import ClientsByKey, Servers
from router.settings import CRASH_VARIABLE, JobSettings, Settings
from router.state import State
from workers import exposition
from workers.job_metrics import JobMetrics, QueueCollector, measured_job
from workers.job_queue import queue_servers
from workers.resolver import resolve
from workers.tidying import archive_ended, trim_results

log = logging.getLogger(__name__)

_SCHEDULE_EVERY_S = 0.5
_WORK_AGAIN_S = 1.0
#: How late a resolver may be before its chain counts as lost with its process.
_OVERDUE_S = 60.0
_KEEP_FAILED_S = 86_400
_AGAIN_S = 1.0


def connect(settings: Settings) -> Any:
    """Return a client for rq: bytes, no repeats by itself; raise as ``queue_servers`` does."""
    return queue_servers(settings).client("", retry=None, socket_timeout=10.0)


def text_clients(settings: Settings) -> ClientsByKey:
    """Return clients of the servers that have the orders; their replies are text."""
    servers = Servers(settings.redis_url)
    return ClientsByKey(servers, retry=None, socket_timeout=10.0, decode_responses=True)


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
    key = AccountKeys(account, settings.prefix).resolving(strategy, oid)
    with closing(text_clients(settings)) as clients:
        expires_ms = int((delay_s + _OVERDUE_S) * 1000)
        if not clients.of(key).set(key, attempt, px=expires_ms, nx=attempt == 0):
            return False
    with closing(connect(settings)) as client:
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
    with closing(text_clients(settings)) as clients:
        rung = resolve(clients, settings, account, strategy, oid)
        if rung is None:
            key = AccountKeys(account, settings.prefix).resolving(strategy, oid)
            clients.of(key).delete(key)
            return "known"
    if rung is Rung.NO_ANSWER:
        enqueue_resolve(settings, account, strategy, oid, attempt=attempt + 1)
    return rung.value


def sweep() -> int:
    """Enqueue a resolver for each unknown order that has none; return how many are unknown.

    Raises:
        ExceptionGroup: If it failed for some strategies, once it was done for all others.
    """
    settings = settings_module.load()
    unknown, each = 0, _Steps("sweep")
    with closing(text_clients(settings)) as clients:
        for client, keys, strategy in _strategies(clients, settings, each):
            with each.step(f"{keys.account}/{strategy}"):
                for oid in client.smembers(keys.open(strategy)):
                    if client.hget(keys.order(strategy, oid), "state") == State.UNKNOWN:
                        unknown += 1
                        enqueue_resolve(settings, keys.account, strategy, oid)
    each.check()
    return unknown


# --- tidying --------------------------------------------------------------------------------------


def tidy() -> dict[str, int]:
    """Archive orders that ended long ago; trim results handled, too old or too many.

    Raises:
        ExceptionGroup: If it failed for some strategies, once it was done for all others.
    """
    settings = settings_module.load()
    done, each = {"archived": 0, "trimmed": 0}, _Steps("tidy")
    with closing(text_clients(settings)) as clients:
        for client, keys, strategy in _strategies(clients, settings, each):
            # Apart: results must not fill Redis because the disk of the archive is full.
            with each.step(f"{keys.account}/{strategy} (archive)"):
                done["archived"] += archive_ended(client, keys, strategy, settings.jobs)
            with each.step(f"{keys.account}/{strategy} (trim)"):
                done["trimmed"] += trim_results(client, keys, strategy, settings)
    each.check()
    return done


# --- one after another ----------------------------------------------------------------------------


class _Steps:
    """What a job does for each in turn: one that fails is logged, and the next has its turn."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._failed: dict[str, Exception] = {}

    def __repr__(self) -> str:
        return f"_Steps({self._job}, failed: {sorted(self._failed)})"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do what is inside; note what fails in it."""
        try:
            yield
        # ValueError: what lies in Redis is not what we wrote.
        except (redis.RedisError, OSError, ValueError) as error:
            log.error("%s of %s failed: %s; going on with the next", self._job, name, error)
            self._failed[name] = error

    def check(self) -> None:
        """Raise what failed, so that rq counts the job as failed."""
        if self._failed:
            failed = ", ".join(self._failed)
            raise ExceptionGroup(f"{self._job} failed for {failed}", [*self._failed.values()])


def _strategies(
    clients: ClientsByKey, settings: Settings, each: _Steps
) -> Iterator[tuple[Any, AccountKeys, str]]:
    """Yield a client, keys and name for every strategy of every account that was ever served."""
    everybody = index(settings.prefix)
    for account in sorted(clients.of(everybody).smembers(everybody)):
        names: list[str] = []
        with each.step(account):  # its server may be away while the others are not
            keys = AccountKeys(account, settings.prefix)
            client = clients.of(keys.epoch)
            names = sorted(name for name in client.hkeys(keys.strategies) if "@" not in name)
        for name in names:
            yield client, keys, name


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
        at = shown(settings.jobs.redis_url or settings.redis_url)
        try:
            client.ping()
        except redis.RedisError as error:
            raise RedisUnavailable(f"Redis does not answer at {at}: {error}") from error
        queue = Queue(settings.jobs.queue, connection=client)
        registry = exposition.registry(QueueCollector(queue))
        with exposition.served(settings.metrics, registry):
            _work(settings, queue, JobMetrics(registry))


def _work(settings: Settings, queue: Queue, metrics: JobMetrics) -> None:
    stop = threading.Event()
    # A thread, not rq's own scheduler process: that one outlives a killed parent.
    schedule = threading.Thread(target=keep_schedule, args=(settings, stop), daemon=True)
    schedule.start()
    try:
        _work_until(stop, queue, measured_job(metrics))
    finally:
        stop.set()
        schedule.join(5)


class _Worker(SimpleWorker):  # type: ignore[misc]
    """Notes in ``stop`` that it was asked to end: it also ends when Redis goes away (rq 3.0)."""

    stop: threading.Event

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop.set()
        self._stop_requested = True  # what is raised below, rq's maintenance may swallow
        try:
            super().request_stop(number, frame)
        except redis.RedisError:  # it notes the request in Redis first
            raise StopRequested from None


def _work_until(stop: threading.Event, queue: Queue, job_class: type[Job]) -> None:
    """Run one rq worker after another until one is asked to end; each ends with its Redis."""
    with suppress(StopRequested):
        while not stop.is_set():
            try:
                take_up(queue)
                worker = _Worker([queue], connection=queue.connection, job_class=job_class)
                worker.stop = stop
                worker.work(logging_level="WARNING")
            except redis.RedisError as error:
                log.warning("the jobs cannot reach Redis: %s; again in %g s", error, _AGAIN_S)
            stop.wait(_AGAIN_S)


def take_up(queue: Queue) -> None:
    """Enqueue again what was under way when its process or its Redis died.

    What another process of this queue has under way counts as well and may run twice: all may.
    """
    for job_id in queue.intermediate_queue.get_job_ids():  # dequeued, and not begun
        queue.connection.lrem(queue.intermediate_queue.key, 0, job_id)
        queue.push_job_id(job_id)
    started = StartedJobRegistry(queue=queue)
    for job_id in started.get_job_ids(cleanup=False):
        with suppress(NoSuchJobError):
            job = Job.fetch(job_id, connection=queue.connection)
            started.remove_executions(job)
            queue.enqueue_job(job)


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
    """Enqueue a periodic job unless its last one still waits.

    One that runs does not count: it may have died with its process, and two at once do no harm.
    """
    job_id = f"{queue.name}-{job.__name__}"
    if queue.connection.lpos(queue.key, job_id) is None:
        queue.enqueue(job, job_id=job_id, result_ttl=0, failure_ttl=0)
