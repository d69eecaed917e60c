"""REST calls: what is never sent late."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from tests.workers.fake_venue import HandTurned
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


class Refusing(BaseHTTPRequestHandler):
    """Refuses each request with ``status`` and the header, and counts them."""

    status, retry_after, asked = 429, "", 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        if self.retry_after:
            self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def refusing(status: int, retry_after: str) -> Iterator[tuple[RestClient, type[Refusing]]]:
    """Serve such refusals, and hold a client under a clock that stands still."""
    handler = type("Handler", (Refusing,), {"status": status, "retry_after": retry_after})
    venue = SigningVenue()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        venue.rest_url = lambda: f"http://127.0.0.1:{server.server_port}"  # type: ignore[method-assign]
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        client = client_of(venue)
        client._clock = HandTurned()
        try:
            yield client, handler
        finally:
            client.close()
            server.shutdown()
            serving.join()


ORDER, QUERY = RestRequest("POST", "/order"), RestRequest("GET", "/order")


@pytest.mark.parametrize(
    ("request_", "status", "retry_after", "quiet_s"),
    [
        (QUERY, 429, "7", 7.0),
        (QUERY, 429, "", 1.0),
        (QUERY, 429, "Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        (QUERY, 403, "", 30.0),
        (QUERY, 403, "600", 600.0),
        (ORDER, 418, "120", 120.0),
    ],
)
async def test_after_a_query_too_many_none_is_asked_for_a_while(
    request_: RestRequest, status: int, retry_after: str, quiet_s: float
) -> None:
    with refusing(status, retry_after) as (client, venue):
        clock = cast(HandTurned, client._clock)
        assert (await client.call(request_, lambda: True)).status == status
        for part_s in (0.0, quiet_s / 2):
            clock.turn(part_s)
            with pytest.raises(UnexpectedReply, match=rf"no query.*order: HTTP {status}") as caught:
                await client.ask(QUERY)
            assert caught.value.verdict.proof is Proof.THROTTLED
        assert (await client.call(ORDER, lambda: True)).status == status, "commands go on"
        asked = venue.asked
        clock.turn(quiet_s)
        assert (await client.ask(QUERY)).status == status
        assert venue.asked == asked + 1


@pytest.mark.parametrize(
    ("request_", "status", "retry_after"),
    [(ORDER, 429, "7"), (ORDER, 403, ""), (QUERY, 503, ""), (QUERY, 401, ""), (QUERY, 429, "0")],
)
async def test_other_refusals_ask_for_no_quiet(
    request_: RestRequest, status: int, retry_after: str
) -> None:
    with refusing(status, retry_after) as (client, _):
        await client.call(request_, lambda: True)
        assert (await client.ask(QUERY)).status == status


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
