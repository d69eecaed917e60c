"""What callbacks got against the results in Redis: all of it, in order, repeats after a start only.

A strategy that is killed between a callback and the storing of its cursor is told again: that is
"at least once". Nothing may be left out, and nothing may come twice within one run. Pure.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from demo.told import OrderTold, RequestTold, Submitted, Told, order_told, request_told
from router.contracts import ResultType
from storm.record import Books

T = TypeVar("T")


def told_once(heard: Told, books: Sequence[Books]) -> Told:
    """Return what the results say was told, each once, with every order that was admitted.

    ``at_ms`` counts the results of an account: workers' clocks differ.
    """
    orders: list[OrderTold] = []
    requests: list[RequestTold] = []
    for book in books:
        for at, fields in enumerate(book.results):
            if fields["type"] == ResultType.ORDER:
                orders.append(order_told(fields, at))
            elif fields["type"] == ResultType.REQUEST:
                requests.append(request_told(fields, at))
    known = {call.oid for call in heard.submitted}
    unsaid = [
        # A strategy killed within the call, or left without the answer, could not write it down.
        Submitted(float(order["created_ms"]), oid, order.get("idem") or oid, "strategy")
        for book in books
        for oid, order in book.orders.items()
        if oid not in known
    ]
    return replace(
        heard,
        planned=0,  # who is killed and paused places fewer
        orders=orders,
        requests=requests,
        submitted=[*heard.submitted, *unsaid],
        seqs={book.account: [int(one["seq"]) for one in book.results] for book in books},
    )


def undelivered(heard: Told, books: Sequence[Books]) -> Iterator[str]:
    """Yield what is wrong with the way from the results to the callbacks."""
    order_starts = [orders for orders, _ in heard.starts]
    request_starts = [requests for _, requests in heard.starts]
    for book in books:
        mine = book.orders
        wanted = [order_told(one, 0) for one in book.results if one["type"] == ResultType.ORDER]
        got = _runs(heard.orders, order_starts)
        yield from _compare(
            f"{book.account}: order event",
            [_order_key(one) for one in wanted],
            [[_order_key(one) for one in run if one.oid in mine] for run in got],
        )
        asked = [request_told(one, 0) for one in book.results if one["type"] == ResultType.REQUEST]
        answered = _runs(heard.requests, request_starts)
        yield from _compare(
            f"{book.account}: outcome",
            [_request_key(one) for one in asked if one.oid in mine],
            [[_request_key(one) for one in run if one.oid in mine] for run in answered],
        )


def _order_key(one: OrderTold) -> Hashable:
    return one.oid, one.status, one.trade_id, one.filled


def _request_key(one: RequestTold) -> Hashable:
    return one.oid, one.request, one.result_type, one.exists


def _runs(events: Sequence[T], starts: Sequence[int]) -> list[Sequence[T]]:
    """Return the events of each run of the strategy."""
    return [events[begin:end] for begin, end in pairwise([*starts, len(events)])]


def _compare(
    what: str, wanted: Sequence[Hashable], runs: Sequence[Sequence[Hashable]]
) -> Iterator[str]:
    at = 0
    for number, run in enumerate(runs):
        # The latest place that fits: as little as can be was told again.
        begin = next(
            (one for one in range(at, -1, -1) if wanted[one : one + len(run)] == run), None
        )
        if begin is None:
            place = next(
                (n for n, one in enumerate(run) if wanted[at + n : at + n + 1] != [one]), 0
            )
            yield f"{what} {at + place} of run {number} is not what the results say: {run[place]}"
            return
        at = begin + len(run)
    if at != len(wanted):
        yield f"{what}s {at} to {len(wanted)} of the results never reached a callback"
