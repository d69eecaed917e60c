"""The schedules of faults: complete, in order, and the same for the same seed."""

from collections.abc import Iterator

import pytest

from demo.faults import Act, ActByHand, Arm, CloseSockets, KillWorker, Step, VenueAct, schedule
from simulator.exchange.faults import MATCH_KEYS, NAMES


def acts(steps: list[Step]) -> Iterator[Act]:
    for step in steps:
        yield from step.acts


def test_none_is_none() -> None:
    assert schedule("none", 30, 1) == []


def test_the_default_has_every_fault_that_the_demo_promises() -> None:
    found = list(acts(schedule("default", 30, 1)))
    armed = {one.fault for one in found if isinstance(one, Arm)}
    assert armed >= {"lose_ack", "lose_push", "hangup_before", "hangup_after", "reject"}
    assert CloseSockets("private") in found
    assert any(isinstance(one, ActByHand) and one.fills and one.cancels for one in found)


@pytest.mark.parametrize("seed", range(20))
def test_a_storm_is_in_order_of_time_and_known_to_the_simulator(seed: int) -> None:
    steps = schedule("storm", 30, seed)
    times = [step.at_s for step in steps]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 30
    assert KillWorker() in acts(steps)
    for one in acts(steps):
        assert isinstance(one, VenueAct | KillWorker)
        if isinstance(one, Arm):
            assert one.fault in NAMES
            assert set(one.match) <= MATCH_KEYS
            assert one.count is not None or one.duration_ms is not None


def test_the_seed_decides() -> None:
    assert schedule("storm", 30, 7) == schedule("storm", 30, 7)
    assert schedule("storm", 30, 7) != schedule("storm", 30, 8)
