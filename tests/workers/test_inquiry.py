"""What the venue lists is taken for an order only if it is that order."""

from typing import Any, cast

from router.outcomes import Rung
from tests.workers.samples import record, report
from workers.clock import Clock
from workers.inquiry import Inquiry
from workers.venue import Instruments


def inquiry() -> Inquiry:
    nothing: Any = None
    return Inquiry(nothing, nothing, Clock(), Instruments)


def test_an_order_of_another_symbol_may_have_the_same_venue_id() -> None:
    mine = record("o1", venue_id="7")
    other = report("x", symbol="ETHUSDT-PERP.OKX", venue_id="7")
    assert inquiry()._pick(mine, [other]).rung is Rung.NOT_FOUND
    found = inquiry()._pick(mine, [other, report("o1", venue_id="7")])
    assert found.rung is Rung.FOUND
    assert cast(Any, found.report).client_id == "c-o1"
