"""One socket held open; the invariants are those of workers/connection.py."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import websockets.exceptions as ws_errors

from tests.workers.fake_venue import (
    ANONYMOUS,
    FakeServer,
    Heard,
    connected,
    connection_is_at,
    order,
    until,
)
from workers import connection as connection_module
from workers.connection import NotReady
from workers.venue import (
    Proof,
    RestReply,
    RestRequest,
    Ticket,
    UnexpectedReply,
    Unreadable,
    Verdict,
)


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer().running() as one:
        yield one


@pytest.fixture
def long_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replaced session linger for longer than any test."""
    monkeypatch.setattr(connection_module, "_SETTLE_S", 600.0)


def session_lost(heard: Heard, number: int) -> bool:
    return number in [session for session, _ in heard.lost]


# --- opening ------------------------------------------------------------------------------------


async def test_it_logs_in_then_subscribes_then_is_ready(server: FakeServer) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        [visit] = server.visits
        assert visit.ops == ["login", "subscribe", "subscribe"]
        assert [frame.get("channel") for frame in visit.frames[1:]] == ["orders", "account"]
        assert (heard.ready, heard.lost) == ([1], [])
        assert connection.session_number == 1


async def test_a_public_socket_neither_logs_in_nor_waits(server: FakeServer) -> None:
    async with connected(server, login=False, channels=()) as (connection, _):
        await until(lambda: connection.ready)
        await connection.send(order(1))
        await until(lambda: server.visits[0].frames)
        assert server.visits[0].ops == ["order"]


async def test_b6_until_the_login_is_answered_nothing_is_sent(server: FakeServer) -> None:
    server.login = ""
    async with connected(server) as (connection, heard):
        await until(lambda: server.visits and server.visits[0].frames)
        assert not connection.ready
        with pytest.raises(NotReady):
            await connection.send(order(1))
        assert connection.session_number == 0
        await server.visits[0].say("welcome")
        await until(lambda: connection.ready)
        assert server.visits[0].ops == ["login", "subscribe", "subscribe"]
        assert heard.ready == [1]


async def test_b6_until_the_channels_are_confirmed_nothing_is_sent(server: FakeServer) -> None:
    server.channel = ""
    async with connected(server) as (connection, _):
        await until(lambda: server.visits and len(server.visits[0].frames) == 3)
        await server.visits[0].say("subscribed", channel="orders")
        await server.visits[0].say("subscribed", channel="somebody else's")
        with pytest.raises(NotReady):
            await connection.send(order(1))
        await server.visits[0].say("subscribed", channel="account")
        await until(lambda: connection.ready)


async def test_a_login_never_answered_is_given_up_and_tried_again(server: FakeServer) -> None:
    server.login = ""
    async with connected(server, open_timeout_s=0.1) as (connection, heard):
        await until(lambda: len(server.visits) >= 2)
        assert not connection.ready
        assert (heard.ready, heard.lost) == ([], []), "what never was ready cannot be lost"
        server.login = "welcome"
        await until(lambda: connection.ready)
        await until(lambda: [visit for visit in server.visits if visit.open] == server.visits[-1:])


async def test_a_refused_login_says_why_and_is_tried_again(server: FakeServer) -> None:
    server.login = "go away"
    async with connected(server) as (connection, heard):
        await until(lambda: len(server.visits) >= 3)
        assert "login refused: wrong key" in connection.problem
        with pytest.raises(NotReady):
            await connection.send(order(1))
        assert heard.ready == []
        server.login = "welcome"
        await until(lambda: connection.ready)
        assert connection.problem == ""
        assert all("order" not in visit.ops for visit in server.visits)


async def test_a_refused_channel_is_no_ready_socket(server: FakeServer) -> None:
    server.channel = "no such channel"
    async with connected(server) as (connection, heard):
        await until(lambda: "subscription orders refused" in connection.problem)
        assert heard.ready == []


async def test_a_server_that_is_full_is_tried_again_with_pauses(server: FakeServer) -> None:
    server.full = True
    async with connected(server) as (connection, _):
        await until(lambda: "503" in connection.problem)
        assert server.visits == []
        server.full = False
        await until(lambda: connection.ready)


# --- losing -------------------------------------------------------------------------------------


async def test_b7_a_lost_session_is_told_once_and_nothing_replays_on_the_next(
    server: FakeServer,
) -> None:
    server.deaf = True
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        for number in range(5):
            assert await connection.send(order(number)) == 1
        server.full = True
        await server.visits[0].socket.close()
        await until(lambda: heard.lost)
        for number in range(5, 10):
            with pytest.raises(NotReady):
                await connection.send(order(number))
        server.full = False
        await until(lambda: connection.ready)
        assert await connection.send(order("new")) == 2
        await until(lambda: "order" in server.visits[1].ops)
        assert server.visits[1].ops == ["login", "subscribe", "subscribe", "order"]
        assert server.visits[1].frames[-1]["id"] == "new"
        assert [session for session, _ in heard.lost] == [1]
        assert heard.ready == [1, 2]


async def test_a_session_cut_during_the_write_is_never_taken_for_sent(server: FakeServer) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        server.visits[0].socket.transport.abort()
        outcomes = set()
        while not heard.lost:
            try:
                await connection.send(order(1))
                outcomes.add("written")
            except NotReady:
                outcomes.add("not ready")
            except ws_errors.ConnectionClosed:
                outcomes.add("broke")
            await asyncio.sleep(0)
        assert [session for session, _ in heard.lost] == [1]
        assert outcomes <= {"written", "not ready", "broke"}
        assert heard.answers == []


async def test_d10_many_losses_leave_one_live_session_each_numbered_anew(
    server: FakeServer,
) -> None:
    async with connected(server) as (connection, heard):
        for number in range(1, 11):
            await until(lambda: connection.ready)
            assert connection.session_number == number
            await server.visits[-1].socket.close()
            await until(partial(session_lost, heard, number))
        await until(lambda: connection.ready)
        assert [session for session, _ in heard.lost] == list(range(1, 11))
        assert heard.ready == list(range(1, 12))
        assert sum(visit.open for visit in server.visits) == 1


async def test_d10_a_venue_that_drops_each_session_is_met_with_growing_pauses(
    server: FakeServer,
) -> None:
    first_s, ends_s = 0.05, []
    async with connected(server, reconnect_s=(first_s, 5.0)) as (connection, heard):
        for number in range(1, 5):
            await until(partial(connection_is_at, connection, number))
            ends_s.append(time.monotonic())
            await server.visits[-1].socket.close()
            await until(partial(session_lost, heard, number))
        await until(partial(connection_is_at, connection, 5))
    begins_s = [visit.opened_s for visit in server.visits[1:]]
    for round_, (end_s, begin_s) in enumerate(zip(ends_s, begins_s, strict=True)):
        least_s = first_s * 2**round_ * 0.5  # the least that the jitter leaves
        assert begin_s - end_s > least_s, f"pause {round_} was too short"


# --- without a login, with a ticket -------------------------------------------------------------


async def test_keys_that_need_no_login_are_asked_for_none(server: FakeServer) -> None:
    async with connected(server, credentials=ANONYMOUS) as (connection, _):
        await until(lambda: connection.ready)
        assert server.visits[0].ops == ["subscribe", "subscribe"]


class Office:
    """Issues the same ticket again and again, until told otherwise."""

    def __init__(self) -> None:
        self.ticket = "t1"
        self.asked = 0

    async def ask(self, request: RestRequest) -> RestReply:
        assert request.path == "/ticket"
        self.asked += 1
        return RestReply(200 if self.ticket else 503, self.ticket)

    def read(self, reply: RestReply) -> str:
        if reply.status != 200:
            raise UnexpectedReply(Verdict(Proof.UNKNOWN, "503", "503 busy"))
        return reply.text

    def plan(self, server: FakeServer, renew_every_s: float) -> dict[str, Any]:
        ticket = Ticket(RestRequest("POST", "/ticket"), self.read, renew_every_s)
        return {"url": f"{server.url}/private/{{ticket}}", "ask": self.ask, "ticket": ticket}


async def test_a_ticket_is_got_before_each_opening_and_kept_alive(server: FakeServer) -> None:
    office = Office()
    async with connected(server, **office.plan(server, 0.02)) as (connection, heard):
        await until(lambda: connection.ready and office.asked >= 4)
        assert server.visits[0].path == "/private/t1"
        office.ticket = ""  # a renewal that fails costs no session: the ticket lives on
        asked = office.asked
        await until(lambda: office.asked >= asked + 3)
        assert (heard.lost, len(server.visits)) == ([], 1)


async def test_d12_another_ticket_means_that_ours_has_died(server: FakeServer) -> None:
    office = Office()
    async with connected(server, **office.plan(server, 0.02)) as (connection, heard):
        await until(lambda: connection.ready)
        office.ticket = "t2"
        await until(lambda: connection.session_number == 2)
        assert [session for session, _ in heard.lost] == [1]
        assert "ticket" in heard.lost[0][1]
        assert server.visits[1].path == "/private/t2"
        await until(lambda: not server.visits[0].open)


async def test_no_ticket_no_session_until_there_is_one(server: FakeServer) -> None:
    office = Office()
    office.ticket = ""
    async with connected(server, **office.plan(server, 60)) as (connection, _):
        await until(lambda: office.asked >= 3)
        assert server.visits == []
        assert "503 busy" in connection.problem
        office.ticket = "t1"
        await until(lambda: connection.ready)


async def test_d12_a_session_that_is_over_is_lost_though_its_socket_is_open(
    server: FakeServer,
) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await server.visits[0].say("over")
        await until(lambda: heard.lost)
        assert heard.lost == [(1, "the stream has expired")]
        await until(lambda: connection.session_number == 2)
        await until(lambda: not server.visits[0].open, "what was given up is closed")
        assert sum(visit.open for visit in server.visits) == 1


# --- replacing ----------------------------------------------------------------------------------


async def test_d11_a_planned_rotation_makes_before_it_breaks(
    server: FakeServer, long_settling: None
) -> None:
    async with connected(server, rotate_after_s=0.05) as (connection, heard):
        await until(lambda: connection.ready)
        sent = 0
        while connection.session_number < 3:
            assert connection.ready, "there is always a session to write into"
            await connection.send(order(sent))
            sent += 1
            await asyncio.sleep(0.005)
        await until(lambda: len(heard.answers) == sent)
        assert sorted(int(name) for name, _ in heard.answers) == list(range(sent))
        assert heard.lost == []
        assert not [what for what in server.story if what.endswith("closed")]


async def test_d11_a_replaced_session_is_closed_when_it_had_time_to_settle(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_SETTLE_S", 0.05)
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await server.visits[0].say("closing")
        await until(lambda: heard.lost)
        assert heard.lost == [(1, "replaced")]
        await until(lambda: not server.visits[0].open)
        assert server.story.index("2 logged in") < server.story.index("1 closed")
        assert (connection.session_number, heard.ready) == (2, [1, 2])


async def test_d11_a_notice_from_the_venue_replaces_the_session_at_once(
    server: FakeServer, long_settling: None
) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await server.visits[0].say("closing")
        await until(lambda: connection.session_number == 2)
        assert server.visits[0].open, "the old session still delivers answers"
        await server.visits[0].say("answer", id="late")
        await until(lambda: heard.answers)
        assert heard.answers == [("late", 1)]
        assert (heard.ready, heard.lost) == ([1, 2], [])


@pytest.mark.parametrize("farewell", [True, False])
async def test_d11_the_end_of_the_worker_closes_a_session_that_settles_as_well(
    server: FakeServer, long_settling: None, farewell: bool
) -> None:
    async with connected(server, farewell=farewell) as (connection, _):
        await until(lambda: connection.ready)
        await server.visits[0].say("closing")
        await until(lambda: connection.session_number == 2)
    await until(lambda: not any(visit.open for visit in server.visits))


async def test_d11_without_a_replacement_the_old_session_stays(
    server: FakeServer, long_settling: None
) -> None:
    async with connected(server, rotate_after_s=0.05) as (connection, heard):
        await until(lambda: connection.ready)
        server.full = True
        for number in range(5):
            before = server.refused
            await until(lambda before=before: server.refused > before)  # type: ignore[misc]
            assert await connection.send(order(number)) == connection.session_number
        await until(lambda: len(heard.answers) == 5)
        assert heard.lost == []
        assert connection.ready


async def test_d11_a_replacement_that_failed_is_tried_again(
    server: FakeServer, long_settling: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_ROTATE_AGAIN_S", 0.05)
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        server.full = True
        await server.visits[0].say("closing")
        await until(lambda: server.refused > 1)
        assert connection.session_number == 1
        server.full = False
        await until(lambda: connection.session_number == 2)
        assert heard.lost == []


async def test_the_venue_cutting_the_old_session_after_its_notice_costs_nothing(
    server: FakeServer, long_settling: None
) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await server.visits[0].say("closing")
        await until(lambda: connection.session_number == 2)
        await server.visits[0].socket.close()
        await until(lambda: heard.lost)
        assert await connection.send(order(1)) == 2
        assert len(server.visits) == 2


# --- frames -------------------------------------------------------------------------------------


async def test_c20_garbage_ends_no_session(server: FakeServer) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        socket = server.visits[0].socket
        for frame in ("{", "", "[", '{"say": 7}', b"\xff\xfe\x00"):
            await socket.send(frame)
        await server.visits[0].say("answer", id="after")
        await until(lambda: heard.answers)
        assert heard.lost == []
        assert not any(isinstance(event, Unreadable) for event, _ in heard.events)


async def test_events_carry_the_number_of_their_session(server: FakeServer) -> None:
    async with connected(server) as (connection, heard):
        await until(lambda: connection.ready)
        await connection.send(order("a"))
        await until(lambda: heard.answers)
        await server.visits[0].socket.close()
        await until(lambda: connection.session_number == 2)
        await connection.send(order("b"))
        await until(lambda: len(heard.answers) == 2)
        assert heard.answers == [("a", 1), ("b", 2)]


async def test_book_subscriptions_on_a_dead_socket_are_dropped(server: FakeServer) -> None:
    server.full = True
    async with connected(server) as (connection, _):
        await connection.send_now([order(1)])
        server.full = False
        await until(lambda: connection.ready)
        assert server.visits[0].ops == ["login", "subscribe", "subscribe"]


@pytest.mark.parametrize("farewell", [True, False])
async def test_the_end_of_the_worker_closes_the_socket(server: FakeServer, farewell: bool) -> None:
    async with connected(server, farewell=farewell) as (connection, heard):
        await until(lambda: connection.ready)
        assert connection._session is not None
        transport = connection._session.socket.transport
    assert transport.is_closing()
    await until(lambda: not server.visits[0].open)
    assert not connection.ready
    assert heard.lost == []
