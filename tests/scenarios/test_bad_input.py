"""Bad input: a mistake raises where it is made, names its field, says what to do, costs nothing."""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router import settings as router_settings
from router.enums import ExchangeType
from router.errors import ConfigError, InvalidArgument, RedisUnavailable
from router.settings import AccountSettings, Settings
from strategy_sdk import Runner, Strategy, Timing
from strategy_sdk import run as run_strategy
from strategy_sdk.errors import NotRunning
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import DEADLINE_S, FAR_PRICE, SYMBOL, Recorder, Stack
from workers.process import WorkerProcess
from workers.setup import account_setup

#: What is changed in a good order → the field that the error names, and what its text must say.
WRONG_ORDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown symbol": ({"symbol": "BTCUSDX-PERP.OKX"}, "symbol", "not listed at okx; did you mean"),
    "malformed symbol": ({"symbol": "BTC/USDT"}, "symbol", "write BTCUSDT.OKX"),
    "unknown exchange": ({"symbol": "BTCUSDT.KRAKEN"}, "symbol", "known: binance, okx"),
    "other exchange": ({"symbol": "BTCUSDT.BINANCE"}, "symbol", "add one to accounts"),
    "symbol is None": ({"symbol": None}, "symbol", "is not a symbol"),
    "price missing": ({"price": None}, "price", "a LIMIT order needs a price"),
    "price is a float": ({"price": 85500.5}, "price", r"pass Decimal\('85500.5'\)"),
    "price is zero": ({"price": Decimal(0)}, "price", "not a finite number above 0"),
    "price off the tick": ({"price": Decimal("85500.05")}, "price", "nearest: 85500.0 or 85500.1"),
    "amount is NaN": ({"amount": Decimal("NaN")}, "amount", "not a finite number above 0"),
    "amount is sNaN": ({"amount": Decimal("sNaN")}, "amount", "not a finite number above 0"),
    "amount is infinite": ({"amount": Decimal("Infinity")}, "amount", "not a finite number"),
    "amount is zero": ({"amount": Decimal(0)}, "amount", "not a finite number above 0"),
    "amount is negative": ({"amount": Decimal("-0.001")}, "amount", "not a finite number above 0"),
    "amount is a float": ({"amount": 0.001}, "amount", r"pass Decimal\('0.001'\)"),
    "amount is text": ({"amount": "a lot"}, "amount", "no number; pass a Decimal"),
    "amount is None": ({"amount": None}, "amount", "no number; pass a Decimal"),
    "amount is True": ({"amount": True}, "amount", "no number; pass a Decimal"),
    "amount off the lot": ({"amount": Decimal("0.00015")}, "amount", "nearest: 0.0001 or 0.0002"),
    "amount too small": ({"amount": Decimal("0.00001")}, "amount", "0.0001"),
    "amount too long": ({"amount": Decimal(f"0.{'1' * 40}")}, "amount", "more than 36 digits"),
    "amount too large": ({"amount": Decimal("1e30")}, "amount", "does not lie between"),
    "amount is immense": ({"amount": Decimal("1e5000")}, "amount", "does not lie between"),
    "side is unknown": ({"side": "LONG"}, "side", "none of BUY, SELL"),
    "type is unknown": ({"type": "ICEBERG"}, "type", "none of MARKET, LIMIT"),
    "time in force": ({"time_in_force": "GTX"}, "time_in_force", "none of GTC, IOC, FOK"),
    "post only IOC": ({"type": "POST_ONLY", "time_in_force": "IOC"}, "time_in_force", "POST_ONLY"),
    "reduce_only": ({"reduce_only": "False"}, "reduce_only", "neither True nor False"),
    "ws_fallback": ({"ws_fallback": 1}, "ws_fallback", "neither True nor False"),
    "valid_for_ms": ({"valid_for_ms": 0}, "valid_for_ms", "whole number of ms above 0"),
    "key with a blank": ({"idempotency_key": "a b"}, "idempotency_key", "without blanks"),
    "key with a brace": ({"idempotency_key": "{x}"}, "idempotency_key", "blanks and braces"),
    "key is empty": ({"idempotency_key": ""}, "idempotency_key", "1 to 128"),
    "key is too long": ({"idempotency_key": "k" * 129}, "idempotency_key", "1 to 128"),
    "key is a number": ({"idempotency_key": 7}, "idempotency_key", "is no str"),
    "client_oid is empty": ({"client_oid": ""}, "client_oid", "1 to 64 printable"),
    "client_oid is too long": ({"client_oid": "x" * 65}, "client_oid", "1 to 64 printable"),
    "client_oid of control characters": ({"client_oid": "a\x00b"}, "client_oid", "printable"),
    "unknown scope": ({"idempotency_scope": "galaxy"}, "idempotency_scope", "strategy, account"),
    "unknown account": ({"account_type": "okx-none"}, "account_type", "is no account"),
    "parameters too large": ({"tag": "x" * 3_000}, "venue_params", "more than the 2000 allowed"),
    "parameters no JSON": ({"tag": object()}, "venue_params", "cannot be written as JSON"),
}


def admitted(stack: Stack, strategy: str = "alpha") -> int:
    """Return how many intents were ever put on the strategy's stream."""
    return int(stack.redis.xinfo_stream(stack.keys.intents(strategy))["entries-added"])


def test_a_wrong_order_names_its_field_and_is_not_admitted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    good = strategy.buy(idempotency_key="good")
    strategy.wait_for(good, "accepted")
    before = admitted(stack)
    wrong = []
    for name, (change, field, says) in WRONG_ORDERS.items():
        try:
            oid = strategy.buy(**change)
        except InvalidArgument as error:
            if error.field != field or not re.search(says, str(error)):
                wrong.append(f"{name}: {error}")
            if not str(error).startswith(f"{field}: ") or len(str(error)) > 400:
                wrong.append(f"{name}: unfit to be read: {str(error)[:500]}")
        except ArithmeticError as error:
            wrong.append(f"{name}: {error!r} instead of InvalidArgument")
        else:
            wrong.append(f"{name}: admitted as {oid}")
    assert not wrong, "\n".join(wrong)
    assert admitted(stack) == before
    assert stack.redis.smembers(stack.keys.open("alpha")) == {good}
    stack.all_told()
    assert [one.name for one in strategy.told if one.name != "status"] == ["pending", "accepted"]
    strategy.cancel_order_ws(SYMBOL, good)
    strategy.wait_for(good, "canceled")
    assert [row["client_id"] for row in stack.ledger().requests] == [good, good]
    stack.check(strategy)


def test_a_wrong_change_names_its_field_and_harms_the_order_not(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    before = admitted(stack)
    wrong: dict[str, Callable[[], object]] = {
        "oid: ": lambda: strategy.cancel_order_ws(SYMBOL, "17"),
        "oid: '": lambda: strategy.modify_order_ws(SYMBOL, oid.upper(), price=FAR_PRICE),
        "symbol: order": lambda: strategy.cancel_order_ws("ETHUSDT-PERP.OKX", oid),
        "price: a modify must": lambda: strategy.modify_order_ws(SYMBOL, oid),
        "price: 85500.05": lambda: strategy.modify_order_ws(SYMBOL, oid, price=Decimal("85500.05")),
        "amount: NaN": lambda: strategy.modify_order_ws(SYMBOL, oid, amount=Decimal("NaN")),
        "side: order": lambda: strategy.modify_order_ws(
            SYMBOL,
            oid,
            side="SELL",  # type: ignore[arg-type]
            price=FAR_PRICE,
        ),
    }
    for says, attempt in wrong.items():
        with pytest.raises(InvalidArgument, match=f"^{re.escape(says)}"):
            attempt()
    with pytest.raises(ValueError, match="grace_ms must be >= 0"):
        strategy.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, -1)
    assert admitted(stack) == before
    assert [row["op"] for row in stack.ledger().requests] == ["order"]
    stack.check(strategy)


def test_one_wrong_order_of_a_batch_admits_none(stack: Stack) -> None:
    strategy = stack.start_strategy()
    terms: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "amount": Decimal("0.001"),
    }
    batch = [BatchOrder(**terms, price=FAR_PRICE), BatchOrder(**terms, price=None)]
    with pytest.raises(InvalidArgument, match=r"^price: a LIMIT order needs a price"):
        strategy.create_batch_orders(batch)
    assert admitted(stack) == 0
    assert stack.ledger().requests == []


def test_what_only_the_venue_forbids_is_told_and_never_sent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(posSide="long")
    failed = strategy.wait_for(oid, "failed")
    assert (failed.reason or "").startswith("INVALID_POSSIDE: posSide: not allowed")
    assert stack.ledger().requests == []
    stack.check(strategy)


# --- before anything runs -----------------------------------------------------------------------


def test_a_strategy_that_does_not_run_says_so() -> None:
    with pytest.raises(NotRunning, match=r"nothing was sent\. Start it with strategy_sdk.run"):
        Recorder().buy()


@pytest.mark.parametrize("name", ["Alpha", "a b", "", "-a", "x" * 33, "a:b", "a{b}"])
def test_an_illegal_strategy_id_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^strategy_id: .*1 to 32 of a-z"):
        Runner(Strategy(), name, {"okx": "okx-main"}, settings=Settings())


@pytest.mark.parametrize(
    ("accounts", "says"),
    [
        ({}, "accounts: name at least one"),
        ({"kraken": "kraken-main"}, "accounts: 'kraken' is no exchange; known: binance"),
        ({"okx": "OKX Main"}, "accounts: 'OKX Main' is not a legal name"),
        ({"okx": ["a", "a"]}, "accounts: an account stands there twice: a, a"),
        (["main"], "accounts: the exchange of 'main' is not known: give a mapping such as"),
    ],
)
def test_wrong_accounts_are_refused(accounts: Any, says: str) -> None:
    with pytest.raises((ConfigError, InvalidArgument), match=f"^{re.escape(says)}"):
        Runner(Strategy(), "alpha", accounts, settings=Settings())


# --- the settings -------------------------------------------------------------------------------

ACCOUNT = '[accounts.okx-main]\nexchange = "okx"\napi_key = "env:K"\napi_secret = "env:S"\n'


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("router.toml", "[worker]\nlease_ttl = 3000\n", "worker.lease_ttl"),
        ("router.toml", "[workers]\nlease_ttl_ms = 3000\n", "workers"),
        ("router.toml", "[orders]\nack_timeout_ms = 5\n", "orders.ack_timeout_ms"),
        ("router.toml", '[orders]\nack_timeout_ms = "soon"\n', "orders.ack_timeout_ms"),
        ("router.toml", 'prefix = "Or:"\n', "prefix"),
        ("router.toml", "[orders\n", "router.toml"),
        ("router.toml", b"\xff\xfe", "router.toml"),
        ("accounts.toml", ACCOUNT + "api_sekret = 'x'\n", "accounts.okx-main.api_sekret"),
        ("accounts.toml", ACCOUNT.replace("okx-main", "'OKX main'"), "OKX main"),
        ("accounts.toml", ACCOUNT.replace('"okx"', '"kraken"'), "accounts.okx-main.exchange"),
        ("accounts.toml", '[accounts.okx-main]\nexchange = "okx"\n', "accounts.okx-main.api_key"),
    ],
)
def test_a_wrong_setting_names_its_folder_and_its_key(
    tmp_path: Path, file: str, text: str | bytes, names: str
) -> None:
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        router_settings.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert names in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_variable_of_the_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_ROUTER_ORDERS__ACK_TIMEOUT_MS", "soon")
    with pytest.raises(ConfigError, match=r"orders\.ack_timeout_ms"):
        router_settings.load(tmp_path)


def account(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "exchange": "okx",
        "environment": "demo",
        "api_key": "env:NO_SUCH_KEY_HERE",
        "api_secret": "env:NO_SUCH_SECRET_HERE",
    }
    return Settings(accounts={"okx-main": AccountSettings(**values | changes)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {},
            "accounts.okx-main.api_key: the environment variable NO_SUCH_KEY_HERE is not set; set",
        ),
        ({"api_key": "file:/no/such/file"}, "accounts.okx-main.api_key: the file /no/such/file"),
        ({"api_key": "AKIA-the-secret-itself"}, "accounts.okx-main.api_key: write env:NAME"),
        ({"environment": "mars"}, "mars"),
        ({"exchange": "hyperliquid"}, "venue: 'hyperliquid' is unknown; known: binance"),
        ({"rest_url": "http://127.0.0.1:1"}, "give rest_url and ws_url together"),
    ],
)
def test_a_missing_secret_or_a_wrong_venue_stops_the_worker_at_once(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        WorkerProcess(account(**changes), ["okx-main"])
    assert says in str(caught.value)
    assert "AKIA" not in str(caught.value), "a secret is never shown"


def test_an_account_that_is_not_configured_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no account 'okx-other'; configured: okx-main"):
        account_setup("okx-other", account())


# --- Redis that is not there --------------------------------------------------------------------


@pytest.fixture
def dead_url() -> str:
    """The address of a port at which nobody listens; the password must never be shown."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return f"redis://user:hush-hush@127.0.0.1:{port}/0"


def shows_the_address(error: BaseException, url: str) -> None:
    text = str(error)
    assert url.rpartition("@")[2].removesuffix("/0") in text, "the address is named"
    assert "hush-hush" not in text, "the password is not"
    assert re.search(r"[Ss]tart it|call again|--redis-url", text), "what to do is said"


def test_a_strategy_without_redis_says_so_and_leaves_nothing(dead_url: str) -> None:
    strategy = Recorder()
    quick = Timing(retry_for_s=0.1)
    with pytest.raises(RedisUnavailable) as caught:
        run_strategy(
            strategy,
            "alpha",
            {"okx": "okx-main"},
            settings=Settings(redis_url=dead_url),
            timing=quick,
        )
    shows_the_address(caught.value, dead_url)
    assert strategy.told == []
    with pytest.raises(NotRunning):
        strategy.buy()


def test_a_worker_without_redis_says_so_at_once(
    dead_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KEY", "SECRET", "PASS"):
        monkeypatch.setenv(f"BAD_INPUT_{name}", "x")
    settings = account(
        api_key="env:BAD_INPUT_KEY",
        api_secret="env:BAD_INPUT_SECRET",
        passphrase="env:BAD_INPUT_PASS",
        rest_url="http://127.0.0.1:9",
        ws_url="ws://127.0.0.1:9",
    ).model_copy(update={"redis_url": dead_url})
    assert os.environ["BAD_INPUT_KEY"] == "x"
    with pytest.raises(RedisUnavailable) as caught:
        asyncio.run(WorkerProcess(settings, ["okx-main"]).run())
    shows_the_address(caught.value, dead_url)


def test_no_worker_ever_means_no_instruments_and_nothing_admitted(redis_url: str) -> None:
    strategy = Recorder()
    runner = Runner(
        strategy, "alpha", {"okx": "okx-main"}, settings=Settings(redis_url=redis_url)
    ).start()
    try:
        with pytest.raises(ConfigError, match="Start a worker for an okx account"):
            strategy.buy()
        assert strategy.cache.get_open_orders() == set()
    finally:
        runner.stop()
        runner.join(DEADLINE_S)
