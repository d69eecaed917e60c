"""Where a strategy's process can be made to end itself: between any two effects it has.

Imported only where ``ORDER_ROUTER_CRASH`` is set; see ``router/crash_points.py``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from router import crash_points
from router.crash_points import Point, after, before


def _stores(reader: Any, commands: Sequence[Sequence[Any]]) -> bool:
    return bool(commands[0][0] == "HSET")


def _stored(reader: Any, places: Any, replies: Sequence[Any]) -> bool:
    return bool(replies)


SDK: Final[Mapping[str, Point]] = {
    "sdk.before_register": before(
        "strategy_sdk.gateway:Gateway.register", "the strategy is not registered by this process"
    ),
    "sdk.registered": after("strategy_sdk.gateway:Gateway.register", "it is"),
    "sdk.before_admit": before(
        "strategy_sdk.gateway:Gateway.admit_all", "a create has its oid; nothing was sent"
    ),
    "sdk.admitted": after(
        "strategy_sdk.gateway:Gateway.admit_all", "it is admitted; the caller does not know"
    ),
    "sdk.before_request": before(
        "strategy_sdk.gateway:Gateway.request_all", "a cancel or modify was not sent"
    ),
    "sdk.requested": after(
        "strategy_sdk.gateway:Gateway.request_all", "it is queued; the caller does not know"
    ),
    "sdk.before_callback": before(
        "strategy_sdk.dispatch:Dispatcher._tell", "a result is read; the strategy was not told"
    ),
    "sdk.after_callback": after(
        "strategy_sdk.dispatch:Dispatcher._tell", "it was told; its place is not stored"
    ),
    "sdk.before_cursor": before(
        "strategy_sdk.reader:Reader._exchange", "places are about to be stored", _stores
    ),
    "sdk.cursor_stored": before(
        "strategy_sdk.reader:Reader._note_stored",
        "they are; what came with it is not told",
        _stored,
    ),
    "sdk.gap_told": after(
        "strategy_sdk.dispatch:Dispatcher.results_lost", "a gap was told; its marker stands"
    ),
}


def arm(text: str) -> list[str]:
    """Arm what ``text`` names of a strategy's process; return the names.

    Raises:
        ConfigError: If a name is no crash point, or a number is none.
    """
    return crash_points.arm("sdk", SDK, text)
