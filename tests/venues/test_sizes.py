"""Base units and contracts: the invariants of ``workers/venues/sizes.py``."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.okx.sample import INVERSE, SPOT, SWAP, encoded, limit
from workers.venues.sizes import fill_base, filled_base, to_base, to_size

steps = st.integers(1, 10**12)
prices = st.decimals("0.5", "200000", places=1)


@given(steps)
def test_1_spot_and_linear_sizes_come_back_exactly(count: int) -> None:
    for one in (SPOT, SWAP):
        amount = count * one.lot_size
        size = to_size(one, amount, None)
        assert to_base(one, size) == amount
        assert fill_base(one, size, Decimal(1)) == filled_base(one, size, None) == amount


@given(steps)
def test_1_contracts_on_the_wire_are_whole_lots(count: int) -> None:
    [item] = orjson.loads(encoded(limit(SWAP, str(count * SWAP.lot_size))))["args"]
    assert Decimal(item["sz"]) == count * Decimal("0.01")


@given(st.lists(st.tuples(st.integers(1, 10**6), prices), min_size=1, max_size=8))
def test_2_an_inverse_total_never_exceeds_its_fills(fills: list[tuple[int, Decimal]]) -> None:
    total = sum(count for count, _ in fills)
    average = total / sum((Decimal(count) / price for count, price in fills), Decimal(0))
    filled = filled_base(INVERSE, Decimal(total), average)
    told = sum(fill_base(INVERSE, Decimal(count), price) for count, price in fills)
    assert filled <= told <= filled + Decimal("0.0000000101")


@given(st.integers(1, 10**6), prices)
def test_2_an_inverse_amount_makes_the_contracts_it_came_from(count: int, price: Decimal) -> None:
    amount = filled_base(INVERSE, Decimal(count), price)
    if amount > 0:
        assert to_size(INVERSE, amount, price) == count


@given(st.decimals("0.01", "1000", places=4), prices)
def test_2_an_inverse_size_is_never_more_than_asked(amount: Decimal, price: Decimal) -> None:
    worth = (amount + INVERSE.lot_size) * price
    if worth >= INVERSE.contract_size:
        size = to_size(INVERSE, amount, price)
        assert size * INVERSE.contract_size <= worth < (size + 1) * INVERSE.contract_size


def test_2_inverse_lots_may_be_larger_than_one() -> None:
    tens = INVERSE.model_copy(update={"venue_ids": {"instIdCode": "1", "size_step": "10"}})
    assert to_size(tens, Decimal("0.05"), Decimal(50000)) == 20


def test_an_inverse_amount_without_a_price_is_unknown() -> None:
    assert to_base(INVERSE, Decimal(5)) is None
    with pytest.raises(ArithmeticError):
        filled_base(INVERSE, Decimal(5), None)
    assert filled_base(INVERSE, Decimal(0), None) == 0
