"""The accounts of ``config/binance`` can be served as they stand, and against given URLs."""

from pathlib import Path

import pytest

from router.settings import Settings, load
from tests.venues.conformance.sample import sockets_of
from workers.setup import account_setup

CONFIG = Path(__file__).parents[3] / "config" / "binance"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for product in ("FUTURES", "SPOT"):
        monkeypatch.setenv(f"BINANCE_{product}_API_KEY", f"key of {product}")
        monkeypatch.setenv(f"BINANCE_{product}_API_SECRET", f"secret of {product}")
    return load(CONFIG)


@pytest.mark.parametrize(
    ("name", "account_type", "rest_url", "key"),
    [
        (
            "binance-futures",
            "usd_m_future_testnet",
            "https://demo-fapi.binance.com",
            "key of FUTURES",
        ),
        ("binance-spot", "spot_testnet", "https://demo-api.binance.com", "key of SPOT"),
    ],
)
def test_each_account_can_be_served(
    settings: Settings, name: str, account_type: str, rest_url: str, key: str
) -> None:
    setup = account_setup(name, settings)
    assert setup.venue.account_type == account_type
    assert setup.venue.rest_url() == rest_url
    assert setup.credentials.key == key


def test_urls_lead_to_a_simulator(settings: Settings) -> None:
    account = settings.accounts["binance-futures"].model_copy(
        update={"rest_url": "http://127.0.0.1:8080", "ws_url": "ws://127.0.0.1:8080"}
    )
    local = settings.model_copy(update={"accounts": {"binance-futures": account}})
    venue = account_setup("binance-futures", local).venue
    assert venue.rest_url() == "http://127.0.0.1:8080"
    assert sockets_of(venue)["trade"].url.startswith("ws://127.0.0.1:8080/ws-fapi/v1")


def test_absence_is_proven_no_sooner_than_the_venue_allows(settings: Settings) -> None:
    """Binance's queries lag: "does not exist" soon after an ack would be a second order (P1)."""
    assert settings.orders.visibility_lag_ms == 500
    patient = account_setup("binance-futures", settings).settings
    assert patient.orders.visibility_lag_ms == 2000
    longer = settings.orders.model_copy(update={"visibility_lag_ms": 9000})
    setup = account_setup("binance-spot", settings.model_copy(update={"orders": longer}))
    assert setup.settings.orders.visibility_lag_ms == 9000
