"""Read the replies to REST queries. Readers raise UnexpectedReply unless Bitget answered."""

from collections.abc import Callable
from typing import Any, TypeVar

from router.evidence import BalanceReport, OrderReport, PositionReport, Source
from router.instruments import Instrument
from workers.venue import Instruments, Page, Proof, RestReply, RestRequest, UnexpectedReply
from workers.venues.bitget import reports
from workers.venues.bitget.answers import OK, code_of, verdict
from workers.venues.bitget.listing import instrument
from workers.venues.codes import http_verdict, status_proof
from workers.venues.fields import Item, Malformed, json_object, moment, rows, said, text
from workers.venues.reading import every, no_answer, only, page_after, tradable

PAGE = 100  # the most items that a page holds: "Get Order History", read 2026-11

T = TypeVar("T")


def _body(reply: RestReply) -> dict[str, Any]:
    """Return a clean answer's envelope."""
    body = json_object(reply.text)
    if body is None or reply.status >= 500 or not code_of(body):
        raise UnexpectedReply(http_verdict(reply, "code", "msg", None))
    if code_of(body) != OK or reply.status != 200:
        raise UnexpectedReply(verdict(body, None, status_proof(reply.status, None)))
    return body


def _data(reply: RestReply, read: Callable[[Item], T]) -> T:
    """Return what ``read`` finds in the one object of a clean answer."""
    return only([_body(reply).get("data")], read, "data")


def _list(data: Item) -> list[Any]:
    """Return a page's items; null is how some lists say that they are empty."""
    return [] if "list" in data and data["list"] is None else rows(data, "list")


def read_order(reply: RestReply, instruments: Instruments) -> OrderReport | None:
    """Return the order; None if the venue answers cleanly that it has none (25204)."""
    try:
        return _data(reply, lambda item: reports.order(item, instruments, Source.QUERY))
    except UnexpectedReply as problem:
        # A server's failure proves nothing, whatever code it quotes.
        if problem.verdict.proof is Proof.ABSENT:
            return None
        raise


def read_page(request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
    """Return one page, and the request for what is older; a full page may not be the last."""
    items = _data(reply, _list)
    path, following = request.path.partition("?")[0], None
    if len(items) >= PAGE:
        following = page_after(request, "cursor", _data(reply, lambda item: text(item, "cursor")))
    if path.endswith("/fills"):
        fills = every(items, lambda item: reports.queried_trade(item, instruments))
        return Page(fills=tuple(fills), next=following)
    source = Source.OPEN_ORDERS if path.endswith("/unfilled-orders") else Source.HISTORY
    orders = every(items, lambda item: reports.order(item, instruments, source))
    return Page(orders=tuple(orders), next=following)


def read_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every coin of the account that is not zero."""
    when = only([_body(reply)], lambda body: moment(body, "requestTime"), "reply")
    assets = _data(reply, lambda data: rows(data, "assets"))
    found = every(assets, lambda item: reports.balance(item, when))
    return tuple(one for one in found if one.free or one.locked)


def read_positions(reply: RestReply, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Return every position of a loaded contract."""
    return tuple(every(_data(reply, _list), lambda item: reports.position(item, instruments)))


def read_instruments(reply: RestReply) -> list[Instrument]:
    """Return the instruments that can be traded here."""
    return tradable(only([_body(reply)], lambda body: rows(body, "data"), "reply"), instrument)


def read_time(reply: RestReply) -> int:
    """Return the venue's clock in ms."""
    return _data(reply, lambda data: moment(data, "serverTime")) or no_answer("no time")


def account_problem(reply: RestReply) -> str | None:
    """Return what stands in the way of trading; None if nothing does."""

    def mode(data: Item) -> str:
        if found := said(data, "holdMode"):
            return found
        raise Malformed("no holdMode")

    if _data(reply, mode) != "hedge_mode":
        return None
    return (
        "holdMode is hedge_mode; one-way mode is required: change the position mode at Bitget "
        "while no position or order is open"
    )
