"""The account of ``config/bybit`` can be served as it stands, and against given URLs."""

from pathlib import Path

import pytest

from router.settings import Settings, load
from tests.venues.bybit.sample import SAMPLE
from tests.venues.conformance.sample import sockets_of
from workers.setup import account_setup

CONFIG = Path(__file__).parents[3] / "config" / "bybit"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BYBIT_API_KEY", "key")
    monkeypatch.setenv("BYBIT_API_SECRET", "secret")
    return load(CONFIG)


def test_the_account_can_be_served(settings: Settings) -> None:
    setup = account_setup("bybit-main", settings)
    assert setup.venue.account_type == "testnet"
    assert setup.venue.rest_url() == "https://api-testnet.bybit.com"
    assert {"public_linear", "public_spot"} < set(sockets_of(setup.venue))
    assert setup.credentials.key == "key"
    assert setup.settings.orders.visibility_lag_ms == 3000


def test_each_socket_is_pinged_however_busy() -> None:
    """The venue cuts a connection after 10 minutes without a ping, and wants one each 20 s."""
    assert {plan.ping_every_s for plan in SAMPLE.sockets.values()} == {20.0}


def test_urls_lead_to_a_simulator(settings: Settings) -> None:
    account = settings.accounts["bybit-main"].model_copy(
        update={"rest_url": "http://127.0.0.1:8080", "ws_url": "ws://127.0.0.1:8080"}
    )
    local = settings.model_copy(update={"accounts": {"bybit-main": account}})
    venue = account_setup("bybit-main", local).venue
    assert venue.rest_url() == "http://127.0.0.1:8080"
    assert sockets_of(venue)["trade"].url == "ws://127.0.0.1:8080/v5/trade"
