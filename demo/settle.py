"""Waits until nothing is under way any more, so that ledger and callbacks can be compared."""

import time
from collections.abc import Sequence
from typing import Any

from commands.survey import account_view, fields_of
from router.keyspace import AccountKeys
from router.state import State
from simulator.client import ControlClient

_PAUSE_S = 0.25
_QUIET_ROUNDS = 3
#: States in which a request awaits the venue.
UNDER_WAY = frozenset({State.INITIALIZED, State.PENDING, State.CANCELING, State.UNKNOWN})


def settle(
    client: Any, accounts: Sequence[AccountKeys], control: ControlClient, timeout_s: float
) -> list[str]:
    """Return [] once all is quiet; after ``timeout_s`` what is still under way."""
    deadline = time.monotonic() + timeout_s
    quiet, before, busy = 0, (0, 0), ["not looked yet"]
    while time.monotonic() < deadline:
        busy = [one for keys in accounts for one in _busy(client, keys)]
        health = control.health()
        written = sum(int(one) for keys in accounts for one in client.hvals(keys.seq))
        now = int(health["orders"]), written
        if now != before:
            busy = [*busy, "results are still being written"]
        before = now
        quiet = 0 if busy else quiet + 1
        if quiet >= _QUIET_ROUNDS:
            return []
        time.sleep(_PAUSE_S)
    return busy


def _busy(client: Any, keys: AccountKeys) -> list[str]:
    view = account_view(client, keys)
    found = [
        f"{keys.account}: {name} socket {socket.state}"
        for name, socket in view.sockets.items()
        if socket.state != "connected"
    ]
    if view.worker != "serving":
        found.append(f"{keys.account}: the worker is {view.worker or 'gone'}")
    for one in view.strategies:
        counts = {"waiting": one.waiting, "pending": one.pending, "untold": one.backlog}
        found += [f"{one.strategy}: {count} {what}" for what, count in counts.items() if count]
        oids = sorted(client.smembers(keys.open(one.strategy)))
        states = fields_of(client, keys, one.strategy, oids, "state")
        found += [
            f"{one.strategy}: {oid} is {state}"
            for oid, state in zip(oids, states, strict=True)
            if state in UNDER_WAY
        ]
    return found
