"""Bybit v5 as one ``Venue``: ties the codec's parts together, with no state of its own."""

from collections.abc import Mapping, Sequence
from functools import partial

from router.enums import ExchangeType
from router.instruments import Instrument
from workers.venue import (
    Command,
    Credentials,
    Instruments,
    Queries,
    RestRequest,
    SocketPlan,
    Unreadable,
    VenueEvent,
)
from workers.venues.bybit import answers, orders, pushes, queries, session, signing
from workers.venues.bybit.settings import LIMITS, Settings
from workers.venues.commands import get, spans
from workers.venues.fields import json_object

#: Orders and trades are asked for by time at most 7 days at once.
_WEEK_MS = 7 * 24 * 3600 * 1000 - 1
_MOST_WEEKS = 13


class Bybit:
    """Bybit v5 for one environment and the categories that one account trades."""

    exchange = ExchangeType.BYBIT
    limits = LIMITS

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.account_type = settings.environment
        self.visibility_lag_ms = settings.visibility_lag_ms

    def __repr__(self) -> str:
        categories = ",".join(self._settings.categories)
        return f"Bybit({self.account_type}, {categories}, {self._settings.endpoint})"

    # --- sockets --------------------------------------------------------------------------------

    login = staticmethod(signing.login_frame)
    subscribe = staticmethod(session.subscribe)
    subscribe_books = staticmethod(partial(session.books, "subscribe"))
    unsubscribe_books = staticmethod(partial(session.books, "unsubscribe"))

    def trade_socket(self) -> SocketPlan | None:
        if not self._settings.by_socket:
            return None
        return self._settings.endpoint.socket("/v5/trade", session.PING, login=True)

    def private_socket(self) -> SocketPlan:
        only_pairs = self._settings.categories == ("spot",)
        topics = tuple(one for one in session.TOPICS if one != "position" or not only_pairs)
        return self._settings.endpoint.socket(
            "/v5/private", session.PING, login=True, channels=topics
        )

    def public_sockets(self) -> Mapping[str, SocketPlan]:
        return {
            self._public(category): self._settings.public.socket(
                f"/v5/public/{category}", session.PING
            )
            for category in self._settings.categories
        }

    def book_socket(self, instrument: Instrument) -> str:
        return self._public(instrument.kind)

    @staticmethod
    def _public(category: str) -> str:
        return f"public_{category}"

    def encode(
        self, request_id: str, commands: Sequence[Command], credentials: Credentials, now_ms: int
    ) -> str:
        return orders.encode(request_id, commands, now_ms)

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        """Return what one frame says; never raises, [] for a frame that changes nothing."""
        frame = json_object(text)
        if frame is None:
            return [Unreadable("not a JSON object", text)]
        if "topic" in frame:
            return pushes.read_push(frame, text, instruments)
        replied = session.read_session_reply(frame)
        if replied is not None:
            return replied
        if "op" in frame and ("retCode" in frame or "success" in frame):
            return answers.read_operation(frame)
        return [Unreadable("a frame without topic or op", text)]

    # --- REST -----------------------------------------------------------------------------------

    sign = staticmethod(signing.sign_rest)
    rest_command = staticmethod(orders.rest_command)
    read_command = staticmethod(answers.read_command)
    read_order = staticmethod(queries.read_order)
    read_page = staticmethod(queries.read_page)
    next_page = staticmethod(queries.next_page)
    read_balances = staticmethod(queries.read_balances)
    read_positions = staticmethod(queries.read_positions)
    read_instruments = staticmethod(queries.read_instruments)
    read_time = staticmethod(queries.read_time)
    check_account_mode = staticmethod(queries.hedge_problem)

    def rest_url(self) -> str:
        return self._settings.endpoint.rest_url

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> Queries:
        """Return the queries of what is open or ended of late, and of what ended before.

        The first forgets all ended orders when the venue restarts: "Get Open & Closed Orders".
        """
        by = {"orderId": venue_id} if venue_id else {"orderLinkId": client_id}
        paths = ("order/realtime", "order/history")
        return [_get(path, **_scope(instrument), **by) for path in paths]

    def query_open_orders(self, instrument: Instrument | None = None) -> Queries:
        """Return the queries of open orders; those of linear contracts by what they settle in."""
        more = {"openOnly": 0, "limit": queries.ORDERS_PAGE}
        if instrument is not None:
            return [_get("order/realtime", **_scope(instrument), **more)]
        return [_get("order/realtime", **scope, **more) for scope in self._scopes()]

    def query_history(self, instrument: Instrument, since_ms: int, until_ms: int = 0) -> Queries:
        """Return the query of the orders created in the week after ``since_ms``, or until then.

        One that ended without a trade is kept 24 hours, others 7 days, or 2 years with trades.
        """
        end_ms = min(since_ms + _WEEK_MS, until_ms or since_ms + _WEEK_MS)
        times = {"startTime": since_ms, "endTime": end_ms}
        return [
            _get("order/history", **_scope(instrument), **times, limit=queries.ORDERS_PAGE),
        ]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, until_ms: int = 0
    ) -> Queries:
        """Return the queries of trades in each week since then, of one order if it is known."""
        terms = {**_scope(instrument), "orderId": venue_id, "limit": queries.TRADES_PAGE}
        return [
            _get("execution/list", **terms, startTime=first, endTime=last)
            for first, last in spans(since_ms, until_ms or now_ms, _WEEK_MS, _MOST_WEEKS)
        ]

    def query_balances(self) -> RestRequest:
        return _get("account/wallet-balance", accountType="UNIFIED")

    def query_positions(self) -> Queries:
        more = {"limit": queries.POSITIONS_PAGE}
        scopes = [scope for scope in self._scopes() if scope["category"] != "spot"]
        return [_get("position/list", **scope, **more) for scope in scopes]

    def query_instruments(self) -> Queries:
        more = {"limit": queries.INSTRUMENTS_PAGE}
        return [
            _get("market/instruments-info", category=one, **more)
            for one in self._settings.categories
        ]

    def query_time(self) -> RestRequest:
        return _get("market/time")

    def query_account_mode(self) -> RestRequest | None:
        """Return the query of a symbol that all have: it shows a side each in hedge mode."""
        if "linear" not in self._settings.categories:
            return None
        return _get("position/list", category="linear", symbol="BTCUSDT")

    def _scopes(self) -> list[dict[str, str]]:
        """Return what lists of the whole account are asked for by, one after the other."""
        categories, coins = self._settings.categories, self._settings.settle_coins
        linear = [{"category": "linear", "settleCoin": coin} for coin in coins]
        others = [{"category": one} for one in categories if one != "linear"]
        return [*(linear if "linear" in categories else []), *others]


def _get(path: str, **query: object) -> RestRequest:
    return get(f"/v5/{path}", {}, query)


def _scope(instrument: Instrument) -> dict[str, object]:
    return {"category": instrument.kind, "symbol": instrument.venue_symbol}
