"""``order-router storm``: random faults on real processes, then ten promises checked."""

from typing import Annotated

import typer

from commands.options import AsJson


def storm(
    seed: Annotated[
        int, typer.Option(help="Of faults, prices and orders; the first of --seeds.")
    ] = 1,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to trade.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1, help="So many seeds, one after another.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep the data and log folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Kill, pause and cut off everything at random; exit 1 if the router broke a promise."""
    from storm.options import StormOptions
    from storm.run import run

    options = StormOptions(seed=seed, seconds=minutes * 60, keep=keep, as_json=as_json)
    raise typer.Exit(run(options, seeds=seeds))
