"""The durable resolver's pauses and chains, and tidying, on a real server."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import ScheduledJobRegistry, StartedJobRegistry

from demo.redis_server import RedisServer, die_with_parent, free_port
from router import settings as settings_module
from router.keyspace import AccountKeys, index
from router.settings import JobSettings, Settings
from router.state import State
from tests.scenarios.stack import until
from workers import jobs, tidying

ACCOUNT, STRATEGY, OID = "okx-main", "alpha", "a" * 32
KEYS = AccountKeys(ACCOUNT)


@pytest.fixture
def settings(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of jobs that are as quick as in production."""
    found = Settings(redis_url=redis_url)
    monkeypatch.setattr(settings_module, "load", lambda: found)
    return found


def scheduled(settings: Settings) -> list[Job]:
    """Return the jobs that wait for their time, first due first."""
    with closing(jobs.connect(settings)) as client:
        names = ScheduledJobRegistry(settings.jobs.queue, connection=client).get_job_ids()
        return [Job.fetch(name, connection=client) for name in names]


def due_in_s(settings: Settings, job: Job) -> float:
    with closing(jobs.connect(settings)) as client:
        registry = ScheduledJobRegistry(settings.jobs.queue, connection=client)
        return float(registry.get_scheduled_time(job).timestamp() - time.time())


def test_pauses_double_from_the_first_to_the_most() -> None:
    rules = JobSettings(resolve_first_s=0.25, resolve_most_s=60)
    pauses = [jobs.pause_s(rules, attempt) for attempt in range(12)]
    assert pauses[:5] == [0.25, 0.5, 1, 2, 4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == jobs.pause_s(rules, 10_000) == 60


@pytest.mark.parametrize("attempt", [0, 3, 40])
def test_an_attempt_is_due_after_its_pause(settings: Settings, attempt: int) -> None:
    jobs.enqueue_resolve(settings, ACCOUNT, STRATEGY, OID, attempt=attempt)
    [job] = scheduled(settings)
    assert job.args == (ACCOUNT, STRATEGY, OID, attempt)
    pause_s = jobs.pause_s(settings.jobs, attempt)
    assert pause_s - 10 < due_in_s(settings, job) <= pause_s + 1  # kept in whole seconds


def unknown_order(client: Any) -> None:
    client.sadd(index(), ACCOUNT)
    client.hset(KEYS.strategies, STRATEGY, "{}")
    client.sadd(KEYS.open(STRATEGY), OID)
    client.hset(KEYS.order(STRATEGY, OID), mapping={"state": State.UNKNOWN, "oid": OID})


def test_an_unknown_order_has_one_chain_however_often_the_sweep_passes(
    settings: Settings, redis_client: Any
) -> None:
    unknown_order(redis_client)
    # Far on in its chain: the sweep leaves it its pauses.
    assert jobs.enqueue_resolve(settings, ACCOUNT, STRATEGY, OID, attempt=7)
    for _ in range(3):
        assert jobs.sweep() == 1
    assert not jobs.enqueue_resolve(settings, ACCOUNT, STRATEGY, OID)
    assert [job.args[3] for job in scheduled(settings)] == [7]


def test_the_sweep_begins_a_lost_chain_anew(settings: Settings, redis_client: Any) -> None:
    unknown_order(redis_client)
    jobs.enqueue_resolve(settings, ACCOUNT, STRATEGY, OID, attempt=9)
    left_s = redis_client.pttl(KEYS.resolving(STRATEGY, OID)) / 1000
    assert settings.jobs.resolve_most_s < left_s < 2 * settings.jobs.resolve_most_s + 5
    redis_client.delete(KEYS.resolving(STRATEGY, OID))  # what its expiry will do
    jobs.sweep()
    assert sorted(job.args[3] for job in scheduled(settings)) == [0, 9]


def test_a_known_order_ends_its_chain(settings: Settings, redis_client: Any) -> None:
    unknown_order(redis_client)
    jobs.enqueue_resolve(settings, ACCOUNT, STRATEGY, OID)
    redis_client.hset(KEYS.order(STRATEGY, OID), "state", State.ACCEPTED)
    assert jobs.resolve_unknown(ACCOUNT, STRATEGY, OID) == "known"
    assert not redis_client.exists(KEYS.resolving(STRATEGY, OID))
    assert jobs.sweep() == 0
    assert redis_client.xlen(KEYS.control) == 0


def test_a_periodic_job_waits_once_and_one_that_died_while_it_ran_does_not_count(
    settings: Settings,
) -> None:
    client = jobs.connect(settings)
    queue = Queue(settings.jobs.queue, connection=client)
    jobs._enqueue_unless_waiting(queue, jobs.sweep)
    jobs._enqueue_unless_waiting(queue, jobs.sweep)
    [job] = queue.jobs
    started_and_died(queue, job, "gone")
    jobs._enqueue_unless_waiting(queue, jobs.sweep)
    jobs._enqueue_unless_waiting(queue, jobs.sweep)
    assert queue.job_ids == [job.id]


def started_and_died(queue: Queue, job: Job, worker: str) -> None:
    """Leave the job as a worker of this name does that ends in the midst of it."""
    queue.remove(job)
    Execution.create(job, ttl=90, pipeline=queue.connection, worker_name=worker)
    job.set_status("started")


def test_what_a_worker_left_unfinished_is_taken_up_by_its_successor(settings: Settings) -> None:
    queue = Queue(settings.jobs.queue, connection=jobs.connect(settings))
    job = queue.enqueue(jobs.sweep)
    started_and_died(queue, job, "killed a moment ago")
    jobs.take_up(queue)
    assert queue.job_ids == [job.id]
    assert StartedJobRegistry(queue=queue).get_job_ids(cleanup=False) == []


def test_what_was_dequeued_and_never_begun_is_taken_up(settings: Settings) -> None:
    """A process killed in between left it where it was neither waiting nor running."""
    queue = Queue(settings.jobs.queue, connection=jobs.connect(settings))
    job = queue.enqueue(jobs.sweep)
    queue.connection.lmove(queue.key, queue.intermediate_queue.key)
    jobs.take_up(queue)
    assert (queue.job_ids, queue.intermediate_queue.get_job_ids()) == ([job.id], [])


def test_the_jobs_outlive_their_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", free_port(), appendfsync="always")
    (tmp_path / "router.toml").write_text("[jobs]\nsweep_every_s = 0.5\n")
    command = [sys.executable, "-m", "commands.main", "jobs"]
    command += ["--config-dir", str(tmp_path), "--redis-url", server.url]
    log = tmp_path / "jobs.log"
    server.start()
    try:
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stderr=out, preexec_fn=die_with_parent) as process,
            redis.Redis.from_url(server.url, decode_responses=True) as client,
        ):
            unknown_order(client)
            for _ in range(3):
                until(lambda: client.delete(KEYS.resolving(STRATEGY, OID)), log.read_text)
                server.kill()
                server.start()
            until(lambda: client.exists(KEYS.resolving(STRATEGY, OID)), log.read_text)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()
    finally:
        server.stop()


# --- tidying --------------------------------------------------------------------------------------


def ended_orders(client: Any, count: int, ended_ms: int) -> list[str]:
    oids = [f"{number:032x}" for number in range(count)]
    pipeline = client.pipeline()
    for oid in oids:
        fields = {"oid": oid, "client_id": f"c{oid}", "ended_ms": str(ended_ms)}
        pipeline.hset(KEYS.order(STRATEGY, oid), mapping=fields)
        pipeline.zadd(KEYS.ended(STRATEGY), {oid: ended_ms})
        pipeline.hset(KEYS.clients, f"c{oid}", f"{STRATEGY}/{oid}/ended")
    pipeline.execute()
    return oids


def test_all_that_ended_long_ago_goes_at_once_and_is_archived_first(
    redis_client: Any, tmp_path: Path
) -> None:
    """At 1 000 a minute, a busy strategy would fill Redis faster than it is tidied."""
    count = 2 * tidying.PAGE + 1
    ended_orders(redis_client, count, 1_700_000_000_000)
    rules = JobSettings(archive_dir=str(tmp_path))
    assert tidying.archive_ended(redis_client, KEYS, STRATEGY, rules) == count
    assert redis_client.keys(KEYS.order(STRATEGY, "*")) == []
    assert redis_client.zcard(KEYS.ended(STRATEGY)) == redis_client.hlen(KEYS.clients) == 0
    [file] = (tmp_path / ACCOUNT).iterdir()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert file.name == "2023-11-14.jsonl"
    assert len({row["oid"] for row in rows}) == len(rows) == count
    assert {row["strategy"] for row in rows} == {STRATEGY}


def test_what_ended_lately_stays_and_a_client_id_used_again_is_left_to_its_order(
    redis_client: Any,
) -> None:
    old, *_ = ended_orders(redis_client, 1, 1_700_000_000_000)
    redis_client.hset(KEYS.clients, f"c{old}", f"{STRATEGY}/another")
    redis_client.zadd(KEYS.ended(STRATEGY), {"young": time.time() * 1000})
    assert tidying.archive_ended(redis_client, KEYS, STRATEGY, JobSettings()) == 1
    assert redis_client.hget(KEYS.clients, f"c{old}") == f"{STRATEGY}/another"
    assert redis_client.zrange(KEYS.ended(STRATEGY), 0, -1) == ["young"]


def two_strategies(client: Any) -> None:
    """Two strategies with three handled results each, and before them an account that is broken."""
    client.sadd(index(), "broken", ACCOUNT)
    client.set(AccountKeys("broken").strategies, "no hash")
    for name in ("alpha", "beta"):
        client.hset(KEYS.strategies, name, "{}")
        client.hset(KEYS.cursor(name), "main", "3-0")
        for seq in range(1, 4):
            client.xadd(KEYS.results(name), {"seq": seq}, id=f"{seq}-0")


def test_what_fails_for_one_strategy_is_done_for_the_others_and_named(
    settings: Settings, redis_client: Any
) -> None:
    two_strategies(redis_client)
    redis_client.hset(KEYS.cursor("alpha"), "main", "garbage")
    with pytest.raises(ExceptionGroup, match=r"tidy failed for broken, okx-main/alpha \(trim\)"):
        jobs.tidy()
    assert redis_client.xlen(KEYS.results("beta")) < redis_client.xlen(KEYS.results("alpha")) == 3


def test_an_archive_that_cannot_be_written_keeps_orders_and_lets_results_be_trimmed(
    settings: Settings,
    redis_client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_strategies(redis_client)
    ended_orders(redis_client, 1, 1_700_000_000_000)
    file = tmp_path / "file"
    file.touch()
    full = settings.model_copy(update={"jobs": JobSettings(archive_dir=str(file))})
    monkeypatch.setattr(settings_module, "load", lambda: full)
    with pytest.raises(ExceptionGroup, match=r"broken, okx-main/alpha \(archive\)"):
        jobs.tidy()
    assert redis_client.zcard(KEYS.ended(STRATEGY)) == 1
    assert all(redis_client.xlen(KEYS.results(name)) < 3 for name in ("alpha", "beta"))


def test_the_sweep_passes_over_what_fails(settings: Settings, redis_client: Any) -> None:
    two_strategies(redis_client)
    redis_client.set(KEYS.open("alpha"), "no set")
    redis_client.sadd(KEYS.open("beta"), OID)
    redis_client.hset(KEYS.order("beta", OID), "state", State.UNKNOWN)
    with pytest.raises(ExceptionGroup, match="sweep failed for broken, okx-main/alpha"):
        jobs.sweep()
    assert [job.args[:3] for job in scheduled(settings)] == [(ACCOUNT, "beta", OID)]


def test_a_stop_that_rq_swallows_is_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rq raises it wherever it is just then, and its maintenance catches all."""

    def maintain(worker: jobs._Worker) -> None:
        with suppress(StopRequested):
            worker.request_stop(signal.SIGTERM, None)

    went_on: list[Any] = []

    def dequeue(worker: jobs._Worker, *given: Any) -> None:
        went_on.append(given)
        raise StopRequested

    monkeypatch.setattr(jobs._Worker, "run_maintenance_tasks", maintain)
    monkeypatch.setattr(jobs._Worker, "dequeue_job_and_maintain_ttl", dequeue)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with closing(jobs.connect(settings)) as client:
        worker = jobs._Worker([Queue(settings.jobs.queue, connection=client)], connection=client)
        worker.stop = threading.Event()
        try:
            worker.work(logging_level="WARNING")
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
    assert worker.stop.is_set()
    assert went_on == [], "it waits for no other job"
