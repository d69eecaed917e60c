"""REST calls: what is never sent late."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from workers.clock import Clock
from workers.rest import HeldBack, NotSent, RestClient
from workers.venue import (
    Credentials,
    Proof,
    RestReply,
    RestRequest,
    UnexpectedReply,
    Venue,
    Verdict,
)


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


def client_of(venue: object, threads: int = 1) -> RestClient:
    return RestClient(
        cast(Venue, venue),
        Credentials("key", "secret"),
        StandingClock(),
        threads=threads,
        connect_timeout_s=1,
        read_timeout_s=1,
    )


@pytest.fixture
def venue() -> SigningVenue:
    return SigningVenue()


@pytest.fixture
def rest(venue: SigningVenue) -> Iterator[RestClient]:
    client = client_of(venue)
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


class PagingVenue(SigningVenue):
    """Its replies name the page that follows; "" ends the list."""

    def next_page(self, request: RestRequest, reply: RestReply) -> RestRequest | None:
        return RestRequest("GET", reply.text) if reply.text else None


async def paged(answers: dict[str, str], *queries: str) -> list[str]:
    """Return what was read of these pages, each of which names the next."""
    client = client_of(PagingVenue())

    async def ask(request: RestRequest, *, signed: bool = True) -> RestReply:
        if request.path not in answers:
            raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", "no answer"))
        return RestReply(200, answers[request.path])

    client.ask = ask  # type: ignore[method-assign]
    try:
        replies = await client.ask_all([RestRequest("GET", one) for one in queries])
    finally:
        client.close()
    return [reply.text for reply in replies]


async def test_all_pages_of_all_queries_are_read() -> None:
    assert await paged({"/a": "/a2", "/a2": "/a3", "/a3": "", "/b": ""}, "/a", "/b") == [
        "/a2",
        "/a3",
        "",
        "",
    ]
    assert await paged({}) == []


async def test_a_page_that_cannot_be_had_spoils_the_whole_answer() -> None:
    with pytest.raises(UnexpectedReply, match="no answer"):
        await paged({"/a": "/lost"}, "/a")
    with pytest.raises(UnexpectedReply, match="more than"):
        await paged({"/a": "/a"}, "/a")


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


async def test_a_command_finds_a_free_thread_however_many_queries_hang() -> None:
    held, begun = threading.Event(), threading.Semaphore(0)
    client = client_of(SigningVenue(), threads=4)

    def call(request: RestRequest, signed: bool = True, may_leave: Any = None) -> RestReply:
        if request.method == "GET":
            begun.release()
            held.wait()
        return RestReply(200, request.method)

    client.call_blocking = call  # type: ignore[method-assign]
    queries = [asyncio.create_task(client.ask(RestRequest("GET", "/order"))) for _ in range(10)]
    try:
        for _ in range(2):
            await asyncio.to_thread(begun.acquire)
        assert (await client.call(REQUEST, lambda: True)).text == "POST"
        assert not begun.acquire(blocking=False), "two threads are kept"
        held.set()
        assert {reply.text for reply in await asyncio.gather(*queries)} == {"GET"}
    finally:
        held.set()
        client.close()
