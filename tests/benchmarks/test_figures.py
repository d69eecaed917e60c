"""Quantiles, medians of rounds, ratios."""

import pytest

from benchmarks.figures import Spread, quantile, ratios, spread


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1, 100), (0.001, 1)]
)
def test_a_quantile_is_a_sample(share: float, expected: float) -> None:
    assert quantile([float(one) for one in range(100, 0, -1)], share) == expected


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_a_quantile_of_nothing_is_an_error(samples: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(samples, share)


def test_a_spread_is_the_median_of_rounds_and_their_range() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
