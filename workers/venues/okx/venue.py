"""OKX v5 as one ``Venue``: ties the codec's parts together, with no state of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venue import (
    Command,
    Credentials,
    Instruments,
    Pong,
    Queries,
    RestReply,
    RestRequest,
    SocketPlan,
    Unreadable,
    VenueEvent,
)
from workers.venues.commands import get
from workers.venues.fields import json_object
from workers.venues.okx import answers, orders, pushes, queries, session, signing
from workers.venues.okx.settings import LIMITS, Settings
from workers.venues.okx.words import MARGIN_MODES
from workers.venues.options import PUBLIC, the_one_public
from workers.venues.reading import no_next_page

#: "Get transaction details (last 3 days)"; an hour less, for clocks and for the query's own way.
_RECENT_FILLS_MS = (3 * 24 - 1) * 3600 * 1000


class Okx:
    """OKX v5 for one environment."""

    exchange = ExchangeType.OKX
    limits = LIMITS
    visibility_lag_ms = 0  # documented nowhere; the setting stands

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.account_type = "demo" if settings.demo else "live"
        # Public calls need it too: without it demo is told the live instruments ("Demo trading
        # services", read 2026-11; github.com/burakoner/OKX.Api issue 42).
        self._headers = {"x-simulated-trading": "1"} if settings.demo else {}

    def __repr__(self) -> str:
        return f"Okx({self.account_type}, {self._settings.endpoint})"

    # --- sockets --------------------------------------------------------------------------------

    book_socket = staticmethod(the_one_public)
    login = staticmethod(signing.login_frame)
    subscribe = staticmethod(session.subscribe)
    subscribe_books = staticmethod(partial(session.books, "subscribe"))
    unsubscribe_books = staticmethod(partial(session.books, "unsubscribe"))

    def trade_socket(self) -> SocketPlan:
        return self._settings.endpoint.socket("/ws/v5/private", "ping", login=True)

    def private_socket(self) -> SocketPlan:
        return replace(self.trade_socket(), channels=session.PRIVATE_CHANNELS)

    def public_sockets(self) -> Mapping[str, SocketPlan]:
        return {PUBLIC: self._settings.endpoint.socket("/ws/v5/public", "ping")}

    def encode(
        self, request_id: str, commands: Sequence[Command], credentials: Credentials, now_ms: int
    ) -> str:
        return orders.encode(request_id, commands, self._settings.td_mode)

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        """Return what one frame says; never raises, [] for a frame that changes nothing."""
        if text == "pong":
            return [Pong()]
        frame = json_object(text)
        if frame is None:
            return [Unreadable("not a JSON object", text)]
        if "event" in frame:
            return session.read_event(frame, text)
        if "op" in frame:
            return [*answers.read_operation(frame, text)]
        return pushes.read_push(frame, text, instruments)

    # --- REST -----------------------------------------------------------------------------------

    sign = staticmethod(signing.sign_rest)
    read_command = staticmethod(answers.read_command)
    read_order = staticmethod(queries.read_order)
    read_page = staticmethod(queries.read_page)
    read_balances = staticmethod(queries.read_balances)
    read_positions = staticmethod(queries.read_positions)
    read_instruments = staticmethod(queries.read_instruments)
    read_time = staticmethod(queries.read_time)
    next_page = staticmethod(no_next_page)

    def rest_url(self) -> str:
        return self._settings.endpoint.rest_url

    def rest_command(self, command: Command) -> RestRequest:
        request = orders.rest_command(command, self._settings.td_mode)
        return replace(request, headers={**request.headers, **self._headers})

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> Queries:
        by = {"ordId": venue_id} if venue_id else {"clOrdId": client_id}
        return [self._get("trade/order", instId=instrument.venue_symbol, **by)]

    def query_open_orders(self, instrument: Instrument | None = None) -> Queries:
        name = instrument and instrument.venue_symbol
        return [self._get("trade/orders-pending", limit=queries.PAGE, instId=name)]

    def query_history(self, instrument: Instrument, since_ms: int, until_ms: int = 0) -> Queries:
        """Return the queries of ended orders created in these times: 7 days, then 3 months.

        A canceled order without a fill stays 2 hours: "Get order history", read 2025-03.
        """
        query = _within(instrument, since_ms, until_ms)
        paths = ("trade/orders-history", "trade/orders-history-archive")
        types = self._types(instrument)
        return [self._get(path, instType=one, **query) for path in paths for one in types]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, until_ms: int = 0
    ) -> Queries:
        """Return the queries of trades since then: the last 3 days, and 3 months if need be."""
        query = _within(instrument, since_ms, until_ms, ordId=venue_id)
        recent = self._get("trade/fills", **query)  # "instType" is optional here alone
        types = self._types(instrument) if since_ms <= now_ms - _RECENT_FILLS_MS else ()
        return [recent, *(self._get("trade/fills-history", instType=one, **query) for one in types)]

    def _types(self, instrument: Instrument) -> tuple[str, ...]:
        """Return the types under which OKX files the instrument's orders."""
        own = instrument.venue_ids["instType"]
        on_margin = instrument.kind == "spot" and self._settings.td_mode in MARGIN_MODES
        return (own, "MARGIN") if on_margin else (own,)

    def query_balances(self) -> RestRequest:
        return self._get("account/balance")

    def query_positions(self) -> Queries:
        return [self._get("account/positions")]

    def query_instruments(self) -> Queries:
        return [self._get("public/instruments", instType=one) for one in self._settings.inst_types]

    def query_time(self) -> RestRequest:
        return self._get("public/time")

    def query_account_mode(self) -> RestRequest | None:
        return self._get("account/config")

    def check_account_mode(self, reply: RestReply) -> str | None:
        return queries.account_problem(reply, self._settings.required_types)

    def _get(self, path: str, **query: object) -> RestRequest:
        return get(f"/api/v5/{path}", self._headers, query)


def _within(of: Instrument, since_ms: int, until_ms: int, **more: object) -> dict[str, object]:
    times = {"begin": max(0, since_ms) or "", "end": until_ms or ""}
    return {"instId": of.venue_symbol, **more, **times, "limit": queries.PAGE}
