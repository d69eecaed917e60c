"""Logging a connection in, trade and private alike."""

from __future__ import annotations

from simulator.bybit.calls import problem_of
from simulator.bybit.signing import check_login
from simulator.bybit.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context
from simulator.sockets import Socket


def log_in(venue: Venue, socket: Socket, args: object) -> Account:
    """Return the account that ``args`` open, and note it as the connection's.

    Raises:
        Problem: Why the venue refuses, or the fault ``refuse_login`` has it refuse.
    """
    floor = venue.floor
    account = check_login(args, floor.by_key, venue.now_ms())
    at = Context(
        op="login",
        group="login",
        transport="ws",
        socket=socket.role,
        account=account.name,
        path=socket.path,
    )
    fault = floor.faults.take(("refuse_login",), at, floor.clock.true_ms())
    if fault is not None:
        raise problem_of(fault, 10003)
    socket.account = socket.row.account = account.name
    return account
