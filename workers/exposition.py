"""Metrics as Prometheus reads them, and the HTTP server that it reads them from."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from router.errors import ConfigError
from router.settings import ENV_PREFIX, MetricsSettings
from workers.histogram import Histogram
from workers.metrics import COUNTERS, GAUGES, SIZE_HELP, STAGES, AccountMetrics, Standing

PREFIX = "order_router"
_WHOSE = ("venue", "account")


class AccountCollector(Collector):
    """All accounts of one worker process."""

    def __init__(self, accounts: Callable[[], Iterable[AccountMetrics]]) -> None:
        self._accounts = accounts

    def collect(self) -> Iterator[Metric]:
        """Yield every family with the numbers of this moment."""
        accounts = list(self._accounts())
        yield _stages(accounts)
        yield from _sizes(accounts)
        yield from _counters(accounts)
        yield from _gauges({one: one.standing() for one in accounts})


def _whose(one: AccountMetrics, *more: str) -> list[str]:
    return [one.venue, one.account, *more]


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    return [
        ("+Inf" if bound == float("inf") else str(bound), float(below))
        for bound, below in histogram.cumulative()
    ]


def _stages(accounts: list[AccountMetrics]) -> Metric:
    says = "; ".join(f"{name}: {what}" for name, what in STAGES.items())
    family = HistogramMetricFamily(
        f"{PREFIX}_stage_seconds", f"Stages of a request. {says}.", labels=(*_WHOSE, "stage")
    )
    for one in accounts:
        for name, histogram in one.stages.items():
            family.add_metric(_whose(one, name), _buckets(histogram), histogram.total)
    return family


def _sizes(accounts: list[AccountMetrics]) -> Iterator[Metric]:
    for name, says in SIZE_HELP.items():
        family = HistogramMetricFamily(f"{PREFIX}_{name}", says, labels=_WHOSE)
        for one in accounts:
            histogram = one.sizes[name]
            family.add_metric(_whose(one), _buckets(histogram), histogram.total)
        yield family


def _counters(accounts: list[AccountMetrics]) -> Iterator[Metric]:
    for name, (labels, says) in COUNTERS.items():
        family = CounterMetricFamily(f"{PREFIX}_{name}", says, labels=(*_WHOSE, *labels))
        for one in accounts:
            # The loop may add a row meanwhile; the copy is made at once.
            for values, count in one.counters[name].numbers.copy().items():
                family.add_metric(_whose(one, *values), count)
        yield family


def _gauges(standings: Mapping[AccountMetrics, Standing | None]) -> Iterator[Metric]:
    owner = GaugeMetricFamily(
        f"{PREFIX}_owner", "1 while this process owns the account and may send.", labels=_WHOSE
    )
    epoch = GaugeMetricFamily(
        f"{PREFIX}_lease_epoch", "The owner's epoch; only while it owns.", labels=_WHOSE
    )
    sockets = GaugeMetricFamily(
        f"{PREFIX}_socket_up", "1 while the socket is ready.", labels=(*_WHOSE, "socket")
    )
    families = {
        name: GaugeMetricFamily(f"{PREFIX}_{name}", says, labels=_WHOSE)
        for name, says in GAUGES.items()
    }
    for one, standing in standings.items():
        owner.add_metric(_whose(one), float(standing is not None and standing.may_send))
        if standing is None:
            continue
        epoch.add_metric(_whose(one), standing.epoch)
        for name, ready in standing.sockets.items():
            sockets.add_metric(_whose(one, name), float(ready))
        for name, family in families.items():
            family.add_metric(_whose(one), getattr(standing, name))
    yield from (owner, epoch, sockets, *families.values())


def registry(*collectors: Collector) -> CollectorRegistry:
    """Return a registry of these, with this process's own memory, processor time and files."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    for one in collectors:
        made.register(one)
    return made


@contextlib.contextmanager
def served(settings: MetricsSettings, of: CollectorRegistry) -> Iterator[None]:
    """Serve the registry over HTTP while the block runs; nothing where no port is set.

    Raises:
        ConfigError: If the address cannot be listened at.
    """
    if not settings.port:
        yield
        return
    try:
        server, thread = start_http_server(settings.port, settings.host, of)
    except OSError as error:
        variable = f"{ENV_PREFIX}METRICS__PORT"
        raise ConfigError(
            "metrics.port",
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}. Each "
            "process of a host needs a port of its own: give another by --metrics-port or "
            f"{variable}; 0 serves none",
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
