"""Describe OKX's REST queries and read their replies. Readers raise unless the venue answered."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from router.evidence import BalanceReport, OrderReport, PositionReport, Source
from router.instruments import Instrument
from workers.venue import (
    Instruments,
    Page,
    Proof,
    RestReply,
    RestRequest,
    UnexpectedReply,
    Verdict,
)
from workers.venues.okx.answers import http_verdict, read_json, status_proof, top_verdict
from workers.venues.okx.fields import Item, Malformed, UnknownInstrument, mapping, moment, text
from workers.venues.okx.listing import instrument as listed
from workers.venues.okx.reports import balances, position, queried_fill, queried_order

T = TypeVar("T")

_TRADE = "/api/v5/trade"
_LIMIT = 100  # the most items that a page holds: "Get order list", read 2026-11
#: "Get transaction details (last 3 days)"; an hour less, for clocks and for the query's own way.
_RECENT_FILLS_MS = (3 * 24 - 1) * 3600 * 1000


def get(path: str, **query: object) -> RestRequest:
    """Return a GET whose query holds what is not empty, in the order given."""
    pairs = [f"{name}={value}" for name, value in query.items() if value not in ("", None)]
    return RestRequest("GET", f"{path}?{'&'.join(pairs)}" if pairs else path)


def order(instrument: Instrument, client_id: str, venue_id: str) -> RestRequest:
    """Return the query of one order, by the venue's id where it is known."""
    by = {"ordId": venue_id} if venue_id else {"clOrdId": client_id}
    return get(f"{_TRADE}/order", instId=instrument.venue_symbol, **by)


def open_orders() -> RestRequest:
    return get(f"{_TRADE}/orders-pending", limit=_LIMIT)


def history(instrument: Instrument, begin_ms: int) -> list[RestRequest]:
    """Return the queries of ended orders created since ``begin_ms``: 7 days, then 3 months.

    A canceled order without a fill stays 2 hours: "Get order history", read 2025-03.
    """
    query = _scope(instrument) | {"begin": begin_ms or "", "limit": _LIMIT}
    return [
        get(f"{_TRADE}/orders-history", **query),
        get(f"{_TRADE}/orders-history-archive", **query),
    ]


def fills(
    instrument: Instrument, venue_id: str, begin_ms: int, now_ms: int | None
) -> list[RestRequest]:
    """Return the queries of trades since ``begin_ms``: the last 3 days, then 3 months.

    The second is left out only when ``now_ms`` is given and the first covers all.
    """
    query = _scope(instrument) | {"ordId": venue_id, "begin": begin_ms or "", "limit": _LIMIT}
    recent = get(f"{_TRADE}/fills", **query)
    if now_ms is not None and begin_ms > now_ms - _RECENT_FILLS_MS:
        return [recent]
    return [recent, get(f"{_TRADE}/fills-history", **query)]


def _scope(instrument: Instrument) -> dict[str, object]:
    inst_type = instrument.venue_ids.get("instType") or _INST_TYPES[instrument.kind]
    return {"instType": inst_type, "instId": instrument.venue_symbol}


_INST_TYPES = {"spot": "SPOT", "linear": "SWAP", "inverse": "SWAP"}


def listings(inst_types: Sequence[str]) -> list[RestRequest]:
    return [get("/api/v5/public/instruments", instType=one) for one in inst_types]


def read_data(reply: RestReply) -> list[Any]:
    """Return the ``data`` of a clean answer.

    Raises:
        UnexpectedReply: If the reply is anything else; it then proves nothing.
    """
    envelope = read_json(reply)
    if envelope is None or reply.status >= 500:
        raise UnexpectedReply(http_verdict(reply))
    data = envelope.get("data")
    if envelope.get("code") != "0" or type(data) is not list:
        raise UnexpectedReply(top_verdict(envelope, None, status_proof(reply.status)))
    return data


def read_order(reply: RestReply, instruments: Instruments) -> OrderReport | None:
    """Return the order; None if the venue answers cleanly that it has none (51603).

    Raises:
        UnexpectedReply: If it answers anything else.
    """
    try:
        data = read_data(reply)
    except UnexpectedReply as problem:
        if problem.verdict.proof is Proof.ABSENT:
            return None
        raise
    if len(data) != 1:
        raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", f"{len(data)} orders for one query"))
    return _must(lambda: queried_order(mapping(data[0], "an order"), instruments, Source.QUERY))


def read_page(request: RestRequest, reply: RestReply, instruments: Instruments) -> Page:
    """Return one page; items of instruments that were not loaded are left out.

    Raises:
        UnexpectedReply: If the reply, or an item of a known instrument, cannot be read: leaving
            it out would make an order look absent.
    """
    data = read_data(reply)
    path = request.path.partition("?")[0]
    following = _next(request, data)
    if "/fills" in path:
        return Page(
            fills=tuple(_items(data, lambda one: queried_fill(one, instruments))), next=following
        )
    source = Source.OPEN_ORDERS if path.endswith("-pending") else Source.HISTORY
    found = _items(data, lambda one: queried_order(one, instruments, source))
    return Page(orders=tuple(found), next=following)


def _next(request: RestRequest, data: list[Any]) -> RestRequest | None:
    """Return the request for what is older than this page; None if it was the last."""
    if len(data) < _LIMIT:
        return None
    key = "billId" if "/fills" in request.path else "ordId"
    last = _must(lambda: text(mapping(data[-1], "an item"), key))
    start, _, after = request.path.partition("&after=")
    if not last or last == after:
        raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", f"a page that ends with {key} {last!r}"))
    return RestRequest(request.method, f"{start}&after={last}", request.body, request.headers)


def _items(data: list[Any], read: Callable[[Item], T]) -> list[T]:
    found = []
    for item in data:
        try:
            found.append(read(mapping(item, "an item")))
        except UnknownInstrument:
            continue  # an option or a spread: not ours
        except (Malformed, ArithmeticError) as problem:
            raise _unreadable(problem) from problem
    return found


def _must(read: Callable[[], T]) -> T:
    try:
        return read()
    except (Malformed, ArithmeticError) as problem:
        raise _unreadable(problem) from problem


def _unreadable(problem: Exception) -> UnexpectedReply:
    return UnexpectedReply(Verdict(Proof.UNKNOWN, "", f"unreadable reply: {problem}"))


def read_balances(reply: RestReply) -> tuple[BalanceReport, ...]:
    """Return every asset that is not zero."""
    return tuple(one for account in _items(read_data(reply), balances) for one in account)


def read_positions(reply: RestReply, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Return every position of a loaded contract."""
    found = _items(read_data(reply), lambda item: position(item, instruments))
    return tuple(one for one in found if one is not None)


def read_instruments(reply: RestReply) -> list[Instrument]:
    """Return the instruments that can be traded here; others (options, odd names) are left out."""
    found = []
    for item in read_data(reply):
        try:
            found.append(listed(mapping(item, "an instrument")))
        except (Malformed, ArithmeticError):
            continue
    return found


def read_time(reply: RestReply) -> int:
    """Return the venue's clock in ms."""
    data = read_data(reply)
    now = _must(lambda: moment(mapping(data[0] if data else None, "a time"), "ts"))
    if not now:
        raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", "no time in the reply"))
    return now


def account_problem(reply: RestReply, required_types: Sequence[str]) -> str | None:
    """Return what stands in the way of trading; None if nothing does.

    ``required_types`` are those that the account's options name.
    """
    data = read_data(reply)
    config = _must(lambda: mapping(data[0] if data else None, "an account configuration"))
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
