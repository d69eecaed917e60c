"""Each query has a request, reads its reply, and takes nothing else for an answer."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from router.evidence import Source
from tests.venues.conformance.amounts import numbers
from tests.venues.conformance.sample import NOW_MS, Sample
from tests.venues.conformance.test_codes import HTML
from workers.venue import Proof, RestReply, RestRequest, UnexpectedReply

DAY_MS = 24 * 3600 * 1000
Read = Callable[[RestReply], Any]


def requests(found: "RestRequest | list[RestRequest] | None") -> list[RestRequest]:
    """Return what a venue describes as a list, however it gives it; none is no query."""
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def queries(sample: Sample) -> dict[str, tuple[list[RestRequest], Read, str]]:
    """Return each kind of query: its requests, its reader, and a real reply."""
    venue, known, replies = sample.venue, sample.instruments, sample.replies
    of = sample.place().instrument
    since = NOW_MS - DAY_MS
    open_orders = requests(venue.query_open_orders())
    history = requests(venue.query_history(of, since))
    fills = requests(venue.query_fills(of, "77", since, NOW_MS))
    found: dict[str, tuple[list[RestRequest], Read, str]] = {
        "order": (
            requests(venue.query_order(of, "a1", "")),
            lambda reply: venue.read_order(reply, known),
            replies.order,
        ),
        "open_orders": (
            open_orders,
            lambda reply: venue.read_page(open_orders[0], reply, known).orders,
            replies.open_orders,
        ),
        "history": (
            history,
            lambda reply: venue.read_page(history[0], reply, known).orders,
            replies.history,
        ),
        "fills": (
            fills,
            lambda reply: venue.read_page(fills[0], reply, known).fills,
            replies.fills,
        ),
        "balances": (requests(venue.query_balances()), venue.read_balances, replies.balances),
        "positions": (
            requests(venue.query_positions()),
            lambda reply: venue.read_positions(reply, known),
            replies.positions,
        ),
        "instruments": (
            requests(venue.query_instruments()),
            venue.read_instruments,
            sample.listing,
        ),
        "time": (requests(venue.query_time()), venue.read_time, replies.time),
    }
    return {name: query for name, query in found.items() if query[0]}


def test_every_query_is_described(sample: Sample) -> None:
    described = queries(sample)
    optional = {"positions"} if all(one.kind == "spot" for one in sample.named.values()) else set()
    expected = {
        "order",
        "open_orders",
        "history",
        "fills",
        "balances",
        "positions",
        "instruments",
        "time",
    }
    assert expected - set(described) <= optional
    for asked, _, _ in described.values():
        for request in asked:
            assert request.method == "GET"
            assert request.path.startswith("/")
            assert not request.body
            assert sample.sign(request) != request


def test_every_query_reads_its_reply(sample: Sample) -> None:
    for name, (_, read, text) in queries(sample).items():
        found = read(RestReply(200, text))
        assert found, name
        for field, number in numbers(found):
            assert type(number) in (int, Decimal), f"{name}: {field}"


def test_reports_say_where_they_come_from(sample: Sample) -> None:
    described = queries(sample)
    sources = {
        "order": {Source.QUERY},
        "open_orders": {Source.OPEN_ORDERS},
        "history": {Source.HISTORY},
    }
    for name, expected in sources.items():
        _, read, text = described[name]
        found = read(RestReply(200, text))
        reports = found if isinstance(found, Iterable) else [found]
        assert {report.source for report in reports} == expected
        for report in reports:
            assert report.fill is None, "a snapshot is no event"
            assert sample.instruments.symbol(report.symbol) is not None


def test_an_order_is_asked_for_by_the_venues_id_where_it_is_known(sample: Sample) -> None:
    of = sample.place().instrument
    by_client, by_venue = (
        requests(sample.venue.query_order(of, "known1", venue_id))[0].path
        for venue_id in ("", "4711")
    )
    assert "known1" in by_client
    assert "4711" in by_venue
    assert (of.venue_symbol in by_client) != sample.found_by_id_alone


def test_no_such_order_is_said_cleanly_or_not_at_all(sample: Sample) -> None:
    assert sample.venue.read_order(sample.replies.absent, sample.instruments) is None
    late = RestReply(503, sample.replies.absent.text)
    with pytest.raises(UnexpectedReply):
        sample.venue.read_order(late, sample.instruments)


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, ""), (502, HTML), (503, "{}"), (429, HTML), (403, HTML), (200, HTML), (200, '"x"')],
)
def test_what_is_no_answer_answers_nothing(sample: Sample, status: int, text: str) -> None:
    for _, read, _ in queries(sample).values():
        with pytest.raises(UnexpectedReply) as caught:
            read(RestReply(status, text))
        assert caught.value.verdict.reason


@pytest.mark.parametrize("status", [403, 429])
def test_a_query_that_was_one_too_many_is_throttled(sample: Sample, status: int) -> None:
    """A 403 of a page that is not the venue's, too: it is a gateway's, which counts addresses."""
    for _, read, _ in queries(sample).values():
        with pytest.raises(UnexpectedReply) as caught:
            read(RestReply(status, HTML))
        assert caught.value.verdict.proof is Proof.THROTTLED


def test_a_server_error_with_a_good_body_answers_nothing(sample: Sample) -> None:
    for _, read, text in queries(sample).values():
        with pytest.raises(UnexpectedReply):
            read(RestReply(500, text))


def test_the_account_mode_lets_trade(sample: Sample) -> None:
    request = sample.venue.query_account_mode()
    assert (request is None) == (not sample.replies.account_mode)
    if request is not None:
        reply = RestReply(200, sample.replies.account_mode)
        assert sample.venue.check_account_mode(reply) is None
        with pytest.raises(UnexpectedReply):
            sample.venue.check_account_mode(RestReply(502, HTML))


def test_instruments_are_found_by_both_names(sample: Sample) -> None:
    listed = sample.instruments.all()
    assert listed
    for one in listed:
        assert sample.instruments.symbol(one.symbol) is one
        assert sample.instruments.venue_symbol(one.venue_symbol, one.kind) is one
        assert one.exchange is sample.venue.exchange
        assert one.symbol.endswith(f".{sample.venue.exchange.name}")
        assert min(one.tick_size, one.lot_size, one.min_amount, one.contract_size) > 0
