"""``order-router``: the one entry point. Exit codes: 0 fine, 1 a bad verdict, 2 a mistake.

A mistake of the user (a wrong setting, a missing secret, an unreachable Redis) is one line on
stderr, never a traceback.
"""

import sys

import typer

from commands import (
    acl,
    bench,
    demo,
    doctor,
    halt,
    orders,
    processes,
    status,
    storm,
    tail,
    timeline,
)
from commands.output import print_error
from router.errors import RouterError

MISTAKE = 2

app = typer.Typer(
    name="order-router",
    help="Many strategies, one exchange account, one order per logical order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("storm")(storm.storm)
app.command("worker")(processes.worker)
app.command("jobs")(processes.jobs)
app.command("simulator")(processes.simulator)
app.command("run")(processes.run)
app.command("status")(status.status)
app.command("orders")(orders.orders)
app.command("order")(timeline.order)
app.command("tail")(tail.tail)
app.command("halt")(halt.halt)
app.command("resume")(halt.resume)
app.command("doctor")(doctor.doctor)
app.command("acl")(acl.acl)
app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    bench.bench
)


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except RouterError as error:
        print_error(str(error))
        sys.exit(MISTAKE)


if __name__ == "__main__":
    main()
