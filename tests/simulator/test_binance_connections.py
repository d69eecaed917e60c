"""Binance's connections: pings, the end after a day, announced shutdowns."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.binance.spot.dialect import SpotDialect
from simulator.binance.usdm.dialect import UsdmDialect
from simulator.config import BinanceConfig, SimulatorConfig, VenueName
from simulator.exchange.ledger import ConnectionRow
from simulator.server import RunningSimulator, run_in_thread
from simulator.sockets import Socket
from simulator.world import build
from tests.simulator.binance_client import dial, open_api, open_stream
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import eventually


def hasty(**own: Any) -> SimulatorConfig:
    return SimulatorConfig(market=STILL, venues=("binance-usdm",), binance=BinanceConfig(**own))


class Wire:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Hands:
    """An event loop's time, turned by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s


#: Who pings how often, and waits how long for the answer: the sheet, A2 and part B.
PINGS = {"binance-usdm": (180, 600), "binance-spot": (20, 60)}


@pytest.mark.parametrize("venue", PINGS)
def test_pings_are_sent_in_time_and_their_own_payload_is_wanted_back(venue: VenueName) -> None:
    ping_s, pong_s = PINGS[venue]
    dialect = world_of(venue)
    wire, hands = Wire(), Hands()
    socket = Socket(
        cast("Any", wire), ConnectionRow("c", "/ws", 0, "public", venue=venue), cast("Any", hands)
    )
    other = Socket(cast("Any", Wire()), ConnectionRow("o", "/ws", 0), cast("Any", hands))
    for one in (socket, other):
        dialect.venue.floor.sockets.add(one)

    def sweep(now_s: float) -> None:
        hands.now_s = now_s
        dialect.sweep(now_s)

    sweep(ping_s - 1)
    assert wire.written == []
    sweep(ping_s)
    ping = wire.written[-1]
    assert (ping[0], ping[1]) == (0x89, len(ping) - 2)
    socket.ponged(ping[2:])
    again_s = ping_s + pong_s + 20
    sweep(again_s)
    assert not wire.closed
    # A pong of other content, or unasked, keeps nothing alive.
    socket.ponged(b"x")
    sweep(again_s + pong_s - 1)
    assert not wire.closed
    sweep(again_s + pong_s + 1)
    assert wire.closed
    assert b"Pong timeout" in wire.written[-1]


def world_of(venue: VenueName) -> UsdmDialect | SpotDialect:
    """Return the dialect as it is by default, with no server around it."""
    floor = build(SimulatorConfig(market=STILL, venues=(venue,))).floors[venue]
    return UsdmDialect(floor) if venue == "binance-usdm" else SpotDialect(floor)


async def test_a_client_that_answers_pings_is_kept() -> None:
    with run_in_thread(hasty(ping_s=0.02, pong_s=60)) as sim:
        async with await open_stream(sim, "/public/ws") as public:
            pinged: list[bytes] = []
            receive = public.connection.protocol.recv_frame

            def received(frame: Any) -> None:
                if frame.opcode == 0x9:
                    pinged.append(frame.data)
                receive(frame)

            public.connection.protocol.recv_frame = received  # type: ignore[method-assign]
            await eventually(lambda: len(pinged) > 3)
            await public.settled()


async def test_who_does_not_answer_pings_is_cut() -> None:
    with run_in_thread(hasty(ping_s=0.02, pong_s=0.1)) as sim:
        connection = await dial(f"{sim.ws_url}/public/ws")
        connection.protocol.recv_frame = _deaf(connection.protocol.recv_frame)
        with pytest.raises(ConnectionClosed) as cut:
            await asyncio.wait_for(connection.recv(), 5)
        assert cut.value.rcvd is not None
        assert cut.value.rcvd.code == 1008


def _deaf(receive: Any) -> Any:
    """Return a client's reader that lets pings pass unanswered."""

    def received(frame: Any) -> None:
        if frame.opcode != 0x9:
            receive(frame)

    return received


async def test_a_connection_is_cut_after_its_day() -> None:
    with run_in_thread(hasty(life_s=0.1)) as sim:
        async with await open_stream(sim, "/public/ws") as public:
            assert await public.cut() == 1001


async def test_a_shutdown_is_announced(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        assert usdm.control.notice("trade", after_ms=10) == 1
        assert (await api.next())["event"]["e"] == "serverShutdown"
        assert await api.cut() == 1001
