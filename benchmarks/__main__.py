"""``python -m benchmarks``: measure, print, and keep the report of a full run."""

from dataclasses import replace
from typing import Annotated

import orjson
import typer
from rich.console import Console

from benchmarks import against, bench, kept, report
from benchmarks.children import BenchFailed
from benchmarks.comparison import Say
from benchmarks.options import QUICK, Options
from commands.output import console
from router.errors import RouterError

FAILED = 1


def main(
    quick: Annotated[bool, typer.Option(help="Few orders and rounds.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds to measure.")] = None,
    orders: Annotated[int | None, typer.Option(min=100, help="Orders of one burst.")] = None,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="Only watch memory while 200 000 orders come and end; takes minutes.",
        ),
    ] = False,
    memory_orders: Annotated[
        int | None, typer.Option(min=1_000, help="So many orders for --memory.")
    ] = None,
    before: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="COMMIT",
            help="Only compare this tree with that commit of it, in turns; keep nothing.",
        ),
    ] = "",
    keep: Annotated[
        bool | None,
        typer.Option(help="Write results/ and the README's tables; not if --quick."),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            help="Measure on this server instead of an embedded one; never one in production."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Measure the router beside its floor on this machine."""
    options = replace(QUICK if quick else Options(), redis_url=redis_url)
    if rounds is not None:
        options = replace(options, rounds=rounds)
    if orders is not None:
        options = replace(options, burst_orders=orders)
    if memory_orders is not None:
        options = replace(options, flow_orders=memory_orders)
    keep = not quick if keep is None else keep
    progress = Console(stderr=True)

    def say(words: str) -> None:
        progress.print(f"{words} …", markup=False)

    try:
        if before:
            _against(options, before, say, as_json=as_json)
        elif memory:
            _memory(options, say, keep=keep, as_json=as_json)
        else:
            _everything(options, say, keep=keep, as_json=as_json)
    except (BenchFailed, RouterError) as error:
        progress.print(f"order-router bench: {error}", markup=False)
        raise typer.Exit(FAILED) from None


def _everything(options: Options, say: Say, *, keep: bool, as_json: bool) -> None:
    before = kept.last() if keep else None
    found = replace(bench.run(options, say), flow=before.flow if before else None)
    _show(found, as_json=as_json)
    if keep:
        kept.keep(found)


def _against(options: Options, before: str, say: Say, *, as_json: bool) -> None:
    found = against.run(options, before, say)
    if as_json:
        typer.echo(orjson.dumps(found).decode())
    else:
        console().print(report.rich_table(report.against_sheet(found)))


def _memory(options: Options, say: Say, *, keep: bool, as_json: bool) -> None:
    before = kept.last() if keep else None
    if keep and before is None:
        raise BenchFailed("there is no report yet to add this to; run once without --memory")
    found = bench.run_flow(options, say)
    if as_json:
        typer.echo(orjson.dumps(found).decode())
    else:
        console().print(report.rich_table(report.flow_sheet(found)))
    if before is not None:
        kept.keep(replace(before, flow=found))


def _show(found: bench.Report, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(found).decode())
        return
    shown = console()
    shown.print(report.summary(found), markup=False)
    for sheet in report.sheets(found):
        shown.print(report.rich_table(sheet))


if __name__ == "__main__":
    typer.run(main)
