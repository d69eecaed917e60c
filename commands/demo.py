"""``order-router demo``: the whole stack with faults, then the ledger compared line by line."""

from enum import StrEnum
from typing import Annotated

import typer

from commands.options import AsJson


class FaultPlan(StrEnum):
    """Which faults the demo makes."""

    NONE = "none"
    DEFAULT = "default"
    STORM = "storm"


def demo(
    orders: Annotated[int, typer.Option(min=3, help="About how many orders to route.")] = 300,
    strategies: Annotated[
        int, typer.Option(min=2, max=20, help="Strategy processes, the guide's example included.")
    ] = 3,
    seconds: Annotated[float, typer.Option(min=5, help="How long to trade.")] = 30.0,
    faults: Annotated[FaultPlan, typer.Option(help="Which faults to make.")] = FaultPlan.DEFAULT,
    venues: Annotated[
        str, typer.Option(help="Where to route at once, as okx,binance,bybit; okx is one of them.")
    ] = "okx",
    seed: Annotated[int, typer.Option(help="Of prices, orders and faults.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep the data and log folder.")] = False,
    redis_url: Annotated[
        str | None,
        typer.Option(
            "--redis-url",
            metavar="URL",
            help="Address of a Redis to use; without it, the demo starts one of its own.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Route real traffic with faults on a local exchange; exit 1 if anything was told wrongly."""
    from demo.options import DemoOptions
    from demo.show import run
    from demo.venues import venues_named

    raise typer.Exit(
        run(
            DemoOptions(
                venues=venues_named(venues),
                orders=orders,
                strategies=strategies,
                seconds=seconds,
                faults=faults.value,
                seed=seed,
                keep=keep,
                redis_url=redis_url,
                as_json=as_json,
            )
        )
    )
