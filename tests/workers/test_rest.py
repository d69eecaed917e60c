"""REST calls: what is never sent late."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from workers.clock import Clock
from workers.rest import NotSent, RestClient
from workers.venue import Credentials, RestRequest, Venue


class SigningVenue:
    """Notes what it is asked to sign; nothing listens where it sends."""

    def __init__(self) -> None:
        self.signed: list[RestRequest] = []

    def rest_url(self) -> str:
        return "http://127.0.0.1:1"

    def sign(self, request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
        self.signed.append(request)
        return request


class StandingClock(Clock):
    """The venue's time stands at 1,000,000 ms."""

    def now_ms(self) -> int:
        return 1_000_000


@pytest.fixture
def venue() -> SigningVenue:
    return SigningVenue()


@pytest.fixture
def rest(venue: SigningVenue) -> Iterator[RestClient]:
    client = RestClient(
        cast(Venue, venue),
        Credentials("key", "secret"),
        StandingClock(),
        threads=1,
        connect_timeout_s=1,
        read_timeout_s=1,
    )
    yield client
    client.close()


REQUEST = RestRequest("POST", "/order")


async def test_a_request_that_expired_while_it_waited_never_leaves(
    rest: RestClient, venue: SigningVenue
) -> None:
    """A busy pool of threads may hold a create for longer than it is good for (P4)."""
    with pytest.raises(NotSent, match="expired"):
        await rest.call(replace(REQUEST, expires_ms=1_000_000))
    assert venue.signed == []


@pytest.mark.parametrize("expires_ms", [0, 1_000_001])
async def test_any_other_is_signed_and_sent(
    rest: RestClient, venue: SigningVenue, expires_ms: int
) -> None:
    request = replace(REQUEST, expires_ms=expires_ms)
    with pytest.raises(NotSent) as caught:
        await rest.call(request)  # nobody listens there: no connection was made
    assert "expired" not in str(caught.value)
    assert venue.signed == [request]


def test_a_client_shows_where_it_calls(rest: RestClient) -> None:
    shown: Any = repr(rest)
    assert "127.0.0.1" in shown
