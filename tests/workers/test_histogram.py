"""The histogram: every value in its bucket, quantiles exact to the bucket."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.histogram import Histogram
from workers.metrics import SECONDS

BOUNDS = (1.0, 2.0, 5.0)


def filled(*values: float, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    made = Histogram(bounds)
    for value in values:
        made.observe(value)
    return made


def test_a_value_falls_into_the_first_bucket_that_holds_it() -> None:
    one = filled(0.5, 1.0, 1.5, 5.0, 7.0)
    assert list(one.cumulative()) == [(1.0, 2), (2.0, 3), (5.0, 4), (float("inf"), 5)]
    assert (one.count, one.total, one.most) == (5, 15.0, 7.0)
    assert repr(one) == "Histogram(count=5, p50=1.5, most=7.0)"


def test_an_empty_one_has_no_values() -> None:
    one = filled()
    assert one.count == one.quantile(0.5) == one.quantile(1.0) == one.most == 0
    assert list(one.cumulative()) == [(1.0, 0), (2.0, 0), (5.0, 0), (float("inf"), 0)]


def test_a_clock_that_was_set_back_counts_as_no_time() -> None:
    one = filled(-3.0)
    assert (one.count, one.total, one.most) == (1, 0.0, 0.0)
    assert one.quantile(0.99) == 0.0


def test_no_quantile_is_above_what_was_seen() -> None:
    assert filled(0.2).quantile(0.99) <= 0.2
    assert filled(80.0).quantile(0.5) <= 80.0
    assert filled(1.5, 80.0).quantile(1.0) == 80.0


@given(
    st.lists(st.floats(min_value=1e-6, max_value=500.0), min_size=1, max_size=200),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    one = filled(*values, bounds=SECONDS)
    true = sorted(values)[max(0, -int(-q * len(values) // 1) - 1)]
    bounds = (0.0, *SECONDS, float("inf"))
    above = next(at for at, bound in enumerate(bounds) if true <= bound)
    assert bounds[above - 1] * (1 - 1e-9) <= one.quantile(q) <= min(bounds[above], one.most)
    assert one.total == pytest.approx(sum(values))
    assert one.quantile(1.0) == one.most == max(values)


def test_the_bounds_grow_evenly_from_a_tenth_of_a_millisecond_to_a_hundred_seconds() -> None:
    assert (SECONDS[0], SECONDS[-1]) == (0.0001, 100.0)
    steps = [above / below for below, above in itertools.pairwise(SECONDS)]
    assert all(1.5 < step < 1.7 for step in steps)
