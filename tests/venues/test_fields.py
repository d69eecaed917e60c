"""Fields of an item: read as what they are, or refused by name."""

import pytest

from workers.venues.fields import Malformed, moment


@pytest.mark.parametrize(
    ("value", "ms"), [("1597026383085", 1_597_026_383_085), (5, 5), ("", 0), (None, 0)]
)
def test_a_time_is_a_number_or_its_text_and_0_where_there_is_none(value: object, ms: int) -> None:
    assert moment({"ts": value}, "ts") == ms


def test_a_time_that_is_absent_is_0() -> None:
    assert moment({}, "ts") == 0


@pytest.mark.parametrize("value", [True, 1.5, "now", "-1", "1" * 21, ["1"]])
def test_what_is_no_time_is_refused_by_name(value: object) -> None:
    with pytest.raises(Malformed, match="ts is not a time"):
        moment({"ts": value}, "ts")
