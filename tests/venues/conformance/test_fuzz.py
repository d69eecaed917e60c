"""Whatever a venue sends, decoding never raises, and readers raise the port's error alone."""

import contextlib
import json
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.venues.conformance import transcripts
from tests.venues.conformance.amounts import numbers
from tests.venues.conformance.fuzz import spoilt, spoilt_once, values, words_of
from tests.venues.conformance.sample import Sample
from tests.venues.conformance.test_queries import queries
from workers.venue import RestReply, UnexpectedReply, Unreadable, VenueEvent

FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
EVENTS = get_args(VenueEvent)


@cache
def frames(sample: Sample) -> list[str]:
    return [case.line for case in transcripts.read(sample)]


@cache
def anything(sample: Sample) -> "st.SearchStrategy[Any]":
    return values(words_of([*frames(sample), *replies(sample)]))


@cache
def replies(sample: Sample) -> list[str]:
    return [text for _, _, text in queries(sample).values()]


def decoded(sample: Sample, text: str) -> None:
    for event in sample.decode(text):
        assert isinstance(event, EVENTS)
        assert repr(event)
        assert all(not isinstance(number, float) for _, number in numbers(event))


def test_no_part_of_a_frame_can_make_it_raise(sample: Sample) -> None:
    for text in frames(sample):
        for spoiled in spoilt_once(text):
            decoded(sample, spoiled)


def test_no_part_of_a_reply_can_make_another_error(sample: Sample) -> None:
    for _, read, text in queries(sample).values():
        for spoiled in spoilt_once(text):
            with contextlib.suppress(UnexpectedReply):
                read(RestReply(200, spoiled))


@FUZZ
@given(data=st.data())
def test_no_spoilt_frame_raises(sample: Sample, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(frames(sample)))
    decoded(sample, spoilt(text, data, anything(sample)))


@FUZZ
@given(data=st.data())
def test_no_frame_of_the_venues_own_words_raises(sample: Sample, data: st.DataObject) -> None:
    decoded(sample, json.dumps(data.draw(anything(sample))))


@FUZZ
@given(data=st.data())
def test_no_broken_text_raises(sample: Sample, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(frames(sample)))
    start, end = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
    decoded(sample, text[:start] + data.draw(st.text(max_size=10)) + text[end:])


@FUZZ
@given(text=st.text(max_size=60))
def test_no_text_raises(sample: Sample, text: str) -> None:
    decoded(sample, text)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "1", '"x"', "[" * 2000, '{"a":' * 2000, "\ud800", '{"a":1e999}'],
)
def test_what_is_no_frame_is_unreadable(sample: Sample, text: str) -> None:
    [event] = sample.decode(text)
    assert isinstance(event, Unreadable)
    assert event.reason


@FUZZ
@given(data=st.data(), status=st.sampled_from([200, 200, 400, 429, 500]))
def test_no_spoilt_reply_raises_another_error(
    sample: Sample, data: st.DataObject, status: int
) -> None:
    text = data.draw(st.sampled_from(replies(sample)))
    reply = RestReply(status, spoilt(text, data, anything(sample)))
    read_by_all(sample, reply)


@FUZZ
@given(data=st.data(), status=st.sampled_from([200, 400, 429, 500]))
def test_no_reply_raises_another_error(sample: Sample, data: st.DataObject, status: int) -> None:
    read_by_all(sample, RestReply(status, json.dumps(data.draw(anything(sample)))))


def read_by_all(sample: Sample, reply: RestReply) -> None:
    for kind in sample.kinds:
        answer = sample.venue.read_command(reply, sample.command(kind))
        assert answer.client_id or answer.venue_id
    for _, read, _ in queries(sample).values():
        with contextlib.suppress(UnexpectedReply):
            read(reply)
    with contextlib.suppress(UnexpectedReply):
        sample.venue.check_account_mode(reply)
