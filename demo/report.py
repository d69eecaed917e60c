"""The demo's last words: counts, outcomes, latency, and the differences if there are any."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from commands.output import clock_time, table
from commands.timeline import Moment, find_history
from demo.faults import Hits
from demo.told import Told
from demo.verdict import Difference
from router.keyspace import AccountKeys
from simulator.client import Ledger


@dataclass(frozen=True, slots=True)
class Latency:
    """From the call to the first order event in the callback, in ms."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the demo says at its end."""

    seconds: float
    settled: list[str]
    ledger: Ledger
    told: Sequence[Told]
    faults: Sequence[tuple[float, str]]
    hits: Hits
    differences: Sequence[Difference]

    @property
    def good(self) -> bool:
        """Whether nothing differs and all came to rest."""
        return not self.differences and not self.settled

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        latency = latency_of(self.told)
        return {
            "ok": self.good,
            "seconds": round(self.seconds, 1),
            "not_settled": self.settled,
            "venue": {
                "orders": len(self.ledger.orders),
                "fills": len(self.ledger.fills),
                "requests": len(self.ledger.requests),
                "throttled": self.ledger.throttled,
                "states": dict(Counter(row["state"] for row in self.ledger.orders)),
                "orders_by_account": dict(Counter(row["account"] for row in self.ledger.orders)),
            },
            "strategies": [
                {
                    "strategy": one.strategy,
                    "submitted": len({call.oid for call in one.submitted}),
                    "events": len(one.orders),
                    "outcomes": dict(Counter(str(each.result_type) for each in one.requests)),
                    "refused": len(one.refused),
                    "statuses": one.statuses,
                    "diffs": one.diffs,
                }
                for one in self.told
            ],
            "outcomes": outcomes_of(self.told),
            "latency_ms": asdict(latency) if latency else None,
            "faults": [{"at_s": round(at_s, 1), "what": what} for at_s, what in self.faults],
            "fault_hits": {name: at.total() for name, at in self.hits.items()},
            "fault_hits_by_account": {
                name: {account: count for account, count in at.items() if account}
                for name, at in self.hits.items()
            },
            "differences": [asdict(one) for one in self.differences],
        }


def outcomes_of(told: Sequence[Told]) -> dict[str, int]:
    """Return how many orders ended how, and how many requests in anything but plain success."""
    counted: Counter[str] = Counter()
    for one in told:
        counted += Counter(str(each.result_type) for each in one.requests)
        last = {event.oid: str(event.standing) for event in one.orders}
        counted += Counter(last.values())
    return dict(sorted(counted.items()))


def latency_of(told: Sequence[Told]) -> Latency | None:
    """Return the time from a call to its order's first event; None without orders."""
    first: dict[str, float] = {}
    for one in told:
        for event in one.orders:
            first.setdefault(event.oid, event.at_ms)
    waits = sorted(
        first[call.oid] - call.at_ms
        for one in told
        for call in {call.oid: call for call in reversed(one.submitted)}.values()
        if call.oid in first
    )
    if not waits:
        return None
    at_99 = min(len(waits) - 1, int(len(waits) * 0.99))
    return Latency(len(waits), round(waits[len(waits) // 2], 2), round(waits[at_99], 2))


def show(report: Report, out: Console) -> None:
    """Print the report for people."""
    if report.faults:
        faults = [(f"{at_s:.1f}", what) for at_s, what in report.faults]
        out.print(table("Faults", ("at s", "what"), faults))
        hits = ", ".join(f"{name} {at.total()}" for name, at in sorted(report.hits.items()))
        out.print(f"messages hit: {hits or 'none'}")
    rows = [
        (
            one.strategy,
            len({call.oid for call in one.submitted}),
            len(one.orders),
            sum(1 for event in one.orders if event.trade_id),
            len(one.requests),
            one.diffs,
            len(one.refused),
        )
        for one in report.told
    ]
    columns = ("strategy", "orders", "events", "fills", "outcomes", "diffs", "refused at once")
    out.print(table("What the strategies were told", columns, rows))
    out.print(table("Outcomes", ("outcome", "count"), list(outcomes_of(report.told).items())))
    if (latency := latency_of(report.told)) is not None:
        out.print(
            f"submit to first event: p50 {latency.p50:g} ms, p99 {latency.p99:g} ms "
            f"({latency.count} orders, faults included)"
        )
    out.print(
        f"venue: {len(report.ledger.orders)} orders, {len(report.ledger.fills)} fills, "
        f"{len(report.ledger.requests)} requests, {report.ledger.throttled} throttled"
    )
    _show_verdict(report, out)


def _show_verdict(report: Report, out: Console) -> None:
    for line in report.settled:
        out.print(f"[red]not settled:[/red] {escape(line)}")
    if report.differences:
        columns = ("rule", "strategy", "order", "the venue has", "the strategy was told")
        rows = [tuple(asdict(one).values()) for one in report.differences]
        out.print(table("Differences", columns, rows))
        out.print(f"[bold red]{len(report.differences)} differences[/bold red]")
    elif report.good:
        orders, fills = len(report.ledger.orders), len(report.ledger.fills)
        out.print(
            f"[bold green]The ledger's {orders} orders and {fills} fills are what the strategies "
            "were told: no difference.[/bold green]"
        )


def show_timeline(
    oid: str,
    client: Any,
    accounts: Sequence[AccountKeys],
    out: Console,
    also: Sequence[Moment] = (),
) -> None:
    """Print what Redis has of an order, moment by moment, among what else is known of it."""
    histories = (find_history(client, keys, oid) for keys in accounts)
    found = next((history for history in histories if history is not None), None)
    moments = [*(found.moments if found is not None else ()), *also]
    if not moments:
        out.print(f"{oid}: Redis has no such order", markup=False)
        return
    moments.sort(key=lambda one: (one.ts_ms, one.seq))
    rows = [(clock_time(at.ts_ms), at.seq or "", at.what, at.detail) for at in moments]
    whose = f" of {found.strategy}" if found is not None else ""
    out.print(table(f"{oid}{whose}", ("time", "seq", "what", "detail"), rows))
