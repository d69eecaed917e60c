"""Read the replies to REST queries. Readers raise UnexpectedReply unless Bybit answered."""

from typing import Any
from urllib.parse import quote

from router.evidence import BalanceReport, OrderReport, PositionReport, Source
from router.instruments import Instrument
from workers.venue import Instruments, Page, RestReply, RestRequest, UnexpectedReply
from workers.venues.bybit import reports
from workers.venues.bybit.answers import code_of, verdict
from workers.venues.bybit.listing import instrument
from workers.venues.bybit.settings import CATEGORIES
from workers.venues.codes import http_verdict, status_proof
from workers.venues.fields import Item, amount, json_object, moment, rows, said
from workers.venues.reading import every, no_answer, only, page_after, tradable

# The most items that a page of each list holds: v5 documents, read 2026-07.
ORDERS_PAGE = 50
TRADES_PAGE = 100
POSITIONS_PAGE = 200
INSTRUMENTS_PAGE = 1000


def _body(reply: RestReply) -> dict[str, Any]:
    """Return a clean answer's envelope."""
    body = json_object(reply.text)
    if body is None or reply.status >= 500 or not code_of(body):
        raise UnexpectedReply(http_verdict(reply, "retCode", "retMsg", None))
    if code_of(body) != "0" or reply.status != 200:
        raise UnexpectedReply(verdict(body, None, status_proof(reply.status, None)))
    return body


def _result(reply: RestReply) -> Item:
    return only([_body(reply).get("result")], lambda item: item, "result")


def _listed(reply: RestReply) -> tuple[list[Any], str]:
    """Return a clean answer's list and the category that all of its items are of."""
    result = _result(reply)
    return only([result], lambda item: rows(item, "list"), "result"), said(result, "category")


def read_order(reply: RestReply, instruments: Instruments) -> OrderReport | None:
    """Return the order; None for an empty list, which is how Bybit says that it has none."""
    items, category = _listed(reply)
    if not items:
        return None
    return only(items, lambda one: reports.order(one, category, instruments, Source.QUERY), "order")


def read_page(request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
    """Return one page of open orders, of ended ones or of trades, newest first."""
    items, category = _listed(reply)
    path, following = request.path.partition("?")[0], next_page(request, reply)
    if path.endswith("/execution/list"):
        found = every(items, lambda one: reports.trade(one, category, instruments))
        return Page(fills=tuple(one for one in found if one is not None), next=following)
    source = Source.OPEN_ORDERS if path.endswith("/realtime") else Source.HISTORY
    orders = every(items, lambda one: reports.order(one, category, instruments, source))
    return Page(orders=tuple(orders), next=following)


def next_page(request: RestRequest, reply: RestReply) -> RestRequest | None:
    """Return the request for what follows: a cursor leads on until it or the page is empty."""
    items, _ = _listed(reply)
    cursor = said(_result(reply), "nextPageCursor")
    # It comes percent-encoded, and is to be sent as it came.
    return page_after(request, "cursor", quote(cursor, safe="%")) if cursor and items else None


def read_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every coin of the unified wallet that is not zero."""
    when = _time(_body(reply))
    coins = [coin for account in _listed(reply)[0] for coin in _coins(account)]
    found = every(coins, lambda one: reports.balance(one, when))
    return tuple(one for one in found if one.free or one.locked)


def _coins(account: object) -> list[Any]:
    return only([account], lambda item: rows(item, "coin"), "account")


def read_positions(reply: RestReply, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Return every position of a loaded contract."""
    items, category = _listed(reply)
    return tuple(every(items, lambda one: reports.position(one, category, instruments)))


def read_instruments(reply: RestReply) -> list[Instrument]:
    """Return the instruments that can be traded here."""
    items, category = _listed(reply)
    if category not in CATEGORIES:
        no_answer(f"instruments of the category {category!r:.60}")
    return tradable(items, lambda one: instrument(one, category))


def read_time(reply: RestReply) -> int:
    """Return the venue's clock in ms."""
    return _time(_body(reply))


def _time(body: Item) -> int:
    return only([body], lambda item: moment(item, "time"), "time") or no_answer("no time")


def hedge_problem(reply: RestReply) -> str | None:
    """Return what stands in the way if a symbol is in hedge mode; None if it is not."""
    items, _ = _listed(reply)
    if not any(every(items, lambda one: amount(one, "positionIdx"))):
        return None
    return (
        "positions are in hedge mode; one-way mode is required: change the position mode at "
        "Bybit while no position or order is open"
    )
