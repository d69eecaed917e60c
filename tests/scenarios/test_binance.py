"""What Binance does alone: answers that leave the outcome open, the four faces of its 503, keys
that log on, and a listen key that ends."""

from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from router.enums import OrderSide, OrderType
from simulator.config import BinanceConfig, MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.scenarios.stack import FAR_PRICE, Stack, running_stack, until
from tests.scenarios.venues import SPOT, USDM, VenueUnderTest
from tests.simulator.binance_client import ed25519_pair

both = pytest.mark.venues(USDM.key, SPOT.key)
LONG = pytest.mark.long
DONE = pytest.mark.parametrize("processed", [True, False], ids=["processed", "not processed"])


@both
@DONE
@pytest.mark.parametrize("code", ["-1007", pytest.param("-1006", marks=LONG)])
@pytest.mark.rules(expiry_ms=300)
def test_an_answer_that_leaves_the_outcome_open_makes_one_order(
    stack: Stack, code: str, processed: bool
) -> None:
    """-1006 and -1007: the sheet has both as "execution status unknown"."""
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with ExitStack() as faults:
        faults.enter_context(stack.control.fault("lose_push", match=stack.here))
        faults.enter_context(
            stack.control.fault("ws_unknown", count=1, match=match, code=code, processed=processed)
        )
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert stack.ledger().requests_of(oid)[0]["processed"] == processed
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@both
@pytest.mark.parametrize(
    ("face", "processed"),
    [
        ("unknown", True),  # the others say that nothing was carried out
        ("unknown", False),
        ("unavailable", False),
        ("internal", False),
        ("throttled", False),
    ],
)
@pytest.mark.rules(expiry_ms=300)
def test_whichever_face_a_503_shows_there_is_one_order(
    stack: Stack, face: str, processed: bool
) -> None:
    strategy = stack.start_strategy()
    terms = (OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), FAR_PRICE)
    match = stack.here | {"op": "place", "transport": "rest"}
    with stack.control.fault("rest_5xx", count=1, match=match, face=face, processed=processed):
        oid = strategy.create_order(stack.symbol, *terms)
        strategy.wait_for(oid, "accepted")
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


def another(stack: Stack, before: set[str]) -> bool:
    """Whether the account has a trading socket that is none of those before."""
    now = {*stack.sockets("trade")}
    return bool(now) and not now & before


@pytest.mark.parametrize("at", [USDM, SPOT], ids=str)
def test_an_ed25519_key_logs_on_again_on_each_connection(
    redis_url: str,
    simulator: RunningSimulator,
    at: VenueUnderTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, public = ed25519_pair()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with running_stack(redis_url, simulator, venue=at, public_key=public) as stack:
        secret = stack.settings.accounts[stack.account].api_secret.removeprefix("env:")
        monkeypatch.setenv(secret, pem)
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        for _ in range(2):
            oid = strategy.buy()
            strategy.wait_for(oid, "accepted")
            assert [row["transport"] for row in stack.ledger().requests_of(oid)] == ["ws"]
            before = {*stack.sockets("trade")}
            stack.cut("trade")
            until(partial(another, stack, before), "another has logged on")
            stack.wait_connected()
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "canceled")
        stack.check(strategy)


def test_a_listen_key_is_kept_alive(redis_url: str) -> None:
    """Beyond its life pushes still come, by the connection that it was made for."""
    life_s, renew_s = 4.0, 0.5
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0),
        venues=("binance-usdm",),
        binance=BinanceConfig(listen_key_s=life_s),
    )
    venue = replace(USDM, options={**USDM.options, "renew_listen_key_s": renew_s})
    with (
        run_in_thread(config) as simulator,
        running_stack(redis_url, simulator, venue=venue) as stack,
    ):
        stack.start_worker()
        stack.wait_connected()
        [socket] = stack.sockets("private")
        strategy = stack.start_strategy()
        begun_ms = int(stack.redis.hget(stack.keys.status, "private_since_ms"))

        def is_over() -> bool:
            seconds, micros = stack.redis.time()
            return bool(seconds * 1000 + micros // 1000 - begun_ms > (life_s + renew_s) * 1000)

        until(is_over, "the life of a key that nobody renews is over")
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        stack.control.fill_order(oid, account=stack.account)
        strategy.wait_for(oid, "filled")
        assert stack.sockets("private") == [socket]
        assert "disconnected" not in strategy.events()
        stack.check(strategy)
