"""``python -m benchmarks``: measure, print, and keep the report of a full run."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from benchmarks import bench, report
from benchmarks.children import BenchFailed
from benchmarks.options import QUICK, Options
from commands.output import console
from router.errors import RouterError

HERE = Path(__file__).resolve().parent
FAILED = 1


def main(
    quick: Annotated[bool, typer.Option(help="Few orders and rounds.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds to measure.")] = None,
    orders: Annotated[int | None, typer.Option(min=100, help="Orders of one burst.")] = None,
    keep: Annotated[
        bool | None,
        typer.Option(help="Write results/latest.json and the README's tables; not if --quick."),
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
    progress = Console(stderr=True)
    try:
        found = bench.run(options, lambda words: progress.print(f"{words} …", markup=False))
    except (BenchFailed, RouterError) as error:
        progress.print(f"order-router bench: {error}", markup=False)
        raise typer.Exit(FAILED) from None
    _show(found, as_json=as_json)
    if not quick if keep is None else keep:
        _keep(found)


def _json(found: bench.Report) -> bytes:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _show(found: bench.Report, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(found).decode())
        return
    shown = console()
    shown.print(report.summary(found), markup=False)
    for sheet in report.sheets(found):
        shown.print(report.rich_table(sheet))


def _keep(found: bench.Report) -> None:
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "latest.json").write_bytes(_json(found))
    readme = HERE / "README.md"
    readme.write_text(report.into_readme(readme.read_text("utf-8"), found), "utf-8")


if __name__ == "__main__":
    typer.run(main)
