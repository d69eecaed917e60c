"""What can be said to every venue: ids, expiry, changes, batches, and the REST twin of each."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.enums import OrderSide, OrderType, TimeInForce
from router.ids import new_oid, strategy_tag, wire_client_id
from router.instruments import Instrument
from tests.venues.conformance.amounts import lots
from tests.venues.conformance.sample import NOW_MS, Sample
from workers.venue import CannotEncode, Command, OrderPushed

SLOW = settings(deadline=None, max_examples=50)
TAG = strategy_tag("alpha")


def of_each_kind(sample: Sample) -> list[Instrument]:
    """Return the first instrument of each kind that the sample names."""
    return list({one.kind: one for one in reversed(sample.named.values())}.values())


# --- ids ----------------------------------------------------------------------------------------


def test_generated_ids_are_legal(sample: Sample) -> None:
    for _ in range(100):
        oid = new_oid(TAG)
        assert oid in sample.frame(sample.place(client_id=oid))
        assert oid in sample.frame(sample.cancel(client_id=oid, venue_id=""))


@SLOW
@given(client_oid=st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=64))
def test_own_ids_become_legal_ones(sample: Sample, client_oid: str) -> None:
    place = sample.place()
    client_id = wire_client_id(client_oid, TAG, place.instrument.client_id_pattern)
    assert client_id in sample.frame(replace(place, client_id=client_id))


@SLOW
@given(client_id=st.text(max_size=50))
def test_client_ids_are_sent_as_they_are_or_not_at_all(sample: Sample, client_id: str) -> None:
    place = sample.place(client_id=client_id)
    pattern = re.compile(place.instrument.client_id_pattern, re.ASCII)
    if pattern.fullmatch(client_id):
        assert client_id in sample.frame(place)
    else:
        with pytest.raises(CannotEncode) as caught:
            sample.encode("1", place)
        assert caught.value.field == "client_id"
        with pytest.raises(CannotEncode):
            sample.venue.rest_command(place)


@SLOW
@given(epoch=st.integers(1, 2**40), number=st.integers(1, 2**40))
def test_request_ids_are_legal_and_found_again(sample: Sample, epoch: int, number: int) -> None:
    request_id = f"{epoch:x}r{number:x}"
    [frame] = sample.encode(request_id, sample.place())
    assert request_id in frame


# --- what is said -------------------------------------------------------------------------------


def test_every_create_carries_its_expiry(sample: Sample) -> None:
    """Both ways: else a late create could make an order after its absence was proven."""
    sooner, later = sample.place(), sample.place(expires_ms=NOW_MS + 3_000)
    assert sample.frame(sooner) != sample.frame(later)
    by_rest = [sample.sign(sample.venue.rest_command(one)) for one in (sooner, later)]
    assert by_rest[0] != by_rest[1]


@pytest.mark.parametrize("side", list(OrderSide))
@pytest.mark.parametrize(
    ("type_", "tif"),
    [
        (OrderType.LIMIT, TimeInForce.GTC),
        (OrderType.LIMIT, TimeInForce.IOC),
        (OrderType.LIMIT, TimeInForce.FOK),
        (OrderType.POST_ONLY, TimeInForce.GTC),
        (OrderType.MARKET, TimeInForce.GTC),
    ],
)
def test_what_is_sent_is_what_the_venue_then_shows(
    sample: Sample, type_: OrderType, tif: TimeInForce, side: OrderSide
) -> None:
    """The venue's push of an order, its size in the venue's own units, comes back in ours."""
    for instrument in of_each_kind(sample):
        place = sample.place(instrument, side=side, type=type_, time_in_force=tif)
        market = type_ is OrderType.MARKET
        if market:
            place = replace(place, price=None, reference_price=place.price)
        if sample.unsaid(place):
            for say in (sample.frame, sample.venue.rest_command):
                with pytest.raises(CannotEncode):
                    say(place)
            continue
        [event] = sample.decode(sample.pushed(sample.frame(place), instrument))
        assert isinstance(event, OrderPushed)
        shown = event.report
        assert (shown.symbol, shown.client_id) == (instrument.symbol, "a1")
        assert (shown.side, shown.order_type) == (side, type_)
        assert market or shown.time_in_force == tif
        assert shown.price == place.price
        assert shown.amount == (None if instrument.kind == "inverse" else place.amount)


@SLOW
@given(count=st.integers(1, 10**9))
def test_amounts_come_back_exactly(sample: Sample, count: int) -> None:
    for instrument in of_each_kind(sample):
        if instrument.kind == "inverse":
            continue
        place = sample.place(instrument, amount=lots(instrument, count, Decimal(1)))
        [event] = sample.decode(sample.pushed(sample.frame(place), instrument))
        assert isinstance(event, OrderPushed)
        assert event.report.amount == place.amount


def test_reduce_only_is_said(sample: Sample) -> None:
    for instrument in of_each_kind(sample):
        if instrument.kind != "spot":
            place = sample.place(instrument)
            reducing = replace(place, reduce_only=True)
            assert sample.frame(place) != sample.frame(reducing)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": Decimal(0)}, "amount"),
        ({"amount": Decimal(-1)}, "amount"),
        ({"amount": Decimal("Infinity")}, "amount"),
        ({"price": None}, "price"),
        ({"price": Decimal(0)}, "price"),
        ({"price": Decimal("NaN")}, "price"),
        ({"type": OrderType.POST_ONLY, "time_in_force": TimeInForce.IOC}, "time_in_force"),
        ({"params": {"noSuchParameter": 1}}, "noSuchParameter"),
    ],
)
def test_what_cannot_be_said_names_its_field(
    sample: Sample, change: dict[str, Any], field: str
) -> None:
    place = sample.place(**change)
    with pytest.raises(CannotEncode) as caught:
        sample.encode("1", place)
    assert caught.value.field == field
    with pytest.raises(CannotEncode):
        sample.venue.rest_command(place)


def test_an_order_is_named_by_the_venues_id_where_it_is_known(sample: Sample) -> None:
    by_client = sample.cancel(client_id="known1", venue_id="")
    assert "known1" in sample.frame(by_client)
    by_venue = sample.cancel(client_id="known1", venue_id="4711")
    assert "4711" in sample.frame(by_venue)
    assert "4711" in flat(sample, by_venue)
    assert "known1" in flat(sample, by_client)


def test_a_change_says_its_new_terms(sample: Sample) -> None:
    change = sample.modify()
    if not sample.modifies:
        with pytest.raises(CannotEncode):
            sample.encode("1", change)
        with pytest.raises(CannotEncode):
            sample.venue.rest_command(change)
        return
    assert change.price is not None
    assert change.amount is not None
    assert format(change.price, "f") in sample.frame(change)
    dearer = replace(change, price=change.price + change.instrument.tick_size)
    larger = replace(change, amount=change.amount * 2)
    assert len({sample.frame(one) for one in (change, dearer, larger)}) == 3
    assert len({flat(sample, one) for one in (change, dearer, larger)}) == 3
    for half in (replace(change, price=None), replace(change, amount=None)):
        assert sample.frame(half)


# --- batches and twins --------------------------------------------------------------------------


def test_batches_hold_what_the_limits_say(sample: Sample) -> None:
    size = sample.venue.limits.batch_size
    for kind in sample.kinds:
        [frame] = sample.encode("1", *[sample.command(kind)] * size)
        assert isinstance(orjson.loads(frame), dict)
        with pytest.raises(CannotEncode):
            sample.encode("1", *[sample.command(kind)] * (size + 1))
    with pytest.raises(CannotEncode):
        sample.encode("1")


def test_a_batch_is_of_one_kind(sample: Sample) -> None:
    with pytest.raises(CannotEncode):
        sample.encode("1", sample.place(), sample.cancel())


def test_each_command_has_a_rest_twin(sample: Sample) -> None:
    seen = set()
    for kind in sample.kinds:
        request = sample.venue.rest_command(sample.command(kind))
        assert request.method in ("POST", "PUT", "DELETE")
        assert request.path.startswith("/")
        signed = sample.sign(request)
        assert signed != request, "it must be signed"
        assert sample.credentials.secret not in f"{signed.path}{signed.body}{signed.headers}"
        seen.add((request.method, request.path.partition("?")[0]))
    assert len(seen) == len(sample.kinds)


def test_both_ways_say_the_same_order(sample: Sample) -> None:
    for instrument in of_each_kind(sample):
        place = sample.place(instrument, client_id="twin1")
        by_rest = flat(sample, place)
        assert "twin1" in by_rest
        assert instrument.venue_symbol in by_rest
        assert format(place.price or 0, "f") in by_rest


def flat(sample: Sample, command: Command) -> str:
    """Return all of a REST request's text."""
    request = sample.venue.rest_command(command)
    return f"{request.path} {request.body}"
