"""Two faults that meet the same request."""

from typing import Any

import pytest

from simulator.server import RunningSimulator
from tests.simulator.okx_client import open_private, spot


@pytest.mark.parametrize(
    ("refusal", "params"), [("throttle", {}), ("throttle", {"shape": "top"}), ("reject", {})]
)
async def test_a_refusal_can_be_late_or_lost_like_any_answer(
    sim: RunningSimulator, refusal: str, params: dict[str, Any]
) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault(refusal, **params):
            with sim.control.fault("delay_ack", count=1, delay_ms=1_500):
                late = await ws.send_op("order", spot("a1"))
                await ws.ping()
                assert not [row for row in sim.control.ledger().requests if row["replied"]]
                assert (await ws.reply(late))["code"] != "0"
            with sim.control.fault("lose_ack", count=1):
                await ws.send_op("order", spot("a2"))
                await ws.ping()
    assert [row["replied"] for row in sim.control.ledger().requests] == [True, False]
    assert sim.control.ledger().orders == []
