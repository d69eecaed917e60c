"""Stamps of two processes become the stages of single orders."""

from benchmarks.stages import STAGES, Stamp, merge, summarize

STRATEGY_STAMPS = ("submit", "received", "pending", "admitted")


def stamps(begin_ns: int, step_ns: int) -> list[Stamp]:
    """Return all stamps of one order, one step apart."""
    names = ["submit", *(name for name, _, _ in STAGES)]
    made = [(name, begin_ns + at * step_ns) for at, name in enumerate(names)]
    return [*made, ("admitted", begin_ns + step_ns // 2)]


def split(every: list[Stamp]) -> tuple[list[Stamp], list[Stamp]]:
    """Return the strategy's and the worker's stamps."""
    strategy = [one for one in every if one[0] in STRATEGY_STAMPS]
    return strategy, [one for one in every if one not in strategy]


def test_each_order_has_the_stamps_after_its_own_submit() -> None:
    orders = merge(*split(stamps(0, 1_000) + stamps(100_000, 2_000)))
    assert [order["pending"] - order["submit"] for order in orders] == [8_000, 16_000]


def test_stamps_of_what_follows_an_ack_are_nobodys() -> None:
    push = [("heard", 9_100), ("write", 9_200), ("written", 9_300), ("received", 9_400)]
    orders = merge(*split(stamps(0, 1_000) + push + stamps(100_000, 1_000)))
    assert [order["write"] - order["submit"] for order in orders] == [6_000, 6_000]


def test_an_order_with_a_stamp_missing_is_left_out() -> None:
    broken = [one for one in stamps(0, 1_000) if one[0] != "heard"]
    assert len(merge(*split(broken + stamps(100_000, 1_000)))) == 1


def test_the_summary_names_every_stage_and_the_whole() -> None:
    rows = {one.name: one.p50_us for one in summarize(merge(*split(stamps(0, 1_000))))}
    assert [name for _, name, _ in STAGES] == list(rows)[: len(STAGES)]
    assert rows["encode"] == 1.0
    assert rows["whole"] == 8.0
    assert rows["create_order_ws"] == 0.5
