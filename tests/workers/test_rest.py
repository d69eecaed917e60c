"""REST calls: what is never sent late."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from workers.clock import Clock
from workers.rest import HeldBack, NotSent, RestClient
from workers.venue import Credentials, RestRequest, UnexpectedReply, Venue


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
        await rest.call(replace(REQUEST, expires_ms=1_000_000), lambda: True)
    assert venue.signed == []


@pytest.mark.parametrize("expires_ms", [0, 1_000_001])
async def test_any_other_is_signed_and_sent(
    rest: RestClient, venue: SigningVenue, expires_ms: int
) -> None:
    request = replace(REQUEST, expires_ms=expires_ms)
    with pytest.raises(NotSent) as caught:
        await rest.call(request, lambda: True)  # nobody listens there: no connection was made
    assert "expired" not in str(caught.value)
    assert venue.signed == [request]


async def test_the_lease_is_asked_for_once_a_thread_is_free(rest: RestClient) -> None:
    """A command that waited for a thread while the lease ended must not leave (P4)."""
    held, begun, free = [True], threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        free.wait()

    busy = rest._pool.submit(wait)  # the only thread
    begun.wait()
    waiting = asyncio.ensure_future(rest.call(REQUEST, lambda: held[0]))
    await asyncio.sleep(0)
    held[0] = False
    free.set()
    busy.result()
    with pytest.raises(HeldBack):
        await waiting


async def test_queries_need_no_lease(rest: RestClient) -> None:
    with pytest.raises(UnexpectedReply):  # nobody listens there
        await rest.ask(RestRequest("GET", "/order"))


def test_a_client_shows_where_it_calls(rest: RestClient) -> None:
    shown: Any = repr(rest)
    assert "127.0.0.1" in shown
