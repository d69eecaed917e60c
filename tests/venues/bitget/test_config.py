"""Bitget's environments, sockets and options, where the conformance suite does not ask."""

from dataclasses import replace
from pathlib import Path

import pytest

from router.enums import RequestKind
from router.errors import ConfigError
from router.settings import load
from tests.venues.bitget.sample import PAIR, SAMPLE
from workers.pacing import Pacer
from workers.setup import account_setup

CONFIG = Path(__file__).parents[3] / "config" / "bitget"


@pytest.mark.parametrize(
    ("environment", "host", "headers"),
    [
        ("live", "wss://ws.bitget.com", {}),
        ("demo", "wss://wspap.bitget.com", {"paptrading": "1"}),
    ],
)
def test_environments(environment: str, host: str, headers: dict[str, str]) -> None:
    venue = SAMPLE.load(environment)
    assert venue.rest_url() == "https://api.bitget.com"
    assert venue.public_sockets()["public"].url == f"{host}/v3/ws/public"
    assert venue.account_type == environment
    assert venue.query_time().headers == headers
    assert headers.items() <= venue.rest_command(SAMPLE.place(PAIR)).headers.items()


def test_orders_have_a_connection_of_their_own() -> None:
    """Ten messages a second are all that one may send."""
    trade, private = SAMPLE.sockets["trade"], SAMPLE.sockets["private"]
    assert (trade.login, trade.channels, trade.ping) == (True, (), "ping")
    assert private == replace(trade, channels=("order", "fill", "account", "position"))
    assert trade.rotate_after_s == 23 * 3600


def test_each_socket_is_pinged_however_busy_with_room_among_its_messages() -> None:
    """Two minutes without a ping end it, and so do more than ten messages in a second."""
    for plan in SAMPLE.sockets.values():
        assert plan.ping_every_s is not None
        assert plan.ping_every_s <= 30
    pacer = Pacer(SAMPLE.venue.limits)
    waits_s = [pacer.wait_s(RequestKind.CANCEL, PAIR.symbol, 0.0) for _ in range(10)]
    assert waits_s[-1] > 0, "at most nine orders: the tenth message may be a ping"


def test_the_path_of_the_sockets_may_be_in_the_address() -> None:
    venue = SAMPLE.load(rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2/v3/ws")
    assert venue.public_sockets()["public"].url == "ws://127.0.0.1:2/v3/ws/public"


def test_an_account_may_trade_one_product_alone() -> None:
    pairs = SAMPLE.load("live", categories="SPOT")
    assert [one.path for one in pairs.query_instruments()] == [
        "/api/v3/market/instruments?category=SPOT"
    ]
    assert len(pairs.query_open_orders()) == 1
    assert pairs.query_positions() == []


@pytest.mark.parametrize(
    "options", [{"categories": "MARGIN"}, {"categories": []}, {"dead_after_s": 31}, {"product": 1}]
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SAMPLE.load("live", **options)


def test_the_example_in_config_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "API_SECRET", "PASSPHRASE"):
        monkeypatch.setenv(f"BITGET_{name}", name.lower())
    setup = account_setup("bitget-main", load(CONFIG))
    assert setup.venue.account_type == "demo"
    assert setup.credentials.passphrase == "passphrase"
