"""Publishes the owner's metrics in Redis every second, so that ``status`` can show them."""

import asyncio
import logging

import redis.asyncio
import redis.exceptions

from router.keyspace import AccountKeys
from router.settings import MetricsSettings
from router.snapshot import RequestCount, Snapshot, StageSummary
from workers.clock import Clock
from workers.histogram import Histogram
from workers.metrics import GAUGES, AccountMetrics, Standing
from workers.outbox import answer_in_time

log = logging.getLogger(__name__)

#: A snapshot lives this many periods, so that a stopped worker's is gone soon.
_LIVES = 5


class Publisher:
    """The snapshots of one account's owner."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: AccountKeys,
        metrics: AccountMetrics,
        clock: Clock,
        settings: MetricsSettings,
    ) -> None:
        self._client = client
        self._key = keys.metrics
        self._metrics = metrics
        self._clock = clock
        self._every_s = settings.publish_every_s

    def __repr__(self) -> str:
        return f"Publisher({self._key})"

    async def run(self) -> None:
        """Publish until cancelled. A snapshot that Redis does not take is missed, no more."""
        while True:
            await asyncio.sleep(self._every_s)
            standing = self._metrics.standing()
            if standing is None or not standing.may_send:
                continue  # another may own the account; these numbers are not the owner's
            text = snapshot(self._metrics, standing, self._clock.now_ms()).model_dump_json()
            life_ms = int(self._every_s * _LIVES * 1000)
            try:
                await answer_in_time(self._client.set(self._key, text, px=life_ms))
            except (redis.exceptions.RedisError, TimeoutError) as error:
                log.debug("%s: no snapshot: %r", self._metrics.account, error)


def snapshot(metrics: AccountMetrics, standing: Standing, at_ms: int) -> Snapshot:
    """Return the numbers of this moment, summed up."""
    requests = metrics.counters["requests"]
    return Snapshot(
        epoch=standing.epoch,
        since_ms=metrics.since_ms,
        at_ms=at_ms,
        stages={name: _summary(one) for name, one in metrics.stages.items()},
        requests=tuple(
            RequestCount(**dict(zip(requests.labels, values, strict=True)), count=count)
            for values, count in sorted(requests.numbers.items())
        ),
        counts={
            " ".join((name, *values)): count
            for name, counts in metrics.counters.items()
            if counts is not requests
            for values, count in sorted(counts.numbers.items())
        },
        now={name: getattr(standing, name) for name in GAUGES},
    )


def _summary(histogram: Histogram) -> StageSummary:
    return StageSummary(
        count=histogram.count,
        p50_ms=_ms(histogram.quantile(0.5)),
        p99_ms=_ms(histogram.quantile(0.99)),
        most_ms=_ms(histogram.most),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
