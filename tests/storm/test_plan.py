"""The plan of a storm: the seed decides all of it, every kind is there, all is undone in time."""

import pytest

from demo.faults import Step
from storm.plan import (
    Disturb,
    Halt,
    HangUp,
    Kill,
    KillRedis,
    Pause,
    Undo,
    schedule,
)

VENUES, STRATEGIES = ("okx", "binance-usdm"), ("maker", "taker")


def plan(seed: int, seconds: float = 60.0) -> list[Step]:
    return schedule(seconds, seed, venues=VENUES, strategies=STRATEGIES)


def test_the_seed_decides() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


@pytest.mark.parametrize("seconds", [10.0, 60.0])
@pytest.mark.parametrize("seed", range(10))
def test_every_kind_is_there_and_undone_before_the_end(seed: int, seconds: float) -> None:
    steps = plan(seed, seconds)
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    assert steps[0].at_s > 0
    assert steps[-1].at_s < seconds
    acts = [act for step in steps for act in step.acts]
    for kind in (Kill, Pause, Disturb, HangUp, KillRedis, Halt):
        assert any(isinstance(act, kind) for act in acts), kind
    killed = {act.who.name for act in acts if isinstance(act, Kill)}
    assert killed >= {"owner", "other", "jobs"}
    assert killed & set(STRATEGIES)
    done = [
        act.number for act in acts if isinstance(act, Kill | Pause | Disturb | KillRedis | Halt)
    ]
    undone = [act.number for act in acts if isinstance(act, Undo)]
    assert sorted(done) == sorted(undone)
    assert len(set(done)) == len(done)
