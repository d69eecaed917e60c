"""A venue's names of instruments: one of them may stand for a pair and for a contract."""

from strategy_sdk.testing import linear_perpetual
from workers.venue import Instruments


def test_a_name_of_two_instruments_needs_the_kind() -> None:
    contract = linear_perpetual("AB-PERP.OKX").model_copy(update={"venue_symbol": "AB"})
    pair = contract.model_copy(update={"symbol": "AB.OKX", "kind": "spot"})
    single = contract.model_copy(update={"symbol": "CD-PERP.OKX", "venue_symbol": "CD"})
    known = Instruments([contract, pair, single])
    assert known.venue_symbol("AB", "linear") is contract
    assert known.venue_symbol("AB", "spot") is pair
    assert known.venue_symbol("AB") is None, "said of both, so of neither"
    assert known.venue_symbol("CD") is single
    assert known.venue_symbol("CD", "spot") is None
