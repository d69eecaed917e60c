"""What the jobs process counts: each job's time and end, what it did, and the queue's length."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis.exceptions
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rq import Queue
from rq.job import Job

from workers.exposition import PREFIX

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class JobMetrics:
    """The numbers of one jobs process. A job that raises counts as ``failed``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            f"{PREFIX}_job_seconds", "Run time.", ["job"], buckets=_SECONDS, registry=registry
        )
        self.ended = Counter(f"{PREFIX}_jobs", "Jobs run.", ["job", "end"], registry=registry)
        self.resolved = Counter(
            f"{PREFIX}_resolve_answers",
            "Looks for the truth about an unknown order: found, not_found (proven absent), "
            "no_answer (asked again later), known (by then without us).",
            ["answer"],
            registry=registry,
        )
        self.unknown_left = Gauge(
            f"{PREFIX}_unknown_left", "Unknown orders at the last sweep.", registry=registry
        )
        self.archived = Counter(
            f"{PREFIX}_orders_archived", "Ended orders archived.", registry=registry
        )
        self.trimmed = Counter(
            f"{PREFIX}_results_trimmed", "Handled results removed.", registry=registry
        )

    def take(self, job: str, answer: Any) -> None:
        """Count what a job of ``workers/jobs.py`` returned."""
        if job == "resolve_unknown":
            self.resolved.labels(str(answer).lower()).inc()
        elif job == "sweep":
            self.unknown_left.set(answer)
        elif job == "tidy":
            self.archived.inc(answer["archived"])
            self.trimmed.inc(answer["trimmed"])

    def run(self, job: str, perform: Callable[[], Any]) -> Any:
        """Return what ``perform`` returns, measured."""
        begun_s, end = time.monotonic(), "failed"
        try:
            answer = perform()
            end = "done"
        finally:
            self.seconds.labels(job).observe(time.monotonic() - begun_s)
            self.ended.labels(job, end).inc()
        self.take(job, answer)
        return answer


def measured_job(metrics: JobMetrics) -> type[Job]:
    """Return the class of jobs that count into ``metrics``; rq makes the jobs itself."""

    class MeasuredJob(Job):  # type: ignore[misc]
        def perform(self) -> Any:
            name = str(self.func_name).rpartition(".")[2]
            return metrics.run(name, super().perform)

    return MeasuredJob


class QueueCollector(Collector):
    """The queue's length, asked of Redis when it is scraped; absent while Redis is away."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def describe(self) -> Iterator[Metric]:
        """Yield the family without its numbers, so that registering asks nothing of Redis."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """Yield how many jobs are queued, scheduled and failed."""
        family, queue = self._family(), self._queue
        try:
            family.add_metric(["queued"], queue.count)
            family.add_metric(
                ["scheduled"], queue.scheduled_job_registry.get_job_count(cleanup=False)
            )
            family.add_metric(["failed"], queue.failed_job_registry.get_job_count(cleanup=False))
        except redis.exceptions.RedisError:
            return
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(f"{PREFIX}_queue_jobs", "Jobs in the queue.", labels=["state"])
