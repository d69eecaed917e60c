"""Bitget v3 as one ``Venue``: ties the codec's parts together, with no state of its own."""

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
    RestRequest,
    SocketPlan,
    Unreadable,
    VenueEvent,
)
from workers.venues.bitget import answers, orders, pushes, queries, session, signing
from workers.venues.bitget.settings import LIMITS, ROTATE_AFTER_S, Settings
from workers.venues.commands import get, spans
from workers.venues.fields import json_object
from workers.venues.options import PUBLIC, the_one_public
from workers.venues.reading import no_next_page

#: Orders and trades are asked for by time 30 days at once, and kept for 90: "Get Order History".
_SPAN_MS = 30 * 24 * 3600 * 1000 - 1
_MOST_SPANS = 3


class Bitget:
    """Bitget's unified trading account for one environment."""

    exchange = ExchangeType.BITGET
    limits = LIMITS
    visibility_lag_ms = 0  # documented nowhere; the setting stands

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.account_type = "demo" if settings.demo else "live"
        self._headers = {"paptrading": "1"} if settings.demo else {}

    def __repr__(self) -> str:
        return f"Bitget({self.account_type}, {self._settings.endpoint})"

    # --- sockets --------------------------------------------------------------------------------

    book_socket = staticmethod(the_one_public)
    login = staticmethod(signing.login_frame)
    subscribe_books = staticmethod(partial(session.books, "subscribe"))
    unsubscribe_books = staticmethod(partial(session.books, "unsubscribe"))

    def subscribe(
        self, channels: Sequence[str], credentials: Credentials, now_ms: int
    ) -> list[str]:
        return session.subscribe(channels)

    def trade_socket(self) -> SocketPlan:
        """Return a connection of the private kind that orders have for themselves."""
        return self._socket("/v3/ws/private", login=True)

    def private_socket(self) -> SocketPlan:
        return replace(self.trade_socket(), channels=session.CHANNELS)

    def public_sockets(self) -> Mapping[str, SocketPlan]:
        return {PUBLIC: self._socket("/v3/ws/public", login=False)}

    def _socket(self, path: str, *, login: bool) -> SocketPlan:
        plan = self._settings.endpoint.socket(path, "ping", login=login)
        return replace(plan, rotate_after_s=ROTATE_AFTER_S)

    def encode(
        self, request_id: str, commands: Sequence[Command], credentials: Credentials, now_ms: int
    ) -> str:
        return orders.encode(request_id, commands, now_ms)

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        """Return what one frame says; never raises, [] for a frame that changes nothing."""
        if text == "pong":
            return [Pong()]
        frame = json_object(text)
        if frame is None:
            return [Unreadable("not a JSON object", text)]
        if "event" in frame:
            return session.read_event(frame, text)
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
    check_account_mode = staticmethod(queries.account_problem)
    next_page = staticmethod(no_next_page)

    def rest_url(self) -> str:
        return self._settings.endpoint.rest_url

    def rest_command(self, command: Command) -> RestRequest:
        request = orders.rest_command(command)
        return replace(request, headers={**request.headers, **self._headers})

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> Queries:
        """Return the query of one order; by our own id it finds none that ended long ago."""
        by = {"orderId": venue_id} if venue_id else {"clientOid": client_id}
        return [self._get("v3/trade/order-info", **by)]

    def query_open_orders(self, instrument: Instrument | None = None) -> Queries:
        if instrument is not None:
            return [self._get("v3/trade/unfilled-orders", **_of(instrument), limit=queries.PAGE)]
        return [
            self._get("v3/trade/unfilled-orders", category=one, limit=queries.PAGE)
            for one in self._settings.categories
        ]

    def query_history(self, instrument: Instrument, since_ms: int, until_ms: int = 0) -> Queries:
        """Return the query of the orders of the 30 days after ``since_ms``, or until then."""
        end_ms = min(since_ms + _SPAN_MS, until_ms or since_ms + _SPAN_MS)
        times = {"startTime": since_ms, "endTime": end_ms} if since_ms > 0 else {}
        query = {**_of(instrument), **times, "limit": queries.PAGE}
        return [self._get("v3/trade/history-orders", **query)]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, until_ms: int = 0
    ) -> Queries:
        """Return the queries of trades since then, of one order if it is known.

        By symbol they cannot be asked for, so what comes may be others', too.
        """
        category = instrument.venue_ids["category"]
        terms = {"category": category, "orderId": venue_id, "limit": queries.PAGE}
        return [
            self._get("v3/trade/fills", **terms, startTime=first, endTime=last)
            for first, last in spans(since_ms, until_ms or now_ms, _SPAN_MS, _MOST_SPANS)
        ]

    def query_balances(self) -> RestRequest:
        return self._get("v3/account/assets")

    def query_positions(self) -> Queries:
        contracts = [one for one in self._settings.categories if one != "SPOT"]
        return [self._get("v3/position/current-position", category=one) for one in contracts]

    def query_instruments(self) -> Queries:
        return [
            self._get("v3/market/instruments", category=one) for one in self._settings.categories
        ]

    def query_time(self) -> RestRequest:
        return self._get("v2/public/time")  # v3 has none of its own

    def query_account_mode(self) -> RestRequest | None:
        return self._get("v3/account/settings")

    def _get(self, path: str, **query: object) -> RestRequest:
        return get(f"/api/{path}", self._headers, query)


def _of(instrument: Instrument) -> dict[str, object]:
    return {"category": instrument.venue_ids["category"], "symbol": instrument.venue_symbol}
