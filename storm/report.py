"""What a storm says at its end: faults, counts, the verdict; timelines if a promise broke."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from commands.output import table
from commands.timeline import Moment
from demo.report import outcomes_of, show_timeline
from demo.verdict import Difference
from simulator.client import Ledger
from storm.invariants import PROMISES
from storm.record import Record
from storm.stack import StormStack

_TIMELINES = 5
_AROUND_MS = 8_000
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a storm says. ``faults``: when (s), and what with what came of it."""

    seed: int
    seconds: float
    began_ms: int
    settled: Sequence[str]
    record: Record
    faults: Sequence[tuple[float, str]]
    hits: dict[str, int]
    ended: Sequence[tuple[str, str]]
    differences: Sequence[Difference]

    @property
    def good(self) -> bool:
        """Whether every promise was kept and all came to rest."""
        return not (self.differences or self.settled or self.record.defects)

    @property
    def broken(self) -> dict[str, int]:
        """Return how often each promise was broken, for those that were."""
        return {
            name: count
            for number, name in enumerate(PROMISES, 1)
            if (count := sum(one.rule == number for one in self.differences))
        }

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        record = self.record
        return {
            "ok": self.good,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "not_settled": list(self.settled),
            "broken": self.broken,
            "differences": [asdict(one) for one in self.differences],
            "defects": list(record.defects),
            "venue": {
                "orders": len(record.ledger.orders),
                "fills": len(record.ledger.fills),
                "requests": len(record.ledger.requests),
                "throttled": record.ledger.throttled,
            },
            "outcomes": outcomes_of(record.told),
            "refused": sum(len(one.refused) for one in record.told),
            "starts": {one.strategy: len(one.starts) for one in record.heard},
            "epochs": len(record.tenures),
            "most": dict(record.most),
            "ended_by_themselves": [list(one) for one in self.ended],
            "faults": [{"at_s": round(at_s, 2), "what": what} for at_s, what in self.faults],
            "fault_hits": self.hits,
        }


def keep_ledger(report: Report, folder: Path) -> None:
    """Write the venue's ledger and the report to the folder of a storm that went wrong."""
    ledger = orjson.dumps(asdict(report.record.ledger), option=orjson.OPT_INDENT_2)
    (folder / "ledger.json").write_bytes(ledger)
    told = orjson.dumps(report.as_json(), default=str, option=orjson.OPT_INDENT_2)
    (folder / "report.json").write_bytes(told)


COLUMNS = (
    "seed",
    "orders",
    "fills",
    "epochs",
    "faults",
    "unknown, then known",
    "seconds",
    "verdict",
)


def row_of(report: Report) -> tuple[object, ...]:
    """Return the seed's line in the table of several."""
    record = report.record
    verdict = "no difference"
    if not report.good:
        counts = [f"{name} {count}" for name, count in report.broken.items()]
        counts += [f"{len(report.settled)} not settled"] * bool(report.settled)
        counts += [f"{len(record.defects)} defects"] * bool(record.defects)
        verdict = ", ".join(counts)
    return (
        report.seed,
        len(record.ledger.orders),
        len(record.ledger.fills),
        len(record.tenures),
        len(report.faults),
        outcomes_of(record.told).get("ACK_TIMEOUT", 0),
        round(report.seconds),
        verdict,
    )


def show(report: Report, stack: StormStack, out: Console) -> None:
    """Print the report for people, with the timelines of orders about which something differs."""
    record = report.record
    faults = [(f"{at_s:.1f}", what) for at_s, what in report.faults]
    out.print(table(f"Faults of seed {report.seed}", ("at s", "what"), faults))
    hits = ", ".join(f"{name} {count}" for name, count in sorted(report.hits.items()))
    out.print(f"messages hit at the venue: {hits or 'none'}")
    for name, said in report.ended:
        out.print(f"ended by itself, started again: {name}: {escape(said)}", soft_wrap=True)
    out.print(table("Outcomes", ("outcome", "count"), list(outcomes_of(record.told).items())))
    out.print(
        f"venue: {len(record.ledger.orders)} orders, {len(record.ledger.fills)} fills, "
        f"{len(record.ledger.requests)} requests, {record.ledger.throttled} throttled; "
        f"{len(record.tenures)} epochs"
    )
    _show_verdict(report, stack, out)


def _show_verdict(report: Report, stack: StormStack, out: Console) -> None:
    for line in report.settled:
        out.print(f"[red]not settled:[/red] {escape(line)}")
    for line in report.record.defects:
        out.print(f"[red]defect:[/red] {escape(line)}")
    if report.good:
        out.print(f"[bold green]seed {report.seed}: all ten promises were kept[/bold green]")
        return
    columns = ("promise", "strategy", "order", "the venue has", "told")
    rows = [(f"I{one.rule}", *list(asdict(one).values())[1:]) for one in report.differences]
    out.print(table("Differences", columns, rows[:_SHOWN]))
    count = len(report.differences)
    out.print(f"[bold red]seed {report.seed}: {count} differences[/bold red]")
    oids = dict.fromkeys(one.oid for one in report.differences if one.oid)
    for oid in list(oids)[:_TIMELINES]:
        show_timeline(oid, stack.client, stack.keys, out, moments_of(oid, report))


def moments_of(oid: str, report: Report) -> list[Moment]:
    """Return what the venue and the storm did about an order, and faults around those times."""
    moments = venue_moments(oid, report.record)
    times = [one.ts_ms for one in moments if one.ts_ms]
    if not times:
        return moments
    first, last = min(times) - _AROUND_MS, max(times) + _AROUND_MS
    for at_s, what in report.faults:
        at_ms = report.began_ms + int(at_s * 1000)
        if first <= at_ms <= last:
            moments.append(Moment(at_ms, "fault", what))
    return moments


def venue_moments(oid: str, record: Record) -> list[Moment]:
    """Return the ledger's rows about an order, found by oid or by client id."""
    names = {oid} | {
        order.get("client_id", oid)
        for book in record.books
        for known, order in book.orders.items()
        if known == oid
    }
    ledger: Ledger = record.ledger
    eids = {row["venue_id"] for row in ledger.orders if row["client_id"] in names}
    requests = [
        Moment(
            row["ts_ms"],
            f"venue got {row['op']}",
            f"by {row['transport']} from {row['address']}, processed {row['processed']}, "
            f"code {row['code'] or '-'}, replied {row['replied']}",
        )
        for row in ledger.requests
        if row["client_id"] in names or row["venue_id"] in eids
    ]
    fills = [
        Moment(row["ts_ms"], "venue made a fill", f"{row['amount']} at {row['price']}")
        for row in ledger.fills
        if row["client_id"] in names
    ]
    ends = [
        Moment(row["updated_ms"], f"venue has it {row['state']}", f"filled {row['filled']}")
        for row in ledger.orders
        if row["client_id"] in names
    ]
    return [*requests, *fills, *ends]


def counts_of(reports: Sequence[Report]) -> str:
    """Return one line about several seeds."""
    verdicts = Counter(report.good for report in reports)
    orders = sum(len(report.record.ledger.orders) for report in reports)
    return (
        f"{verdicts[True]} of {len(reports)} seeds without a difference, {orders} orders at the "
        "venues"
    )
