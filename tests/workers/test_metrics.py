"""Each counted thing counts once, under names and labels that do not grow."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from demo.children import ROOT
from demo.redis_server import free_port
from router.enums import RequestKind
from router.enums import WsOrderResultType as Result
from router.errors import ConfigError
from router.settings import MetricsSettings
from workers import exposition
from workers.clock import Clock
from workers.job_metrics import JobMetrics, QueueCollector
from workers.metrics import COUNTERS, GAUGES, STAGES, AccountMetrics, Standing, reason_code
from workers.publisher import snapshot
from workers.rest import NoAnswer, NotSent, RestClient
from workers.venue import RestReply, RestRequest

CREATE = RequestKind.CREATE


def metrics() -> AccountMetrics:
    return AccountMetrics("okx", "okx-main", since_ms=1_000)


def samples(*accounts: AccountMetrics) -> dict[str, float]:
    """Return what is served: each line's name and labels → value."""
    registry = CollectorRegistry()
    registry.register(exposition.AccountCollector(lambda: accounts))
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name.removeprefix("order_router_"): float(value) for name, _, value in pairs}


@pytest.mark.parametrize(
    ("transport", "result", "reason", "labels"),
    [
        ("ws", None, "", ("create", "ws", "ACKED", "")),
        ("rest", None, "", ("create", "rest", "ACKED", "")),
        ("", None, "", ("create", "none", "NOT_NEEDED", "")),
        ("ws", Result.ACK_REJECTED, "51008 no money", ("create", "ws", "ACK_REJECTED", "")),
        ("ws", Result.ACK_TIMEOUT, "no answer", ("create", "ws", "ACK_TIMEOUT", "")),
        (
            "",
            Result.REQUEST_NOT_SENT,
            "HALTED: lunch",
            ("create", "none", "REQUEST_NOT_SENT", "HALTED"),
        ),
    ],
)
def test_a_request_is_counted_under_its_outcome(
    transport: str, result: Result | None, reason: str, labels: tuple[str, ...]
) -> None:
    one = metrics()
    one.request(CREATE, transport, result, reason)
    one.request(CREATE, transport, result, reason)
    assert one.counters["requests"].numbers == {labels: 2}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("INTENT_EXPIRED: it could not be sent", "INTENT_EXPIRED"),
        ("RATE_LIMITED: no room", "RATE_LIMITED"),
        ("WS_REQUEST_NOT_SENT: the trading socket is down", "WS_REQUEST_NOT_SENT"),
        ("INVALID_AMOUNT: not a number", "INVALID"),
        ("INVALID_ANYTHING_AT_ALL", "INVALID"),
        ("whatever: somebody wrote", "OTHER"),
        ("", "OTHER"),
    ],
)
def test_a_reason_becomes_one_of_a_few_codes(reason: str, code: str) -> None:
    assert reason_code(reason) == code


def test_every_counter_is_served_with_its_labels() -> None:
    one = metrics()
    for name, (labels, _) in COUNTERS.items():
        one.counters[name].add(*(f"a-{label}" for label in labels))
    found = samples(one)
    for name, (labels, _) in COUNTERS.items():
        more = "".join(f',{label}="a-{label}"' for label in labels)
        parts = {*f'venue="okx",account="okx-main"{more}'.split(",")}
        [line] = [line for line in found if line.startswith(f"{name}_total{{")]
        assert set(line.partition("{")[2].rstrip("}").split(",")) == parts
        assert found[line] == 1


def test_what_never_happened_is_served_as_0_where_there_are_no_labels() -> None:
    found = samples(metrics())
    assert found['throttled_total{account="okx-main",venue="okx"}'] == 0
    assert not [line for line in found if line.startswith("requests_total")]


def test_a_stage_is_served_in_growing_buckets() -> None:
    one = metrics()
    for seconds in (0.00005, 0.0012, 0.0012, 700.0):
        one.ack.observe(seconds)
    found = samples(one)
    where = 'account="okx-main",stage="ack",venue="okx"'
    assert found[f"stage_seconds_count{{{where}}}"] == 4
    assert found[f"stage_seconds_sum{{{where}}}"] == pytest.approx(700.00245)
    buckets = {
        re.findall(r'le="([^"]+)"', line)[0]: value
        for line, value in found.items()
        if line.startswith("stage_seconds_bucket") and 'stage="ack"' in line
    }
    wanted = {"0.0001": 1, "0.001": 1, "0.0016": 3, "100.0": 3, "+Inf": 4}
    assert {bound: buckets[bound] for bound in wanted} == wanted
    assert list(buckets.values()) == sorted(buckets.values())


def test_gauges_are_those_of_the_moment_and_of_the_owner_only() -> None:
    one = metrics()
    assert samples(one)['owner{account="okx-main",venue="okx"}'] == 0
    assert not [line for line in samples(one) if line.startswith("open_orders")]
    numbers = {name: at for at, name in enumerate(GAUGES, start=2)}
    one.standing = lambda: Standing(7, may_send=True, sockets={"trade": False}, **numbers)
    found = samples(one)
    whose = '{account="okx-main",venue="okx"}'
    assert found[f"owner{whose}"] == 1
    assert found[f"lease_epoch{whose}"] == 7
    assert found['socket_up{account="okx-main",socket="trade",venue="okx"}'] == 0
    assert {name: found[f"{name}{whose}"] for name in GAUGES} == numbers
    one.standing = lambda: Standing(7, may_send=False)
    assert samples(one)[f"owner{whose}"] == 0


def test_accounts_do_not_mix() -> None:
    one, other = metrics(), AccountMetrics("bybit", "by-1")
    one.throttled.add()
    found = samples(one, other)
    assert found['throttled_total{account="okx-main",venue="okx"}'] == 1
    assert found['throttled_total{account="by-1",venue="bybit"}'] == 0


def test_the_snapshot_sums_up() -> None:
    one = metrics()
    one.request(CREATE, "ws", None)
    one.sends.add("create", "ws")
    for seconds in (0.001, 0.002, 0.004):
        one.ack.observe(seconds)
    found = snapshot(one, Standing(3, may_send=True, flights=2), 9_000)
    assert (found.epoch, found.since_ms, found.at_ms) == (3, 1_000, 9_000)
    assert found.stages["ack"].count == 3
    assert 1.0 <= found.stages["ack"].p50_ms <= 2.5 < found.stages["ack"].p99_ms <= 4.0
    assert found.stages["ack"].most_ms == 4.0
    assert found.stages["rest"].count == found.stages["rest"].p99_ms == 0
    [row] = found.requests
    assert (row.request, row.transport, row.outcome, row.count) == ("create", "ws", "ACKED", 1)
    assert found.counts["sends create ws"] == 1
    assert found.counts["throttled"] == 0
    assert found.now["flights"] == 2


def test_nothing_is_served_without_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    monkeypatch.setattr(exposition, "start_http_server", lambda *at: begun.append(at))
    with exposition.served(MetricsSettings(), exposition.registry()):
        assert begun == []


def test_a_port_in_use_is_a_mistake_in_the_settings() -> None:
    settings, registry = MetricsSettings(port=free_port()), exposition.registry()
    with (
        exposition.served(settings, registry),
        pytest.raises(ConfigError, match=r"metrics\.port: cannot listen at 127\.0\.0\.1 port \d+"),
        exposition.served(settings, registry),
    ):
        pass
    with exposition.served(settings, registry):  # given back
        pass


class Call:
    """A REST client whose venue answers as the test says."""

    def __init__(self, answer: Callable[[], RestReply]) -> None:
        self.metrics = metrics()
        self.client = RestClient(
            cast(Any, None),
            cast(Any, None),
            Clock(),
            threads=1,
            connect_timeout_s=1,
            read_timeout_s=1,
            metrics=self.metrics,
        )
        self.client.call_blocking = lambda *asked: answer()  # type: ignore[method-assign]


def raising(error: Exception) -> Callable[[], RestReply]:
    def answer() -> RestReply:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (lambda: RestReply(200, "{}"), "2xx"),
        (lambda: RestReply(429, ""), "4xx"),
        (lambda: RestReply(503, ""), "5xx"),
        (raising(NotSent("refused")), "not_sent"),
        (raising(NoAnswer("timed out")), "no_answer"),
    ],
)
async def test_a_rest_call_is_counted_by_what_came_back(
    answer: Callable[[], RestReply], result: str
) -> None:
    call = Call(answer)
    try:
        await call.client.call(RestRequest("POST", "/"), lambda: True)
    except (NotSent, NoAnswer):
        assert result in ("not_sent", "no_answer")
    call.client.close()
    assert call.metrics.rest_calls.numbers == {(result,): 1}
    assert call.metrics.rest.count == 1


def test_the_document_names_what_is_served_and_nothing_else() -> None:
    queue = cast(Any, QueueCollector(cast(Any, None)))
    registry = CollectorRegistry()
    JobMetrics(registry)
    collectors: list[Any] = [exposition.AccountCollector(lambda: [metrics()]), registry]
    families = [family for one in collectors for family in one.collect()] + list(queue.describe())
    served = {one.name + "_total" * (one.type == "counter") for one in families}
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(order_router_\w+)`", text, re.MULTILINE)) == served
    stages = text.partition("| stage | from")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z]+)`", stages, re.MULTILINE) == list(STAGES)
