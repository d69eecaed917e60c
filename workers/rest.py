"""REST in threads: one ``requests`` session a thread, foreign errors mapped to what they prove."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests
import urllib3.exceptions

from router.outcomes import Verdict
from workers.clock import Clock
from workers.metrics import AccountMetrics
from workers.venue import Credentials, Proof, RestReply, RestRequest, UnexpectedReply, Venue

#: OKX pages hold 100: more than any account may have open, and a minute of a very busy history.
MOST_PAGES = 200
_KEPT_FOR_COMMANDS = 2


class NotSent(Exception):
    """The request provably never reached the venue: no connection was made."""


class NoAnswer(Exception):
    """The request may have reached the venue; nothing is known of its fate."""


class HeldBack(Exception):
    """The request never left: when a thread was free for it, it might not be sent any more."""


_CANNOT_CONNECT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
)


def _always() -> bool:
    """A query may leave whoever owns the account."""
    return True


#: What a 429 is about is counted by the second mostly; a 403 holds an address off for minutes.
_QUIET_S = {429: 1.0, 403: 30.0}
_QUOTED = 200  # characters of what the venue said


def _quiet_s(request: RestRequest, response: requests.Response) -> float:
    """Return the seconds for which queries must wait, as one was too many; 0.0 if it was not.

    At 418 the address is banned, whatever was asked; a 429 for an order may be about orders alone.
    Where the venue does not say how long (Retry-After, not as a date), it is ``_QUIET_S``.
    """
    status = response.status_code
    if status != 418 and (request.method != "GET" or status not in _QUIET_S):
        return 0.0
    retry_after = response.headers.get("Retry-After", "")
    return float(retry_after) if retry_after.isdecimal() else _QUIET_S.get(status, 0.0)


class RestClient:
    """Signed and public REST calls of one account."""

    def __init__(
        self,
        venue: Venue,
        credentials: Credentials,
        clock: Clock,
        *,
        threads: int,
        connect_timeout_s: float,
        read_timeout_s: float,
        metrics: AccountMetrics | None = None,
    ) -> None:
        self._venue = venue
        self._credentials = credentials
        self._clock = clock
        self._metrics = metrics or AccountMetrics()
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        # However many orders are asked for, a cancel finds a free thread.
        self._questions = asyncio.Semaphore(max(1, threads - _KEPT_FOR_COMMANDS))
        self._quiet_until_s = 0.0
        self._quiet_why = ""

    def __repr__(self) -> str:
        return f"RestClient({self._venue.rest_url()})"

    async def call(self, request: RestRequest, may_leave: Callable[[], bool]) -> RestReply:
        """Return the venue's reply to a request that changes something, whatever its status.

        ``may_leave`` is asked in the thread, just before the request leaves: it may have waited
        for a free one for longer than the lease lasts.

        Raises:
            HeldBack: If it might not leave any more.
            NotSent: If no connection could be made, or the request expired before it left.
            NoAnswer: If the connection broke or timed out after that.
        """
        return await self._in_thread(request, True, may_leave)

    async def _in_thread(
        self, request: RestRequest, signed: bool, may_leave: Callable[[], bool]
    ) -> RestReply:
        begun_s = self._clock.monotonic_s()
        try:
            reply = await asyncio.get_running_loop().run_in_executor(
                self._pool, self.call_blocking, request, signed, may_leave
            )
        except NotSent:
            self._observe(begun_s, "not_sent")
            raise
        except NoAnswer:
            self._observe(begun_s, "no_answer")
            raise
        self._observe(begun_s, f"{reply.status // 100}xx")
        return reply

    def _observe(self, begun_s: float, result: str) -> None:
        self._metrics.rest.observe(self._clock.monotonic_s() - begun_s)
        self._metrics.rest_calls.add(result)

    def call_blocking(
        self,
        request: RestRequest,
        signed: bool = True,
        may_leave: Callable[[], bool] = _always,
    ) -> RestReply:
        """Return the venue's reply as ``call`` does, in the calling thread."""
        now_ms = self._clock.venue_ms()
        if 0 < request.expires_ms <= now_ms:
            raise NotSent("it had expired before a thread was free to send it")
        if signed:
            request = self._venue.sign(request, self._credentials, now_ms)
        session = self._session()
        if not may_leave():
            raise HeldBack(f"{request.method} {request.path}")
        try:
            response = session.request(
                request.method,
                self._venue.rest_url() + request.path,
                data=request.body.encode() if request.body else None,
                headers=dict(request.headers),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.ConnectTimeout as error:
            raise NotSent(str(error)) from error
        except requests.ConnectionError as error:
            # A refused connection sent nothing; a connection cut later proves nothing.
            if isinstance(getattr(error.args[0], "reason", None), _CANNOT_CONNECT):
                raise NotSent(str(error)) from error
            raise NoAnswer(str(error)) from error
        except requests.RequestException as error:
            raise NoAnswer(str(error)) from error
        if wait_s := _quiet_s(request, response):
            until_s = self._clock.monotonic_s() + wait_s
            self._quiet_until_s = max(self._quiet_until_s, until_s)
            self._quiet_why = f"{request.path.partition('?')[0]}: HTTP {response.status_code}"
            self._quiet_why += f" {response.text[:_QUOTED]}"
        return RestReply(response.status_code, response.text)

    async def ask(self, request: RestRequest, *, signed: bool = True) -> RestReply:
        """Return the reply to a query.

        Nothing is asked for as long as the venue has said to wait: who goes on is banned.

        Raises:
            UnexpectedReply: If the venue could not be asked; that says nothing about the order.
        """
        wait_s = self._quiet_until_s - self._clock.monotonic_s()
        if wait_s > 0:
            why = f"the venue wants no query for another {wait_s:.0f} s ({self._quiet_why})"
            raise UnexpectedReply(Verdict(Proof.THROTTLED, "", why))
        try:
            async with self._questions:
                return await self._in_thread(request, signed, _always)
        except (NotSent, NoAnswer) as error:
            raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", str(error))) from error

    async def ask_all(
        self, queries: Sequence[RestRequest], *, signed: bool = True
    ) -> list[RestReply]:
        """Return the replies to these queries and to the pages that follow them.

        Raises:
            UnexpectedReply: If one of them could not be had: the others alone are no answer.
        """
        replies: list[RestReply] = []
        for query in queries:
            following: RestRequest | None = query
            for _ in range(MOST_PAGES):
                if following is None:
                    break
                replies.append(await self.ask(following, signed=signed))
                following = self._venue.next_page(following, replies[-1])
            if following is not None:
                why = f"{query.path}: more than {MOST_PAGES} pages"
                raise UnexpectedReply(Verdict(Proof.UNKNOWN, "", why))
        return replies

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # a proxy variable must not reroute orders unseen
            self._sessions.append(session)
        return session

    def close(self) -> None:
        """Wait for running calls, then close all connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for session in self._sessions:
            session.close()
