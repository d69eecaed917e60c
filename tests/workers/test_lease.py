"""Who owns an account, and until when: on the owner's clock, the server's and the standby's."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis.exceptions

from router.errors import LeaseLost
from router.keyspace import AccountKeys
from router.servers import Servers
from tests.router.test_functions import second_after
from workers.clients import connect
from workers.clock import Clock
from workers.lease import Lease

KEYS = AccountKeys("okx-main")
TTL_MS = 3_000


class Time(Clock):
    """All clocks in one, turned by whoever waits; Redis is ``ahead_ms`` of us."""

    __slots__ = ("ahead_ms", "ms")

    def __init__(self, ahead_ms: int = 0) -> None:
        super().__init__()
        self.ms = 1_000_000
        self.ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms

    def server_ms(self) -> int:
        return self.ms + self.ahead_ms


class Server:
    """Redis as the lease sees it: answers what the test says, after the time that it says."""

    def __init__(self, time: Time, answer: Callable[[str], list[str]]) -> None:
        self._time = time
        self._answer = answer
        self.asked_ms: list[int] = []
        self.there_ms = self.back_ms = 0
        self.gives_up_ms = 0
        self.waits: list[tuple[list[str], float]] = []

    async def fcall(self, name: str, keys: int, *words: Any) -> list[str]:
        self.asked_ms.append(self._time.ms)
        self._time.ms += self.there_ms
        reply = self._answer(words[keys])
        self._time.ms += self.back_ms
        return reply

    async def blpop(self, keys: list[str], timeout: float) -> None:
        """Answer at the end of the wait, or when the lease is given up."""
        self.waits.append((keys, timeout))
        end_ms = self._time.ms + round(timeout * 1000)
        if self._time.ms < self.gives_up_ms:
            end_ms = min(end_ms, self.gives_up_ms)
        self._time.ms = end_ms


def owner(time: Time, epoch: str = "1") -> list[str]:
    """Return an answer to acquire, whose beginning is one to renew."""
    return ["owner", epoch, str(time.server_ms()), "", "0", "", ""]


def lease(time: Time, server: Server) -> Lease:
    client: Any = server
    return Lease(client, KEYS, time, ttl_ms=TTL_MS)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A clock that runs only while the lease sleeps or waits for an answer."""
    made, ours, really_sleep = Time(ahead_ms=500), threading.get_ident(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        if threading.get_ident() != ours:  # a simulator's loop, which another test left running
            await really_sleep(seconds)
            return
        made.ms += round(seconds * 1000)

    monkeypatch.setattr("workers.lease.asyncio.sleep", sleep)
    return made


@pytest.mark.parametrize("left_ms", [2_990, 1_500, 700, 1])
async def test_a_standby_owns_within_20_ms_of_the_leases_end(time: Time, left_ms: int) -> None:
    ends_ms = time.ms + left_ms

    def answer(action: str) -> list[str]:
        if time.ms < ends_ms:
            return ["held", "another", str(ends_ms - time.ms), "1"]
        return owner(time, "2")

    server = Server(time, answer)
    one = lease(time, server)
    await one.acquire()
    assert one.epoch == 2
    assert ends_ms <= server.asked_ms[-1] <= ends_ms + 20
    assert len(server.asked_ms) <= 3, "it waits, and asks again near the end"


async def test_a_standby_owns_at_once_what_is_given_up(time: Time) -> None:
    server = Server(time, lambda action: ["held", "another", "600000", "1"])
    server.gives_up_ms = given_up_ms = time.ms + 7_000

    def answer(action: str) -> list[str]:
        if time.ms < given_up_ms:
            return ["held", "another", "600000", "1"]
        return owner(time, "2")

    server._answer = answer
    one = lease(time, server)
    await one.acquire()
    assert server.asked_ms[-1] == given_up_ms
    assert {keys[0] for keys, _ in server.waits} == {KEYS.handover}
    pauses = [after - before for before, after in itertools.pairwise(server.asked_ms)]
    assert min(pauses) >= 1_000, "no hard polling"


async def test_the_owner_stops_before_the_lease_can_end_on_the_server(time: Time) -> None:
    server = Server(time, lambda action: owner(time))
    server.there_ms, server.back_ms = 300, 900  # the answer may take long on its way back
    began_ms = time.ms
    one = lease(time, server)
    await one.acquire()
    ends_on_server_ms = began_ms + server.there_ms + TTL_MS
    assert one.may_send()
    while one.may_send():
        time.ms += 1
    assert time.ms < ends_on_server_ms


async def test_the_servers_clock_is_known_to_half_the_time_of_an_answer(time: Time) -> None:
    server = Server(time, lambda action: owner(time))
    server.there_ms = server.back_ms = 400
    one = lease(time, server)
    await one.acquire()
    assert time.redis_ms() == time.server_ms()


async def test_a_slow_answer_unlearns_nothing_unless_a_clock_was_set(time: Time) -> None:
    server = Server(time, lambda action: owner(time))
    one = lease(time, server)
    await one.acquire()
    server.back_ms = 1_400
    await one.renew()
    assert time.redis_ms() == time.server_ms()
    time.ahead_ms += 5_000  # no way back can explain that
    await one.renew()
    assert time.redis_ms() == time.server_ms() - server.back_ms // 2
    server.back_ms = 0
    await one.renew()
    assert time.redis_ms() == time.server_ms()


async def test_another_servers_clock_is_learned_anew(time: Time) -> None:
    server = Server(time, lambda action: [*owner(time)[:5], "s1", "s1"])
    one = lease(time, server)
    await one.acquire()
    time.ahead_ms += 300
    server.back_ms = 1_000
    server._answer = lambda action: ["owner", "1", str(time.server_ms()), "s2"]
    await one.renew()
    assert time.redis_ms() == time.server_ms() - 500


async def test_a_lease_that_another_took_ends_the_owner(time: Time) -> None:
    answers = iter([owner(time), ["owner", "1", "0", ""], ["lost", "2", "0"]])
    one = lease(time, Server(time, lambda action: next(answers)))
    await one.acquire()
    with pytest.raises(LeaseLost):
        await one.keep()
    assert not one.may_send()


async def test_a_renewal_without_an_answer_is_tried_again(time: Time) -> None:
    def answer(action: str) -> list[str]:
        if action == "renew" and len(server.asked_ms) == 2:
            raise TimeoutError
        if len(server.asked_ms) == 4:
            raise asyncio.CancelledError
        return owner(time)

    server = Server(time, answer)
    one = lease(time, server)
    await one.acquire()
    with pytest.raises(asyncio.CancelledError):
        await one.keep()
    assert one.may_send()


async def test_on_another_server_nothing_is_sent_until_it_is_known_what_it_lacks(
    time: Time,
) -> None:
    answers = iter([[*owner(time)[:5], "s1", "s1"], ["owner", "1", "0", "s1"]])
    one = lease(time, Server(time, lambda action: next(answers, ["owner", "1", "0", "s2"])))
    met: list[str] = []
    one.on_other_server = met.append
    await one.acquire()
    assert not one.moved
    await one.renew()
    assert one.may_send()
    await one.renew()
    assert (met, one.may_send()) == (["s2"], False)
    one.recovered()
    assert not one.may_send(), "it is still another than the one that has all"
    one.server = "s2"
    one.recovered()
    assert one.may_send()


@pytest.mark.parametrize(("before", "noted", "moved"), [("0", "s1", True), ("", "", False)])
async def test_a_new_owner_sees_that_the_last_one_knew_another_server(
    time: Time, before: str, noted: str, moved: bool
) -> None:
    one = lease(time, Server(time, lambda action: [*owner(time)[:4], before, "s2", noted]))
    await one.acquire()
    assert one.moved is moved


@pytest.mark.parametrize("known", [0, 1])
async def test_a_new_owner_sees_that_the_server_forgot_an_epoch_which_it_knows(
    time: Time, known: int
) -> None:
    """A new account, with nothing known, was never given to anybody."""
    server: Any = Server(time, lambda action: [*owner(time, "2")[:4], "", "s1", "s1"])
    one = Lease(server, KEYS, time, ttl_ms=TTL_MS, known=known)
    await one.acquire()
    assert (one.forgotten, one.moved) == (True, known > 0)


async def test_an_owner_that_takes_the_account_again_is_not_superseded_by_itself(
    time: Time,
) -> None:
    """A renewal on its way sees the newer epoch before its taker does."""
    one: Lease

    class Crossing(Server):
        async def fcall(self, name: str, keys: int, *words: Any) -> list[str]:
            if words[keys] == "acquire" and self.asked_ms:
                self._answer = lambda action: ["lost", "2", "0"]
                await one.renew()
                self._answer = lambda action: [*owner(time, "2")[:4], "1", "", ""]
            return await super().fcall(name, keys, *words)

    one = lease(time, Crossing(time, lambda action: owner(time)))
    await one.acquire()
    await one.take_again()
    assert one.epoch == 2
    assert one.may_send()


class LosingReplies:
    """A client that loses the first reply to each acquisition; the server has carried it out."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lost: set[Any] = set()

    async def fcall(self, *words: Any) -> Any:
        reply = await self._client.fcall(*words)
        if "acquire" in words and words[-1] not in self._lost:
            self._lost.add(words[-1])
            raise redis.exceptions.ConnectionError("the reply is lost")
        return reply


async def test_an_owner_that_takes_the_account_again_with_a_lost_reply_is_not_superseded(
    redis_client: Any, redis_url: str
) -> None:
    client = connect(Servers(redis_url), "")
    losing: Any = LosingReplies(client)
    one = Lease(losing, KEYS, Clock(), ttl_ms=60_000)
    await one.acquire()
    first = one.epoch
    assert (str(first), one.forgotten) == (redis_client.get(KEYS.epoch), True)
    redis_client.delete(KEYS.lease, KEYS.epoch, KEYS.status)
    await one.take_again()
    assert one.epoch > first
    assert redis_client.get(KEYS.epoch) == str(one.epoch)
    await client.aclose()


@pytest.mark.parametrize("lost", ["everything", "the last takeover"])
async def test_an_owner_that_was_cut_off_ends_where_a_fresh_worker_began_on_what_a_server_kept(
    redis_client: Any, redis_url: str, lost: str
) -> None:
    """The fresh one knows of no epoch; were it given the last owner's, both would write."""
    client = connect(Servers(redis_url), "")
    last, fresh = (Lease(client, KEYS, Clock(), ttl_ms=60_000) for _ in range(2))
    forgotten: list[int] = []
    last.on_forgotten = forgotten.append
    await last.acquire()
    redis_client.flushall()
    if lost == "the last takeover":
        redis_client.set(KEYS.epoch, last.epoch - 1)
    second_after(redis_client, last.epoch)
    await fresh.acquire()
    assert fresh.epoch > last.epoch
    with pytest.raises(LeaseLost, match=f"superseded by {fresh.epoch}"):
        await last.renew()
    assert (last.may_send(), forgotten) == (False, []), "it writes nothing back over the new owner"
    await fresh.renew()
    assert fresh.may_send()
    await client.aclose()
