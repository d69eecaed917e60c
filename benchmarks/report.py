"""The report as tables: for the terminal and for the README. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks import against
from benchmarks.against import Against
from benchmarks.bench import Report
from benchmarks.comparison import AT_VENUE, Latency, Ratios, Throughput
from benchmarks.figures import Spread
from benchmarks.flow import FULL, Flow, growth
from benchmarks.outages import Outage
from benchmarks.venues import MOST_RATIO

BEGIN, END = "<!-- latest -->", "<!-- /latest -->"
_BAR = 40
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of texts."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sheets(report: Report) -> list[Sheet]:
    """Return all tables of a report; those of parts that were not measured are left out."""
    made = [
        _latency(report),
        _throughput(report),
        _cpu(report),
        _stages(report),
        _venues(report),
        _durability(report),
        _outages(report),
        _memory(report),
        flow_sheet(report.flow),
    ]
    return [sheet for sheet in made if sheet.rows]


def against_sheet(found: Against) -> Sheet:
    """Return the table of this tree beside another commit."""
    return Sheet(
        f"This tree beside {found.before}, aimed at no more than {against.MOST_RATIO} × each",  # noqa: RUF001
        ("", "before", "now", "now / before", ""),
        [
            (
                one.name,
                _range(one.before, _whole),
                _range(one.now, _whole),
                _range(one.ratio, _ratio),
                "met" if one.met else "MISSED",
            )
            for one in found.costs
        ],
    )


def rich_table(sheet: Sheet) -> Table:
    """Return the table for a terminal."""
    made = Table(title=sheet.title, title_justify="left", title_style="bold")
    for at, name in enumerate(sheet.columns):
        made.add_column(name, justify="left" if at == 0 else "right", overflow="fold")
    for row in sheet.rows:
        made.add_row(*row)
    return made


def summary(report: Report) -> str:
    """Return when, where and beside what it was measured, in one line."""
    machine = report.machine
    others = "unknown" if report.others_share is None else f"{report.others_share:.0%}"
    return (
        f"{report.measured}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory']}, {machine['system']}, Python {machine['python']}, "
        f"{machine['server']}, redis-py {machine['redis']}, websockets {machine['websockets']}. "
        f"Other processes used {others} of the cores meanwhile; the run took {report.took_s:.0f} s."
    )


def markdown(report: Report) -> str:
    """Return all of a report for the README, between its marks."""
    parts = [BEGIN, summary(report), "", "![the report as bars](results/latest.svg)", ""]
    for sheet in sheets(report):
        parts += [f"**{sheet.title}**", "", _row(sheet.columns), _row(["---"] * len(sheet.columns))]
        parts += [*map(_row, sheet.rows), ""]
    return "\n".join([*parts, *_chart(report), END])


def into_readme(readme: str, report: Report) -> str:
    """Return the README with the latest report in the place of the one before.

    Raises:
        ValueError: If the marks are missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks {BEGIN} or {END}")
    return before + markdown(report) + after


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _range(of: Spread, form: Format = _whole) -> str:
    return f"{form(of.median)} ({form(of.low)}–{form(of.high)})"  # noqa: RUF001


def _latency(report: Report) -> Sheet:
    found = report.comparison
    return Sheet(
        "Submit → on_pending_order, one order at a time, µs: median of rounds (lowest–highest)",  # noqa: RUF001
        ("", "p50", "p99", "p99.9 of all", "orders"),
        [
            _latency_row("floor", found.floor),
            _latency_row(AT_VENUE, found.floor_at_venue),
            _latency_row("router", found.router),
            _ratio_row("router / floor", found.to_floor),
            _ratio_row(f"router / {AT_VENUE}", found.to_floor_at_venue),
        ],
    )


def _latency_row(side: str, one: Latency) -> tuple[str, ...]:
    return (
        side,
        _range(one.p50_us),
        _range(one.p99_us),
        _whole(one.p99_9_us),
        _whole(one.samples),
    )


def _ratio_row(name: str, found: Ratios) -> tuple[str, ...]:
    return name, _range(found.p50, _ratio), _range(found.p99, _ratio), "", ""


def shape_words(one: Throughput) -> str:
    """Return the name of a burst's shape."""
    strategies = "1 strategy" if one.strategies == 1 else f"{one.strategies} strategies"
    return f"{strategies}, {'single orders' if one.batch == 1 else f'batches of {one.batch}'}"


def _throughput(report: Report) -> Sheet:
    window = report.options.window
    return Sheet(
        f"Orders per second end to end, at most {window} unanswered a strategy",
        ("", "floor", "router", "floor / router", "router p50 under this load, µs"),
        [
            (
                shape_words(one),
                _range(one.floor_per_s),
                _range(one.router_per_s),
                _range(one.ratio, _ratio),
                _whole(one.router_p50_us.median),
            )
            for one in report.comparison.throughputs
        ],
    )


def _cpu(report: Report) -> Sheet:
    found = report.comparison
    costs = [("one at a time", found.floor.cpu_us, found.router.cpu_us)]
    costs += [(shape_words(one), one.floor_cpu_us, one.router_cpu_us) for one in found.throughputs]
    rows = []
    for name, floor, router in costs:
        for side, cost in (("floor", floor), ("router", router)):
            cells = [_whole(cost[role]) if role in cost else "" for role in _ROLES]
            rows.append((f"{name}: {side}", *cells, _whole(sum(cost.values()))))
    return Sheet("Processor time per order, µs", ("", *_ROLES, "sum"), rows)


_ROLES = ("strategies", "worker", "redis", "venue")


def _stages(report: Report) -> Sheet:
    return Sheet(
        "Stages of one order, one at a time, µs",
        ("stage", "holds", "p50", "p99"),
        [(one.name, one.holds, _whole(one.p50_us), _whole(one.p99_us)) for one in report.stages],
    )


def _venues(report: Report) -> Sheet:
    return Sheet(
        f"Each venue beside OKX, aimed at no more than {MOST_RATIO} × its times",  # noqa: RUF001
        (
            "",
            "p50 one at a time, µs",
            "p50 / OKX's",
            f"orders/s, batches of {report.options.batch}",
            "OKX's / orders/s",
            "worker, µs an order",
            "worker / OKX's",
            "simulator, µs an order",
            "",
        ),
        [
            (
                one.name,
                _whole(one.p50_us.median),
                _range(one.p50_ratio, _ratio),
                _whole(one.per_s.median),
                _range(one.slower, _ratio),
                _whole(one.worker_us.median),
                _range(one.worker_ratio, _ratio),
                _whole(one.venue_us.median),
                "met" if one.met else "MISSED",
            )
            for one in report.venues
        ],
    )


def _memory(report: Report) -> Sheet:
    found = report.memory
    names = list(found.resident[0].mib)
    rows: list[tuple[str, ...]] = [
        (f"resident MiB, {one.orders} open", *(f"{one.mib[name]:.0f}" for name in names))
        for one in found.resident
    ]
    blanks = ("",) * (len(names) - 1)
    rows += [
        ("Redis bytes per open order", _whole(found.redis_bytes_per_open), *blanks),
        ("Redis bytes per ended order", _whole(found.redis_bytes_per_ended), *blanks),
    ]
    rows += [
        (f"Redis bytes of {name}", _whole(size), *blanks)
        for name, size in found.redis_bytes.items()
    ]
    return Sheet("Memory", ("", *names), rows)


def _durability(report: Report) -> Sheet:
    return Sheet(
        "Durability: submit → on_pending_order one at a time, µs, and orders per second",
        ("appendfsync", "p50", "p99", "orders/s, 1 strategy, single orders"),
        [
            (one.appendfsync, _range(one.p50_us), _range(one.p99_us), _range(one.per_s))
            for one in report.durability
        ],
    )


def _outages(report: Report) -> Sheet:
    return Sheet(
        "Outages, ms",
        ("", "from … to", "p50", "p99", "aimed at", "times"),
        [
            (
                one.name,
                one.measured,
                _whole(one.p50_ms),
                _whole(one.p99_ms),
                _aim(one),
                str(one.samples),
            )
            for one in report.outages
        ],
    )


def _aim(one: Outage) -> str:
    p50 = "" if one.p50_target_ms is None else f"p50 ≤ {_whole(one.p50_target_ms)}, "
    return f"{p50}p99 ≤ {_whole(one.p99_target_ms)}: {'met' if one.met else 'MISSED'}"


def flow_sheet(found: Flow | None) -> Sheet:
    """Return the table of memory over many orders; without rows if there is none."""
    if found is None:
        return Sheet("Memory over many orders", ("",), [])
    names = list(found.resident[0].mib)
    rows = [
        (f"after {_whole(one.orders)} orders", *(f"{one.mib[name]:.0f}" for name in names), data)
        for one, data in zip(
            found.resident, (f"{mib:.1f}" for mib in found.redis_data_mib), strict=True
        )
    ]
    grown = growth(found)
    rows.append(
        (
            f"last / after {_whole(min(FULL, found.orders))}",
            *(_ratio(grown[name]) if name in grown else "" for name in names),
            "",
        )
    )
    title = (
        f"Resident MiB after orders that came and ended, ended ones kept {found.keep_s} s, "
        f"archived and trimmed ({found.measured}, {found.took_s:.0f} s)"
    )
    return Sheet(title, ("", *names, "Redis data"), rows)


def _chart(report: Report) -> list[str]:
    """Return bars: the stages of the critical path, each as long as its p50."""
    path = [one for one in report.stages if "(beside)" not in one.holds and one.name != "whole"]
    longest = max((one.p50_us for one in path), default=0.0)
    if not longest:
        return []
    bars = [
        f"{one.name:<15} {'█' * max(1, round(one.p50_us / longest * _BAR)):<{_BAR}} "
        f"{one.p50_us:6.0f} µs"
        for one in path
    ]
    return ["```", *bars, "```"]
