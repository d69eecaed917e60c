"""Read the replies to REST queries. Readers raise UnexpectedReply unless Binance answered."""

import re
from dataclasses import replace
from typing import Any, NoReturn

import orjson

from router.evidence import BalanceReport, OrderReport, PositionReport, Source
from router.instruments import Instrument
from workers.venue import Instruments, Page, Proof, RestReply, RestRequest, UnexpectedReply
from workers.venues.binance import reports
from workers.venues.binance.answers import error_verdict
from workers.venues.binance.listing import instrument
from workers.venues.binance.settings import Product
from workers.venues.fields import Item, json_object, moment, number, rows, said, text
from workers.venues.reading import every, listed, no_answer, only, page_after, tradable

PAGE = 1000  # the most that a page of orders or trades holds
_TIMES = re.compile(r"&(startTime|endTime)=\d+")


def _unexpected(reply: RestReply) -> NoReturn:
    raise UnexpectedReply(error_verdict(reply.status, json_object(reply.text), None))


def _object(reply: RestReply) -> dict[str, Any]:
    body = json_object(reply.text)
    return body if body is not None and reply.status == 200 else _unexpected(reply)


def _list(reply: RestReply) -> list[Any]:
    try:
        items = orjson.loads(reply.text)
    except orjson.JSONDecodeError:
        items = None
    return items if type(items) is list and reply.status == 200 else _unexpected(reply)


def _updated(item: Item) -> int:
    return moment(item, "updateTime")


def _order(item: Item, instruments: Instruments, source: Source) -> OrderReport:
    return reports.order(item, listed(instruments, text(item, "symbol")), source)


def read_order(reply: RestReply, instruments: Instruments) -> OrderReport | None:
    """Return the order; None if the venue answers cleanly that it has none (-2013)."""
    try:
        item = _object(reply)
    except UnexpectedReply as problem:
        if problem.verdict.proof is Proof.ABSENT:
            return None
        raise
    return only([item], lambda one: _order(one, instruments, Source.QUERY), "order")


def read_page(request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
    """Return one page of open orders, of all orders or of trades, oldest first."""
    items, path = _list(reply), request.path.partition("?")[0]
    if path.endswith("/openOrders"):
        found = every(items, lambda one: _order(one, instruments, Source.OPEN_ORDERS))
        return Page(orders=tuple(found))
    if path.endswith("/allOrders"):
        found = every(items, lambda one: _order(one, instruments, Source.HISTORY))
        return Page(orders=tuple(found), next=_next(request, items, "orderId", "orderId"))
    trades = every(items, lambda one: reports.trade(one, instruments))
    return Page(fills=tuple(trades), next=_next(request, items, "id", "fromId"))


def _next(request: RestRequest, items: list[Any], key: str, start: str) -> RestRequest | None:
    """Return the request for what is newer than a full page; ids and times exclude each other."""
    if len(items) < PAGE:
        return None
    last = only(items[-1:], lambda one: number(one, key), "last item")
    if not last:
        no_answer(f"a page that ends without {key}")
    bare = replace(request, path=_TIMES.sub("", request.path))
    return page_after(bare, start, str(int(last) + 1))


def read_futures_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every asset that is not zero."""
    keys = reports.FUTURES_ROW
    found = every(_list(reply), lambda one: reports.futures_balance(one, keys, _updated(one)))
    return tuple(one for one in found if one.free or one.locked)


def read_spot_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every asset that is not zero."""
    account, keys = [_object(reply)], reports.SPOT_ROW
    when = only(account, _updated, "account")
    items = only(account, lambda one: rows(one, "balances"), "account")
    found = every(items, lambda one: reports.spot_balance(one, keys, when))
    return tuple(one for one in found if one.free or one.locked)


def read_positions(reply: RestReply, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Return every position of a loaded contract."""
    keys = reports.POSITION_ROW
    found = every(_list(reply), lambda one: reports.position(one, keys, instruments, _updated(one)))
    return tuple(one for one in found if one is not None)


def read_instruments(reply: RestReply, product: Product) -> list[Instrument]:
    """Return the instruments that can be traded here."""
    symbols = only([_object(reply)], lambda one: rows(one, "symbols"), "exchangeInfo")
    return tradable(symbols, lambda one: instrument(one, product))


def read_time(reply: RestReply) -> int:
    """Return the venue's clock in ms."""
    found = only([_object(reply)], lambda one: moment(one, "serverTime"), "time")
    return found or no_answer("no time")


def read_listen_key(reply: RestReply) -> str:
    """Return the account's listenKey."""
    key = said(_object(reply), "listenKey")
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else no_answer("no listenKey")


def hedge_problem(reply: RestReply) -> str | None:
    """Return what stands in the way if the account is in hedge mode; None if it is not."""
    dual = _object(reply).get("dualSidePosition")
    if type(dual) is not bool:
        no_answer("no dualSidePosition")
    if not dual:
        return None
    return (
        "the account is in hedge mode; one-way mode is required: change the position mode at "
        "Binance while no position or order is open (USDⓈ-M and COIN-M share it)"
    )


def spot_problem(reply: RestReply) -> str | None:
    """Return what stands in the way of trading; None if nothing does."""
    if _object(reply).get("canTrade") is False:
        return "Binance lets this account not trade (canTrade is false): see its account page"
    return None
