"""Environments, sockets and options of Bybit, and several categories of one account."""

from decimal import Decimal

import orjson
import pytest

from router.enums import OrderStatus, OrderType, RequestKind, TimeInForce
from router.errors import ConfigError
from router.evidence import VenueState
from router.orders import OrderRecord, add_fill, fold
from tests.venues.bybit.sample import BTC, INVERSE, KEYS, KNOWN, PAIR, SAMPLE
from tests.venues.conformance.sample import NOW_MS, sockets_of
from tests.workers.samples import record
from workers.venue import (
    BookPushed,
    CannotEncode,
    FillPushed,
    Instruments,
    OrderPushed,
    Unreadable,
    VenueEvent,
)
from workers.venues import load

VENUE = load("bybit", "live")


@pytest.mark.parametrize(
    ("environment", "rest", "sockets"),
    [
        (
            "live",
            "https://api.bybit.com",
            {
                "trade": "wss://stream.bybit.com/v5/trade",
                "private": "wss://stream.bybit.com/v5/private",
                "public_linear": "wss://stream.bybit.com/v5/public/linear",
                "public_spot": "wss://stream.bybit.com/v5/public/spot",
            },
        ),
        (
            "demo",
            "https://api-demo.bybit.com",
            {
                "private": "wss://stream-demo.bybit.com/v5/private",
                "public_linear": "wss://stream.bybit.com/v5/public/linear",
                "public_spot": "wss://stream.bybit.com/v5/public/spot",
            },
        ),
        (
            "testnet",
            "https://api-testnet.bybit.com",
            {
                "trade": "wss://stream-testnet.bybit.com/v5/trade",
                "private": "wss://stream-testnet.bybit.com/v5/private",
                "public_linear": "wss://stream-testnet.bybit.com/v5/public/linear",
                "public_spot": "wss://stream-testnet.bybit.com/v5/public/spot",
            },
        ),
    ],
)
def test_environments(environment: str, rest: str, sockets: dict[str, str]) -> None:
    """Demo has no socket for orders, and the live prices."""
    venue = load("bybit", environment)
    assert venue.rest_url() == rest
    assert venue.account_type == environment
    assert {name: plan.url for name, plan in sockets_of(venue).items()} == sockets


def test_sockets() -> None:
    plans = sockets_of(VENUE)
    assert plans["trade"].login
    assert plans["trade"].channels == ()
    assert plans["private"].channels == ("order", "execution", "position", "wallet")
    pairs_only = sockets_of(load("bybit", "live", {"categories": ["spot"]}))
    assert pairs_only["private"].channels == ("order", "execution", "wallet")
    assert {plan.ping for plan in plans.values()} == {'{"op":"ping"}'}
    assert {VENUE.book_socket(one) for one in (BTC, PAIR)} == {
        "public_linear",
        "public_spot",
    }


@pytest.mark.parametrize(
    "options",
    [
        {"categories": ["option"]},
        {"categories": []},
        {"settle_coins": "BTC"},
        {"visibility_lag_ms": 0},
        {"dead_after_s": 601},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load("bybit", "live", options)


def test_queries_lag_by_seconds_unless_told_otherwise() -> None:
    """Between realtime and history a canceled order was nowhere for 2.5 s."""
    assert VENUE.visibility_lag_ms == 3000
    assert load("bybit", "live", {"visibility_lag_ms": 100}).visibility_lag_ms == 100


def test_pairs_have_limits_of_their_own() -> None:
    limits = VENUE.limits
    contracts, pairs = (
        [by_kind[kind].count for kind in (RequestKind.CREATE, RequestKind.MODIFY)]
        for by_kind in (limits.requests, limits.pairs)
    )
    assert (contracts, pairs) == ([10, 10], [20, 10])


# --- one name, two instruments --------------------------------------------------------------------


def decoded(topic: str, data: object, known: Instruments) -> list[VenueEvent]:
    frame = {"topic": topic, "id": "1", "creationTime": 5, "ts": 5, "type": "snapshot"}
    return VENUE.decode(orjson.dumps({**frame, "data": data}).decode(), known)


def test_an_item_says_its_category() -> None:
    items = [
        {"category": category, "symbol": "BTCUSDT", "orderId": "1", "orderStatus": "New"}
        for category in ("linear", "spot")
    ]
    events = decoded("order", items, KNOWN)
    assert [one.report.symbol for one in events if isinstance(one, OrderPushed)] == [
        "BTCUSDT-PERP.BYBIT",
        "BTCUSDT.BYBIT",
    ]


def test_a_book_says_none_so_its_socket_does() -> None:
    book = {"s": "BTCUSDT", "b": [["1", "2"]], "a": [["3", "4"]]}
    [unclear] = decoded("orderbook.1.BTCUSDT", book, KNOWN)
    assert isinstance(unclear, Unreadable)
    for name, symbol in (
        ("public_linear", "BTCUSDT-PERP.BYBIT"),
        ("public_spot", "BTCUSDT.BYBIT"),
    ):

        def here(one: object, name: str = name) -> bool:
            return VENUE.book_socket(one) == name  # type: ignore[arg-type]

        [event] = decoded("orderbook.1.BTCUSDT", book, KNOWN.only(here))
        assert isinstance(event, BookPushed)
        assert event.top.symbol == symbol


# --- commands -------------------------------------------------------------------------------------


def test_a_pair_has_no_position_to_reduce() -> None:
    with pytest.raises(CannotEncode) as caught:
        SAMPLE.frame(SAMPLE.place(PAIR, reduce_only=True))
    assert caught.value.field == "reduce_only"


def test_an_inverse_market_order_needs_a_price_to_be_sized_by() -> None:
    place = SAMPLE.place(INVERSE, type=OrderType.MARKET, time_in_force=TimeInForce.IOC, price=None)
    with pytest.raises(CannotEncode) as caught:
        SAMPLE.frame(place)
    assert caught.value.field == "price"


@pytest.mark.parametrize("price", ["0", "-1", "NaN"])
def test_a_change_to_no_price_is_not_sent(price: str) -> None:
    with pytest.raises(CannotEncode) as caught:
        VENUE.rest_command(SAMPLE.modify(price=Decimal(price), amount=None))
    assert caught.value.field == "price"


def test_nothing_to_change_is_not_sent() -> None:
    with pytest.raises(CannotEncode):
        VENUE.rest_command(SAMPLE.modify(price=None, amount=None))


def test_a_create_by_rest_expires_as_it_does_by_socket() -> None:
    request = VENUE.rest_command(SAMPLE.place())
    assert request.path == "/v5/order/create"
    assert request.expires_ms == NOW_MS + 2_000
    signed = VENUE.sign(request, KEYS, NOW_MS + 500)
    assert signed.headers["X-BAPI-TIMESTAMP"] == str(NOW_MS + 500)
    assert signed.headers["X-BAPI-RECV-WINDOW"] == "1500"
    [body] = orjson.loads(SAMPLE.frame(SAMPLE.place()))["args"]
    assert orjson.loads(request.body) == body
    assert VENUE.rest_command(SAMPLE.cancel()).expires_ms == 0


# --- ends -----------------------------------------------------------------------------------------


def told_of(*events: VenueEvent) -> tuple[OrderRecord, list[OrderStatus]]:
    mine = record(client_id="abc-1", venue_id="", symbol="BTCUSDT-PERP.BYBIT")
    told = []
    for event in events:
        if isinstance(event, OrderPushed):
            told += fold(mine, event.report)
        elif isinstance(event, FillPushed):
            told += add_fill(mine, event.fill)
    return mine, [one.status for one in told]


def push(status: str, filled: str = "0", **more: str) -> list[VenueEvent]:
    item = {
        **{"category": "linear", "symbol": "BTCUSDT", "orderId": "1", "orderLinkId": "abc-1"},
        **{"orderStatus": status, "cumExecQty": filled, "qty": "0.003", "updatedTime": "9"},
        **more,
    }
    return decoded("order", [item], KNOWN)


def execution(amount: str) -> list[VenueEvent]:
    item = {
        **{"category": "linear", "symbol": "BTCUSDT", "orderId": "1", "orderLinkId": "abc-1"},
        **{"execId": f"e{amount}", "execQty": amount, "execPrice": "5", "execType": "Trade"},
    }
    return decoded("execution", [item], KNOWN)


def test_the_end_waits_for_trades_that_are_still_to_come() -> None:
    mine, told = told_of(*push("Filled", "0.003"), *execution("0.003"))
    assert told[-1] is OrderStatus.FILLED
    assert mine.filled == Decimal("0.003")


def test_a_cancel_that_lost_the_race_ends_nothing_twice() -> None:
    again = {"cancelType": "CancelByUser", "rejectReason": "EC_OrigClOrdIDDoesNotExist"}
    _, told = told_of(
        *execution("0.003"), *push("Filled", "0.003"), *push("Filled", "0.003", **again)
    )
    assert told.count(OrderStatus.FILLED) == 1


def test_an_order_refused_after_its_ack_has_failed() -> None:
    [event] = push("Rejected", rejectReason="EC_Others")
    assert isinstance(event, OrderPushed)
    assert event.report.state is VenueState.REJECTED
    mine = record(client_id="abc-1", state="PENDING")
    assert [one.status for one in fold(mine, event.report)] == [OrderStatus.FAILED]
    assert mine.reason == "EC_Others"
