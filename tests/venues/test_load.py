"""Finding and configuring venues, and what their modules may import."""

import ast
from pathlib import Path

import pytest

from router.errors import ConfigError
from workers import venues
from workers.venues import load, names

#: What a pure codec never needs: clocks, chance, sockets, servers.
FORBIDDEN = {"redis", "requests", "websockets", "asyncio", "time", "random", "secrets", "socket"}


def test_folders_are_venues() -> None:
    folders = {path.parent.name for path in Path(venues.__path__[0]).glob("*/__init__.py")}
    assert set(names()) == folders
    assert "okx" in names()


def test_an_unknown_venue_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'ftx' is unknown; known: .*okx"):
        load("ftx")
    with pytest.raises(ConfigError):
        load("../okx")


@pytest.mark.parametrize(
    "half", [{"rest_url": "http://x"}, {"ws_url": "ws://x"}, {"rest_url": "", "ws_url": "ws://x"}]
)
def test_urls_come_in_pairs(half: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="together"):
        load("okx", "live", half)


@pytest.mark.parametrize(
    ("environment", "rest", "private"),
    [
        ("live", "https://openapi.okx.com", "wss://ws.okx.com:8443/ws/v5/private"),
        ("demo", "https://openapi.okx.com", "wss://wspap.okx.com:8443/ws/v5/private"),
        ("eea", "https://eea.okx.com", "wss://wseea.okx.com:8443/ws/v5/private"),
        ("us", "https://us.okx.com", "wss://wsus.okx.com:8443/ws/v5/private"),
        ("us-demo", "https://us.okx.com", "wss://wsuspap.okx.com:8443/ws/v5/private"),
    ],
)
def test_okx_environments(environment: str, rest: str, private: str) -> None:
    venue = load("okx", environment)
    assert venue.rest_url() == rest
    socket = venue.private_socket()
    assert socket is not None
    assert socket.url == private
    assert venue.account_type == ("demo" if "demo" in environment else "live")
    assert ("x-simulated-trading" in venue.query_time().headers) == ("demo" in environment)


@pytest.mark.parametrize(
    "ws_url", ["ws://127.0.0.1:2", "ws://127.0.0.1:2/", "ws://127.0.0.1:2/ws/v5"]
)
def test_okx_at_a_simulator(ws_url: str) -> None:
    venue = load("okx", "live", {"rest_url": "http://127.0.0.1:1/", "ws_url": ws_url})
    assert venue.rest_url() == "http://127.0.0.1:1"
    assert venue.public_socket().url == "ws://127.0.0.1:2/ws/v5/public"
    assert "127.0.0.1:1" in repr(venue)


@pytest.mark.parametrize(
    "options",
    [
        {"zz": 1},
        {"td_mode": "margin"},
        {"ping_after_s": 0},
        {"ping_after_s": True},
        {"ping_after_s": "5"},
        {"dead_after_s": 31},
        {"ping_after_s": 12},
        {"inst_types": []},
        {"inst_types": "OPTION"},
        {"inst_types": ["OPTION"]},
        {"expiry_ms": -1},
    ],
)
def test_okx_refuses_wrong_options(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load("okx", "live", options)


def test_okx_refuses_an_unknown_environment() -> None:
    with pytest.raises(ConfigError, match="known: live, demo"):
        load("okx", "testnet")


def test_okx_sockets_and_options() -> None:
    venue = load("okx", "live", {"ping_after_s": 1, "dead_after_s": 2.5})
    trade, private, public = venue.trade_socket(), venue.private_socket(), venue.public_socket()
    assert private is not None
    assert (trade.login, private.login, public.login) == (True, True, False)
    assert (trade.channels, public.channels) == ((), ())
    assert private.channels == ("orders:ANY", "account", "positions:ANY")
    assert (trade.ping, trade.ping_after_s, trade.dead_after_s) == ("ping", 1.0, 2.5)
    assert trade.rotate_after_s is None
    assert venue.limits.batch_size == 20


@pytest.mark.parametrize("path", sorted(Path(venues.__path__[0]).rglob("*.py")), ids=str)
def test_codecs_are_pure(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    assert not imported & FORBIDDEN
