"""How much a run measures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Sizes of one run; rounds go floor, router, floor, router, …"""

    rounds: int = 5
    warm_up_orders: int = 300
    latency_orders: int = 1_000
    burst_orders: int = 4_000
    stage_orders: int = 1_000
    memory_orders: int = 10_000
    strategies: int = 4
    window: int = 256
    """The most orders that one strategy has unanswered during a burst."""
    batch: int = 32
    """Orders in one ``create_batch_orders``; the floor's pipelines hold as many."""
    settle_s: float = 6.0
    """How long workers serve before they are measured; a new owner looks orders up at first."""
    outages: int = 40
    """Orders, or resyncs, measured for each kind of outage; some kinds have five orders at once."""
    takeovers: int = 10
    """Repetitions of those in which a worker dies or starts: seconds each."""
    open_orders: int = 1_000
    """On an account whose worker is started."""
    durable_orders: int = 500
    """Orders one at a time, and twice as many in a burst, per mode and round."""
    flow_orders: int = 200_000
    """Orders that come and end while memory is watched; ``--memory`` only."""
    venue_orders: int = 300
    """Orders one at a time, and four times as many in a burst, per venue and round."""
    redis_url: str | None = None


QUICK = Options(
    rounds=3,
    warm_up_orders=100,
    latency_orders=300,
    burst_orders=1_500,
    stage_orders=300,
    memory_orders=2_000,
    outages=5,
    takeovers=2,
    durable_orders=150,
    venue_orders=100,
)

#: The first of the two sizes at which memory is read.
FIRST_MEMORY_ORDERS = 1_000
