"""Binance's two products as ``Venue``: each ties the codec's parts together, with no state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venue import (
    Cancel,
    Command,
    Credentials,
    Instruments,
    Queries,
    RestReply,
    RestRequest,
    SocketPlan,
    Ticket,
    Unreadable,
    VenueEvent,
)
from workers.venues.binance import answers, orders, pushes, queries, session, signing
from workers.venues.binance.settings import LIMITS, ROTATE_AFTER_S, Settings
from workers.venues.commands import get, one_kind, spans
from workers.venues.fields import json_object
from workers.venues.keys import is_pem
from workers.venues.options import PUBLIC, Endpoint, the_one_public
from workers.venues.reading import no_next_page

#: Trades are asked for by time less than 7 days at once, and kept 3 months: change log 2026-08.
_WEEK_MS = 7 * 24 * 3600 * 1000 - 1
_MOST_WEEKS = 13


class Binance:
    """What both products do alike."""

    exchange = ExchangeType.BINANCE
    rest_root: str
    api_path: str
    books_path: str
    fills_path: str
    trade_channels: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.account_type = settings.account_type
        self.limits = LIMITS[settings.product]
        self.visibility_lag_ms = settings.visibility_lag_ms

    def __repr__(self) -> str:
        return f"Binance({self.account_type}, {self._settings.api})"

    # --- sockets --------------------------------------------------------------------------------

    book_socket = staticmethod(the_one_public)
    login = staticmethod(signing.logon_frame)
    subscribe = staticmethod(session.subscribe)
    subscribe_books = staticmethod(partial(session.books, "SUBSCRIBE"))
    unsubscribe_books = staticmethod(partial(session.books, "UNSUBSCRIBE"))

    def trade_socket(self) -> SocketPlan:
        # Our pacing keeps the limits; without their state each reply is 300 bytes shorter.
        path = f"{self.api_path}?returnRateLimits=false"
        return self._plan(self._settings.api, path, login=True, channels=self.trade_channels)

    def public_sockets(self) -> Mapping[str, SocketPlan]:
        return {PUBLIC: self._plan(self._settings.streams, self.books_path)}

    @staticmethod
    def _plan(
        endpoint: Endpoint, path: str, *, login: bool = False, channels: tuple[str, ...] = ()
    ) -> SocketPlan:
        plan = endpoint.socket(path, None, login=login, channels=channels)
        return replace(plan, rotate_after_s=ROTATE_AFTER_S)

    def encode(
        self, request_id: str, commands: Sequence[Command], credentials: Credentials, now_ms: int
    ) -> str:
        one_kind(commands, LIMITS[self._settings.product].batch_size)
        command = commands[0]
        expires_ms = 0 if isinstance(command, Cancel) else command.expires_ms
        times = signing.window(expires_ms, now_ms) if expires_ms else {"timestamp": now_ms}
        params = {**orders.params(command, self._settings.product), **times}
        if not is_pem(credentials.secret):  # nothing but a logon stands for the signature
            params = signing.signed(params, credentials)
        return signing.frame(request_id, orders.METHODS[type(command)][0], params)

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        """Return what one frame says; never raises, [] for a frame that changes nothing."""
        frame = json_object(text)
        if frame is None:
            return [Unreadable("not a JSON object", text)]
        if "status" in frame:
            said = session.read_session_reply(frame)
            return [said] if said is not None else answers.read_reply(frame, text, instruments)
        if frame.get("result", "") is None:
            return []  # a subscription to books was taken
        return pushes.read_push(frame, text, instruments)

    # --- REST -----------------------------------------------------------------------------------

    sign = staticmethod(signing.sign_rest)
    read_command = staticmethod(answers.read_command)
    read_order = staticmethod(queries.read_order)
    read_page = staticmethod(queries.read_page)
    read_positions = staticmethod(queries.read_positions)
    read_time = staticmethod(queries.read_time)
    next_page = staticmethod(no_next_page)

    def rest_url(self) -> str:
        return self._settings.api.rest_url

    def rest_command(self, command: Command) -> RestRequest:
        return orders.rest_command(command, self._settings.product, f"{self.rest_root}/order")

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> Queries:
        by = {"orderId": venue_id} if venue_id else {"origClientOrderId": client_id}
        return [self._get("order", symbol=instrument.venue_symbol, **by)]

    def query_open_orders(self, instrument: Instrument | None = None) -> Queries:
        """Return the query of the open orders: weight 40 for all, 1 for a symbol (spot 80, 6)."""
        return [self._get("openOrders", symbol=instrument and instrument.venue_symbol)]

    def query_history(self, instrument: Instrument, since_ms: int, until_ms: int = 0) -> Queries:
        """Return the query of all orders created since then: pages go by id, with no end.

        One canceled or expired without a fill is kept 3 days (futures) or 90 (spot), others 90.
        """
        query = {"symbol": instrument.venue_symbol, "startTime": since_ms, "limit": queries.PAGE}
        return [self._get("allOrders", **query)]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, *_: object
    ) -> Queries:
        """Return the query of an order's trades; none while its id is unknown.

        A trade names its order by the venue's id alone: nothing could be found or ruled out.
        """
        query = {"symbol": instrument.venue_symbol, "orderId": venue_id, "limit": queries.PAGE}
        return [self._get(self.fills_path, **query)] if venue_id else []

    def query_instruments(self) -> Queries:
        return [self._get("exchangeInfo")]

    def read_instruments(self, reply: RestReply) -> list[Instrument]:
        return queries.read_instruments(reply, self._settings.product)

    def query_time(self) -> RestRequest:
        return self._get("time")

    def _get(self, path: str, **query: object) -> RestRequest:
        return get(f"{self.rest_root}/{path}", {}, query)


class Futures(Binance):
    """USDⓈ-M futures: pushes come on a stream of their own, whose URL holds a listenKey."""

    rest_root, api_path = "/fapi/v1", "/ws-fapi/v1"
    books_path, fills_path = "/public/stream", "userTrades"
    read_balances = staticmethod(queries.read_futures_balances)
    check_account_mode = staticmethod(queries.hedge_problem)

    def private_socket(self) -> SocketPlan:
        obtain = RestRequest("POST", signing.LISTEN_KEY)
        ticket = Ticket(obtain, queries.read_listen_key, self._settings.renew_listen_key_s)
        # A path without its /private is accepted, and silent: notice of 2026-03-06.
        return replace(self._plan(self._settings.streams, "/private/ws/{ticket}"), ticket=ticket)

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, *_: object
    ) -> Queries:
        """Return the query by the order's id, or of each week in which it may have traded."""
        weeks = spans(since_ms, now_ms, _WEEK_MS, _MOST_WEEKS)
        if not venue_id or len(weeks) < 2:
            return super().query_fills(instrument, venue_id, since_ms, now_ms)
        query = {"symbol": instrument.venue_symbol, "limit": queries.PAGE}
        return [
            self._get(self.fills_path, **query, startTime=first, endTime=last)
            for first, last in weeks
        ]

    def query_balances(self) -> RestRequest:
        return get("/fapi/v3/balance", {}, {})

    def query_positions(self) -> Queries:
        return [get("/fapi/v3/positionRisk", {}, {})]

    def query_account_mode(self) -> RestRequest | None:
        return self._get("positionSide/dual")


class Spot(Binance):
    """Spot: pushes come on the trading socket, once it has subscribed to them."""

    rest_root, api_path = "/api/v3", "/ws-api/v3"
    books_path, fills_path = "/stream", "myTrades"
    trade_channels = (session.USER_DATA,)
    read_balances = staticmethod(queries.read_spot_balances)
    check_account_mode = staticmethod(queries.spot_problem)

    def private_socket(self) -> None:
        return None

    def query_balances(self) -> RestRequest:
        return self._get("account", omitZeroBalances="true")

    def query_positions(self) -> Queries:
        return []

    def query_account_mode(self) -> RestRequest | None:
        return self.query_balances()
