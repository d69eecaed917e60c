"""The examples run, and the guide's own one is the guide's text with other imports."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.ack_errors import AckErrors
from examples.fallback_modes import FallbackModes
from examples.grace_window import GraceWindow
from examples.idempotent_entry import IdempotentEntry
from examples.resync import ResyncAware
from examples.robust_entry import RobustEntry
from strategy_sdk.loader import make_strategy
from strategy_sdk.testing import StrategyHarness, linear_perpetual
from tests.strategy_sdk.recorder import SYMBOL

ROOT = Path(__file__).parents[2]
SEED = Path(__file__).parent / "data" / "seed_full_example.txt"
INSTRUMENTS = [linear_perpetual()]


def test_the_full_example_differs_from_the_guide_in_its_imports_only() -> None:
    guide = SEED.read_text(encoding="utf-8").splitlines()
    ours = (ROOT / "examples" / "robust_entry.py").read_text(encoding="utf-8").splitlines()
    assert len(guide) == len(ours)
    changed = [pair for pair in zip(guide, ours, strict=True) if pair[0] != pair[1]]
    assert [theirs.replace("nexustrader.", "strategy_sdk.") for theirs, _ in changed] == [
        mine for _, mine in changed
    ]
    assert len(changed) == 3


def test_the_full_example_trades_once_and_stands_every_outcome(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    strategy: Any = RobustEntry  # the guide's text has no types
    with StrategyHarness(strategy(), INSTRUMENTS) as harness:
        for ask in (95_000, 89_500, 89_499):
            harness.book(SYMBOL, 89_400, ask)
        [create] = harness.creates
        assert (create.price, create.ws_fallback) == (Decimal("89500"), True)
        harness.query_finds(create.oid, found=False)
        harness.lose_ack(create.oid, confirmed=False)
        harness.lose_ack(create.oid, confirmed=True)
        harness.status("disconnected")
        assert not harness.strategy._ws_ready  # type: ignore[attr-defined]
        harness.resync_diff({"open_orders_removed": [create.oid]})
        harness.status("resynced")
        harness.fill(create.oid, create.amount, "89500")
        assert harness.runner.gateway.grace_ms == {"okx": 1200}
        assert harness.runner.callbacks.raised == 0
    for line in (
        f"Order {create.oid} missing after timeout",
        f"Order {create.oid} confirmed via REST",
        f"Orders gone during outage: ['{create.oid}']",
        f"Filled {create.oid} @ 89500",
    ):
        assert line in caplog.text


def test_idempotent_entry_trades_again_once_after_a_refusal() -> None:
    with StrategyHarness(IdempotentEntry(), INSTRUMENTS) as harness:
        for _ in range(3):
            harness.book(SYMBOL, 89_400, 89_500)
        [first] = harness.creates
        assert first.client_oid == "entry_btc_001" != first.client_id
        harness.reject(first.oid)
        harness.book(SYMBOL, 89_400, 89_500)
        second = harness.creates[-1]
        assert second.oid != first.oid
        harness.accept(second.oid)
        harness.fill(second.oid, second.amount, "89500")
        assert harness.runner.callbacks.raised == 0


def test_fallback_modes_cancels_by_whatever_way_works() -> None:
    with StrategyHarness(FallbackModes(), INSTRUMENTS) as harness:
        harness.book(SYMBOL, 89_400, 89_500)
        patient, strict = harness.creates
        assert (patient.ws_fallback, strict.ws_fallback) == (True, False)
        harness.not_sent(strict.oid)
        harness.accept(patient.oid)
        assert not harness.cancels[-1].ws_fallback
        harness.refuse_cancel(patient.oid, "WS_REQUEST_NOT_SENT: socket down")
        assert harness.cancels[-1].ws_fallback
        harness.canceled(patient.oid)
        assert harness.runner.callbacks.raised == 0


def test_ack_errors_tells_every_outcome_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with StrategyHarness(AckErrors(), INSTRUMENTS) as harness:
        harness.book(SYMBOL, 89_400, 89_500)
        [create] = harness.creates
        for found in (None, False, True):
            harness.query_finds(create.oid, found=found)
            harness.lose_ack(create.oid, confirmed=False)
        harness.reject(create.oid, "51008 no margin")
        assert harness.runner.callbacks.raised == 0
    for text in ("stays unknown", "is not at the venue", "found at the venue", "51008 no margin"):
        assert text in caplog.text


def test_resync_aware_waits_for_the_resync() -> None:
    strategy = ResyncAware()
    with StrategyHarness(strategy, INSTRUMENTS) as harness:
        harness.status("disconnected")
        harness.status("reconnected")
        assert not strategy.ws_ready
        changes = ("open_orders_removed", "open_orders_added", "positions_closed")
        harness.resync_diff({name: ["x"] for name in changes})
        harness.status("resynced")
        assert strategy.ws_ready
        assert harness.runner.callbacks.raised == 0


def test_grace_window_registers_both_exchanges() -> None:
    with StrategyHarness(GraceWindow(), INSTRUMENTS) as harness:
        assert harness.runner.gateway.grace_ms == {"okx": 1500, "binance": 1000}


def test_an_example_is_found_as_the_command_names_it() -> None:
    made = make_strategy(f"{ROOT}/examples/robust_entry.py:RobustEntry")
    assert type(made).__name__ == "RobustEntry"
