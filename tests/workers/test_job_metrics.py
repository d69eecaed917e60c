"""What the jobs process counts, with real rq jobs on a real server."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry
from rq import Queue, SimpleWorker

from workers import exposition
from workers.job_metrics import JobMetrics, QueueCollector, measured_job


def answer(value: Any) -> Any:
    return value


def sweep() -> int:
    return 3


def tidy() -> dict[str, int]:
    return {"archived": 5, "trimmed": 7}


def resolve_unknown(answer: str) -> str:
    return answer


def broken() -> None:
    raise RuntimeError("it broke")


class Jobs:
    """A queue and a worker whose jobs are counted."""

    def __init__(self, url: str) -> None:
        self.connection = redis.Redis.from_url(url)
        self.queue = Queue("counted", connection=self.connection)
        self.registry: CollectorRegistry = exposition.registry(QueueCollector(self.queue))
        self.job_class = measured_job(JobMetrics(self.registry))

    def work(self) -> None:
        worker = SimpleWorker([self.queue], connection=self.connection, job_class=self.job_class)
        worker.work(burst=True, logging_level="ERROR")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"order_router_{name}", labels)


@pytest.fixture
def jobs(redis_url: str) -> Iterator[Jobs]:
    one = Jobs(redis_url)
    yield one
    one.connection.close()


def test_each_job_is_timed_and_its_answer_counted(jobs: Jobs) -> None:
    for job in (sweep, tidy, tidy):
        jobs.queue.enqueue(job, result_ttl=0)
    for said in ("FOUND", "NOT_FOUND", "NO_ANSWER", "NO_ANSWER", "known"):
        jobs.queue.enqueue(resolve_unknown, said, result_ttl=0)
    jobs.work()
    assert jobs.value("unknown_left") == 3
    assert jobs.value("orders_archived_total") == 10
    assert jobs.value("results_trimmed_total") == 14
    answers = ("found", "not_found", "no_answer", "known")
    assert [jobs.value("resolve_answers_total", answer=one) for one in answers] == [1, 1, 2, 1]
    assert jobs.value("jobs_total", job="tidy", end="done") == 2
    assert jobs.value("job_seconds_count", job="resolve_unknown") == 5
    assert jobs.value("job_seconds_bucket", job="sweep", le="60.0") == 1


def test_a_job_that_raises_is_counted_as_failed(jobs: Jobs) -> None:
    jobs.queue.enqueue(broken)
    jobs.work()
    assert jobs.value("jobs_total", job="broken", end="failed") == 1
    assert jobs.value("job_seconds_count", job="broken") == 1
    assert jobs.value("queue_jobs", state="failed") == 1


def test_a_job_of_another_name_counts_only_its_run(jobs: Jobs) -> None:
    jobs.queue.enqueue(answer, 9, result_ttl=0)
    jobs.work()
    assert jobs.value("jobs_total", job="answer", end="done") == 1
    assert jobs.value("unknown_left") == 0


def test_the_queues_length_is_asked_when_scraped(jobs: Jobs) -> None:
    assert jobs.value("queue_jobs", state="queued") == 0
    for _ in range(4):
        jobs.queue.enqueue(sweep)
    assert jobs.value("queue_jobs", state="queued") == 4
    assert jobs.value("queue_jobs", state="scheduled") == 0


def test_a_scrape_while_redis_is_away_lacks_the_queue_only() -> None:
    nowhere = redis.Redis.from_url("redis://127.0.0.1:1/0", retry=None)
    collector = QueueCollector(Queue("counted", connection=nowhere))
    registry = exposition.registry(collector)
    JobMetrics(registry)
    assert list(collector.collect()) == []
    assert registry.get_sample_value("order_router_unknown_left") == 0
