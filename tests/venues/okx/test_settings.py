"""OKX's environments, sockets and options, where the conformance suite does not ask."""

from dataclasses import replace

import pytest

from router.errors import ConfigError
from tests.venues.okx.sample import SAMPLE


@pytest.mark.parametrize(
    ("environment", "rest", "ws"),
    [
        ("live", "https://openapi.okx.com", "wss://ws.okx.com:8443"),
        ("demo", "https://openapi.okx.com", "wss://wspap.okx.com:8443"),
        ("eea", "https://eea.okx.com", "wss://wseea.okx.com:8443"),
        ("us", "https://us.okx.com", "wss://wsus.okx.com:8443"),
        ("us-demo", "https://us.okx.com", "wss://wsuspap.okx.com:8443"),
    ],
)
def test_environments(environment: str, rest: str, ws: str) -> None:
    venue = SAMPLE.load(environment)
    assert venue.rest_url() == rest
    assert venue.public_sockets()["public"].url == f"{ws}/ws/v5/public"
    assert venue.account_type == ("demo" if "demo" in environment else "live")
    assert ("x-simulated-trading" in venue.query_time().headers) == ("demo" in environment)


def test_the_path_of_the_sockets_may_be_in_the_address() -> None:
    venue = SAMPLE.load(rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2/ws/v5")
    assert venue.public_sockets()["public"].url == "ws://127.0.0.1:2/ws/v5/public"


@pytest.mark.parametrize(
    "options",
    [
        {"td_mode": "margin"},
        {"dead_after_s": 31},
        {"ping_after_s": 12},
        {"inst_types": []},
        {"inst_types": "OPTION"},
        {"inst_types": ["OPTION"]},
        {"expiry_ms": 900},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SAMPLE.load("live", **options)


def test_sockets() -> None:
    trade, private, public = (SAMPLE.sockets[name] for name in ("trade", "private", "public"))
    assert (trade.login, private.login, public.login) == (True, True, False)
    assert (trade.channels, public.channels) == ((), ())
    assert private == replace(trade, channels=("orders:ANY", "account", "positions:ANY"))
    assert trade.ping == "ping"
    assert trade.rotate_after_s is None
