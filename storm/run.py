"""Runs a storm from the first process to the verdict."""

import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console

from commands.output import console, print_error, print_json, table
from demo.children import ChildEnded
from demo.conductor import Conductor
from demo.settle import settle
from demo.show import terminable
from router.errors import ConfigError
from storm.elements import Elements
from storm.gathering import gather, read_books, what_came
from storm.invariants import check
from storm.lines import Lines
from storm.options import StormOptions
from storm.plan import schedule
from storm.record import Restarted
from storm.report import COLUMNS, Report, counts_of, keep_ledger, row_of, show
from storm.stack import StormStack
from storm.watch import Watch

_TURN_S = 0.05
_SETTLE_S = 180.0
_RESTARTED = ("worker", "standby", "jobs")


def run(options: StormOptions, *, seeds: int = 1) -> int:
    """Run so many seeds from the options' on; return 0 if every promise was kept, else 1."""
    out = console()
    reports = []
    for seed in range(options.seed, options.seed + seeds):
        one = StormOptions(
            seed=seed, seconds=options.seconds, keep=options.keep, as_json=options.as_json
        )
        if (report := _storm(one, out, alone=seeds == 1)) is not None:
            reports.append(report)
    if seeds > 1 and not options.as_json:
        out.print(table("Seeds", COLUMNS, [row_of(report) for report in reports]))
        out.print(counts_of(reports))
    return 0 if sum(report.good for report in reports) == seeds else 1


def _storm(options: StormOptions, out: Console, *, alone: bool) -> Report | None:
    """Return the report of one seed; None if the storm itself could not go on."""
    folder = Path(tempfile.mkdtemp(prefix="order-router-storm-"))
    report = None
    try:
        with terminable(), Lines() as lines, StormStack(options.demo(), folder, lines) as stack:
            report = _play(options, stack, lines)
            _say(report, stack, out, alone=alone, as_json=options.as_json)
            if not report.good:
                keep_ledger(report, folder)
    except (ChildEnded, ConfigError) as error:
        print_error(f"seed {options.seed}: {error}")
    finally:
        if options.keep or report is None or not report.good:
            # On stderr: stdout is the JSON's.
            Console(stderr=True).print(
                f"seed {options.seed}: logs and recordings: {folder}", soft_wrap=True, markup=False
            )
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return report


def _play(options: StormOptions, stack: StormStack, lines: Lines) -> Report:
    began_s = time.monotonic()
    stack.start()
    venues = stack.options.venues
    names = stack.strategies()
    steps = schedule(
        options.seconds, options.seed, venues=[one.name for one in venues], strategies=names
    )
    with Watch(stack.redis_url, stack.keys, names) as watch:
        elements = Elements(stack, lines)
        conductor = Conductor(steps, stack.control, venues, elements, options.seed)
        stack.start_strategies()
        _trade(options, stack, conductor)
        hits = {name: at.total() for name, at in conductor.hits().items()}
        conductor.end()
        elements.clear()
        _until_done(stack)
        settled = _settle(stack)
        restarted = Restarted() if settled else _restart(stack)
        books = read_books(stack)
    stack.stop_strategies()
    record = gather(
        *(stack, watch, books),
        halts=elements.halts,
        throttles=hits.get("throttle", 0),
        restarted=restarted,
    )
    return Report(
        seed=options.seed,
        seconds=time.monotonic() - began_s,
        began_ms=stack.begin_ms,
        settled=settled,
        record=record,
        faults=conductor.taken,
        hits=hits,
        ended=stack.ended,
        differences=check(record),
    )


def _trade(options: StormOptions, stack: StormStack, conductor: Conductor) -> None:
    """Let the strategies trade and the faults happen until the time is over."""
    while (elapsed_s := time.time() - stack.begin_ms / 1000) < options.seconds:
        stack.supervise()
        conductor.play(elapsed_s)
        time.sleep(_TURN_S)


def _until_done(stack: StormStack) -> None:
    """Return once every strategy has placed its orders: those started again late are late."""

    def done() -> bool:
        return all(_is_done(path) for path in stack.records.values())

    stack.wait_for("a strategy's end", done)


def _is_done(record: Path) -> bool:
    """Whether the strategy's last run has done all."""
    said = record.read_bytes()
    return said.rfind(b'"done"') > said.rfind(b'"started"')


def _settle(stack: StormStack) -> list[str]:
    stack.supervise()
    return settle(stack.client, stack.keys, stack.control, _SETTLE_S)


def _restart(stack: StormStack) -> Restarted:
    """Return what it adds when all workers and jobs are killed and started while all is quiet."""
    ledger, books = stack.control.ledger(), read_books(stack)
    for name in _RESTARTED:
        stack.children.kill(name)
    for name in _RESTARTED:
        stack.start_again(name)
    stack.await_worker()
    if busy := _settle(stack):
        return Restarted(requests=[f"not settled again: {one}" for one in busy])
    return what_came((ledger, stack.control.ledger()), books, read_books(stack))


def _say(report: Report, stack: StormStack, out: Console, *, alone: bool, as_json: bool) -> None:
    if as_json:
        print_json(report.as_json())
    elif alone or not report.good:
        show(report, stack, out)
    else:
        out.print(table("", COLUMNS, [row_of(report)]))
