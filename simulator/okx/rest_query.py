"""What a REST query handler is given, and paging as OKX does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context
from simulator.okx.codes import Problem
from simulator.okx.venue import Venue

T = TypeVar("T")

_MOST = 100


@dataclass(slots=True)
class Query:
    """One query: its parameters, and whose it is (None for public ones)."""

    venue: Venue
    account: Account | None
    params: dict[str, str]
    now_ms: int

    @property
    def owner(self) -> Account:
        """Return the account; private queries always have one."""
        if self.account is None:
            raise Problem("50103")
        return self.account

    def get(self, name: str) -> str:
        """Return a parameter; "" if it is left out."""
        return self.params.get(name, "")

    def required(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.get(name)
        if not value:
            raise Problem("50014", name)
        return value

    def stale_ms(self, op: str) -> int | None:
        """Return the time as of which a fault has this query answered; None: as of now."""
        faults = self.venue.faults
        if not faults:
            return None
        context = Context(op=op, group="query", transport="rest", account=self.owner.name)
        now_ms = self.venue.exchange.clock.true_ms()
        stale = faults.take(("stale_snapshot",), context, now_ms)
        if stale is None:
            return None
        return int(stale.number("as_of_ms", self.now_ms - stale.number("delay_ms", 1000)))


def page(rows: Iterable[T], query: Query, row_id: Callable[[T], int]) -> Iterator[T]:
    """Yield the rows of one page; ``rows`` come newest first.

    ``after`` asks for older rows than that id, ``before`` for newer ones.
    """
    after, before = _number(query, "after"), _number(query, "before")
    limit = min(_number(query, "limit") or _MOST, _MOST)
    wanted = (
        row
        for row in rows
        if (after is None or row_id(row) < after) and (before is None or row_id(row) > before)
    )
    return islice(wanted, limit)


def within(ts_ms: int, query: Query) -> bool:
    """Return whether a time lies between the parameters ``begin`` and ``end``."""
    begin, end = _number(query, "begin"), _number(query, "end")
    return (begin is None or ts_ms >= begin) and (end is None or ts_ms <= end)


def _number(query: Query, name: str) -> int | None:
    value = query.get(name)
    if not value:
        return None
    if not value.isdigit():
        raise Problem("51000", name)
    return int(value)
