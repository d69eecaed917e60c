"""``make simulate``: thousands of seeds, or one again with all that happened."""

import logging
import os
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulation.mutants import MUTANTS
from simulation.run import Part, Tally, be_quiet, outcomes, play
from simulation.store import Store, running_server
from simulation.verdict import timeline

_SHOWN = 10
_DEFAULT_SEEDS = 1_000
_DEFAULT_ORDERS = 100

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = _DEFAULT_SEEDS,
    seed: Annotated[int | None, typer.Option(help="Play this one again, and tell.")] = None,
    first: Annotated[int, typer.Option(help="The first of the seeds.")] = 0,
    orders: Annotated[int, typer.Option(help="Orders a seed.")] = _DEFAULT_ORDERS,
    minutes: Annotated[float, typer.Option(help="Stop after so long; 0: when all are done.")] = 0.0,
    processes: Annotated[int, typer.Option(help="At once; one a core.")] = os.cpu_count() or 1,
    mutant: Annotated[str, typer.Option(help=f"A broken build: {', '.join(MUTANTS)}.")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Faults of this kind, and often.")] = None,
    trace: Annotated[
        bool, typer.Option(help="With --seed: print every message and the logs.")
    ] = False,
) -> None:
    """Simulate the router under faults; exit 1 if anything is not as it should be."""
    if mutant and mutant not in MUTANTS:
        raise typer.BadParameter(f"{mutant!r} is none of {', '.join(MUTANTS)}")
    if seed is not None:
        sys.exit(_one(Part(seed, orders, mutant, tuple(only or ())), trace=trace))
    parts = [
        Part(number, orders, mutant, tuple(only or ())) for number in range(first, first + seeds)
    ]
    sys.exit(_many(parts, min(processes, max(1, seeds)), minutes))


def _many(parts: list[Part], processes: int, minutes: float) -> int:
    console = Console()
    tally = Tally(time.monotonic())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("seeds, {task.fields[rate]:.1f} a second"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("simulating", total=len(parts), rate=0.0)
        for part, one in outcomes(parts, processes, minutes):
            tally.add(one)
            progress.update(task, advance=1, rate=tally.seeds_per_s)
            if one.differences:
                text = _told(part, one.differences)
                progress.console.print(text, highlight=False, markup=False)
    _sum_up(console, tally)
    return 1 if tally.bad else 0


def _told(part: Part, differences: list[str]) -> str:
    lines = [f"seed {part.seed}: {len(differences)} differences", *differences[:_SHOWN]]
    options = f"--seed {part.seed}" + (f" --mutant {part.mutant}" if part.mutant else "")
    options += "".join(f" --only '{kind}'" for kind in part.only)
    if part.orders != _DEFAULT_ORDERS:
        options += f" --orders {part.orders}"
    return "\n  ".join([*lines, f'again: make simulate ARGS="{options}"'])


def _sum_up(console: Console, tally: Tally) -> None:
    def row(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))

    took_s = time.monotonic() - tally.begun_s
    console.print(
        f"{tally.seeds:,} seeds, {tally.orders:,} orders, {tally.virtual_s / 3600:,.1f} simulated "
        f"hours in {took_s:.0f} s: {tally.seeds_per_s:.1f} seeds a second",
        highlight=False,
    )
    console.print(f"faults: {row(tally.faults)}", highlight=False)
    console.print(f"checked: {row(tally.checked)}", highlight=False)
    verdict = f"{len(tally.bad)} seeds with differences" if tally.bad else "no difference"
    console.print(f"verdict: {verdict}", highlight=False)


def _one(part: Part, *, trace: bool) -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of texts are walked in its order
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]])
    if trace:
        logging.basicConfig(level="INFO", stream=sys.stdout, format="%(levelname)s %(message)s")
    else:
        be_quiet()
    with running_server() as path:
        story = play(part, Store(path), keep_log=True)
    outcome, console = story.outcome, Console(soft_wrap=True)
    lines = story.scene.log or [] if trace else []
    for line in (*lines, *outcome.differences):
        console.print(line, markup=False, highlight=False)
    for oid in story.concerned():
        console.print(f"--- {oid}", markup=False, highlight=False)
        for line in timeline(story, oid):
            console.print(line[:400], markup=False, highlight=False)
    faults = ", ".join(f"{name} {count}" for name, count in sorted(outcome.faults.items()))
    console.print(
        f"seed {part.seed}: {outcome.orders} orders, {outcome.virtual_s:.1f} s simulated, trace "
        f"{outcome.trace:08x}; faults: {faults or 'none'}; {len(outcome.differences)} differences",
        markup=False,
        highlight=False,
    )
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    app()
