"""Read what OKX answers to REST queries. Readers raise UnexpectedReply unless it answered."""

from collections.abc import Sequence
from typing import Any

from router.evidence import BalanceReport, OrderReport, PositionReport, Source
from router.instruments import Instrument
from workers.venue import Instruments, Page, Proof, RestReply, RestRequest, UnexpectedReply
from workers.venues.codes import http_verdict, status_proof
from workers.venues.fields import json_object, moment, said
from workers.venues.okx.answers import top_verdict
from workers.venues.okx.listing import instrument
from workers.venues.okx.reports import balances, position, queried_fill, queried_order
from workers.venues.reading import every, netted, no_answer, only, page_after, tradable

PAGE = 100  # the most items that a page holds: "Get order list", read 2026-11


def _data(reply: RestReply) -> list[Any]:
    """Return the ``data`` of a clean answer."""
    envelope = json_object(reply.text)
    if envelope is None or reply.status >= 500:
        raise UnexpectedReply(http_verdict(reply, "code", "msg", None))
    data = envelope.get("data")
    if envelope.get("code") != "0" or type(data) is not list:
        raise UnexpectedReply(top_verdict(envelope, None, status_proof(reply.status, None)))
    return data


def read_order(reply: RestReply, instruments: Instruments) -> OrderReport | None:
    """Return the order; None if the venue answers cleanly that it has none (51603)."""
    try:
        data = _data(reply)
    except UnexpectedReply as problem:
        if problem.verdict.proof is Proof.ABSENT:
            return None
        raise
    return only(data, lambda item: queried_order(item, instruments, Source.QUERY), "order")


def read_page(request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
    """Return one page, and the request for what is older; a full page may not be the last."""
    data = _data(reply)
    path = request.path.partition("?")[0]
    of_fills = "/fills" in path
    following = None
    if len(data) >= PAGE:
        key = "billId" if of_fills else "ordId"
        last = only(data[-1:], lambda item: said(item, key), "last item")
        following = page_after(request, "after", last)
    if of_fills:
        fills = every(data, lambda item: queried_fill(item, instruments))
        return Page(fills=tuple(fills), next=following)
    source = Source.OPEN_ORDERS if path.endswith("-pending") else Source.HISTORY
    orders = every(data, lambda item: queried_order(item, instruments, source))
    return Page(orders=tuple(orders), next=following)


def read_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every asset that is not zero."""
    return tuple(one for account in every(_data(reply), balances) for one in account)


def read_positions(reply: RestReply, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Return every position of a loaded contract, its cross and isolated legs as one."""
    return netted(every(_data(reply), lambda item: position(item, instruments)))


def read_instruments(reply: RestReply) -> list[Instrument]:
    """Return the instruments that can be traded here."""
    return tradable(_data(reply), instrument)


def read_time(reply: RestReply) -> int:
    """Return the venue's clock in ms."""
    return only(_data(reply), lambda item: moment(item, "ts"), "time") or no_answer("no time")


def account_problem(reply: RestReply, required_types: Sequence[str]) -> str | None:
    """Return what stands in the way of trading; None if nothing does.

    ``required_types`` are those that the account's options name.
    """
    config = only(_data(reply), dict, "account configuration")
    if config.get("posMode") == "long_short_mode":
        return (
            "posMode is long_short_mode; net mode is required: set it to net_mode at OKX "
            "(Settings, Position mode) while no position or order is open"
        )
    contracts = [one for one in required_types if one != "SPOT"]
    if config.get("acctLv") == "1" and contracts:
        return (
            f"acctLv is 1 (spot mode), which cannot trade {' or '.join(contracts)}; choose "
            "futures mode at OKX, or leave them out of the option inst_types"
        )
    return None
