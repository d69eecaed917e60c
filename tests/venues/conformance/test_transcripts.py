"""Recorded frames both ways, and what holds of every event."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from router.instruments import Instrument, is_on_step
from tests.venues.conformance import transcripts
from tests.venues.conformance.amounts import numbers
from tests.venues.conformance.sample import Sample
from tests.venues.conformance.transcripts import Case
from workers.venue import (
    Answer,
    BalancesPushed,
    BookPushed,
    FillPushed,
    OrderPushed,
    PositionsPushed,
    Proof,
    Subscribed,
    Unreadable,
    VenueEvent,
)

WRITTEN, READ = transcripts.written(), transcripts.read()
#: What is counted, not measured: times and places in a batch.
COUNTS = frozenset(("ts_ms", "created_ms", "index"))


@pytest.mark.parametrize("case", WRITTEN, ids=repr)
def test_writes_the_frames(case: Case) -> None:
    made = [orjson.loads(frame) for frame in case.value(case.line)]
    assert made == [orjson.loads(frame) for frame in case.expected]


@pytest.mark.parametrize("case", READ, ids=repr)
def test_reads_the_frame(case: Case) -> None:
    events = case.sample.decode(case.line)
    assert events == [case.value(expected) for expected in case.expected]


def with_unknown_fields(thing: Any) -> Any:
    if isinstance(thing, list):
        return [with_unknown_fields(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    return {
        **{name: with_unknown_fields(item) for name, item in thing.items()},
        "fieldOfTomorrow": {"of": ["tomorrow", 1, None]},
    }


@pytest.mark.parametrize("case", READ, ids=repr)
def test_unknown_fields_change_nothing(case: Case) -> None:
    """Venues add fields at any time."""
    before = case.sample.decode(case.line)
    if not case.line.startswith("{") or any(isinstance(one, Unreadable) for one in before):
        return  # what is unreadable quotes the whole text
    frame = with_unknown_fields(orjson.loads(case.line))
    assert case.sample.decode(orjson.dumps(frame).decode()) == before


@pytest.mark.parametrize("case", READ, ids=repr)
def test_numbers_are_decimals_and_times_are_whole(case: Case) -> None:
    for event in case.sample.decode(case.line):
        for name, number in numbers(event):
            assert type(number) is (int if name in COUNTS else Decimal), f"{name} {number!r}"
            assert Decimal(number).is_finite()


@pytest.mark.parametrize("case", READ, ids=repr)
def test_order_amounts_are_whole_lots_of_base_units(case: Case) -> None:
    for event in case.sample.decode(case.line):
        if not isinstance(event, OrderPushed) or event.report.amount is None:
            continue
        instrument = case.sample.instruments.symbol(event.report.symbol)
        assert isinstance(instrument, Instrument)
        assert is_on_step(event.report.amount, instrument.lot_size)


@pytest.mark.parametrize("case", READ, ids=repr)
def test_verdicts_give_their_reasons(case: Case) -> None:
    for event in case.sample.decode(case.line):
        if isinstance(event, Answer) and event.verdict.proof is not Proof.DONE:
            assert event.verdict.reason
        if isinstance(event, OrderPushed):
            assert event.report.client_id or event.report.venue_id


def test_the_transcripts_show_all_that_must_be_read(sample: Sample) -> None:
    shown: list[VenueEvent] = []
    for case in transcripts.read(sample):
        shown += sample.decode(case.line)
    wanted = {OrderPushed, BalancesPushed, BookPushed, Answer}
    if any(one.kind != "spot" for one in sample.instruments.all()):
        wanted.add(PositionsPushed)
    assert wanted - {type(event) for event in shown} == set()
    proofs = {event.verdict.proof for event in shown if isinstance(event, Answer)}
    assert {Proof.DONE, Proof.REJECTED, Proof.GONE, Proof.UNKNOWN} - proofs == set()
    states = {event.report.state for event in shown if isinstance(event, OrderPushed)}
    assert {"OPEN", "FILLED", "CANCELED"} - states == set()
    told = (isinstance(event, OrderPushed) and event.report.fill for event in shown)
    assert any(told) or any(isinstance(event, FillPushed) for event in shown)


def test_every_private_channel_is_confirmed_in_the_transcripts(sample: Sample) -> None:
    confirmed = {
        event.channel
        for case in transcripts.read(sample)
        for event in sample.decode(case.line)
        if isinstance(event, Subscribed)
    }
    for plan in sample.sockets.values():
        assert set(plan.channels) <= confirmed
