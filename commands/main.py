"""``order-router``: the one entry point. Exit codes: 0 fine, 1 a bad verdict, 2 a mistake.

A mistake of the user (a wrong setting, a missing secret, an unreachable Redis) is one line on
stderr, never a traceback.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from commands.output import print_error
from router.errors import RouterError

MISTAKE = 2

COMMANDS = {
    "demo": "demo:demo",
    "storm": "storm:storm",
    "worker": "processes:worker",
    "jobs": "processes:jobs",
    "simulator": "processes:simulator",
    "run": "processes:run",
    "status": "status:status",
    "orders": "orders:orders",
    "order": "timeline:order",
    "tail": "tail:tail",
    "halt": "halt:halt",
    "resume": "halt:resume",
    "doctor": "doctor:doctor",
    "acl": "acl:acl",
    "bench": "bench:bench",
}
"""Name → the module in ``commands`` and its function."""
_PASSED_ON = {"bench": {"allow_extra_args": True, "ignore_unknown_options": True}}
_LOOKS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}


class _OneByOne(TyperGroup):
    """Loads the command that is asked for: all of them together take a worker's start longer."""

    # Typer may bring a copy of click of its own (0.29 does), so no type here can name it.

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        alone = typer.Typer(**_LOOKS)
        found = getattr(import_module(f"commands.{module}"), function)
        alone.command(cmd_name, context_settings=_PASSED_ON.get(cmd_name))(found)
        return typer.main.get_command(alone)


app = typer.Typer(name="order-router", cls=_OneByOne, no_args_is_help=True, **_LOOKS)


@app.callback()
def order_router() -> None:
    """Many strategies, one exchange account, one order per logical order."""


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except RouterError as error:
        print_error(str(error))
        sys.exit(MISTAKE)


if __name__ == "__main__":
    main()
