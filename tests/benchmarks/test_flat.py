"""E14. The orders of 72 hours: the memory of Redis and of every process stays flat.

What counts is how many orders come and end, not how long that takes: what ended is kept for seconds
instead of a day, and the orders of three days come in minutes. ``make test`` has a tiny one of it
in ``test_bench.py``.
"""

from dataclasses import replace

import pytest

from benchmarks import bench, flow
from tests.benchmarks.test_bench import TINY

#: An order every five seconds for 72 hours, day and night.
ORDERS = 72 * 3_600 // 5
#: Allocators give back late; what grew with each order would be far more than this.
MOST = 1.15


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.scenario("E14")
def test_e14_the_orders_of_72_hours_leave_nothing_behind() -> None:
    options = replace(TINY, flow_orders=ORDERS, window=256, batch=32)
    found = bench.run_flow(options, lambda words: None)
    assert [one.orders for one in found.resident] == [flow.FIRST, flow.FULL, ORDERS]
    grown = flow.growth(found)
    assert set(grown) == {"strategy", "worker", "venue", "jobs", "redis"}
    # Redis's pages keep the size of the fullest moment, which the rate decides; its data tells.
    router = {name: share for name, share in grown.items() if name not in ("venue", "redis")}
    assert max(router.values()) < MOST, grown
    assert found.redis_data_mib[-1] < MOST * found.redis_data_mib[1]
    assert max(found.redis_keys) < flow.FIRST / 10, found.redis_keys
    assert found.redis_entries[-1] < flow.FULL, found.redis_entries
