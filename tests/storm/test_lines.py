"""The lines between a process and a server: what passes in which weather, and from where."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from storm.lines import Host, Lines, Weather

DEADLINE_S = 30.0
QUIET_S = 0.3  # that nothing comes can only be waited for


class Echo:
    """A server that answers what it hears, and remembers it and from where."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.heard = b""
        self.callers: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, caller = self._listener.accept()
                self.callers.append(caller[0])
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            while data := one.recv(4096):
                self.heard += data
                one.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with Lines() as one:
        yield one


@pytest.fixture
def host(lines: Lines, echo: Echo) -> Host:
    return lines.host({"redis": echo.port, "okx": echo.port})


@pytest.fixture
def wire(host: Host) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", host.ports["redis"]), DEADLINE_S) as one:
        assert asked(one, b"hello") == b"hello"
        yield one


def asked(one: socket.socket, what: bytes) -> bytes:
    one.sendall(what)
    return one.recv(4096)


def is_silent(one: socket.socket) -> bool:
    one.settimeout(QUIET_S)
    try:
        return one.recv(4096) is None
    except TimeoutError:
        return True
    finally:
        one.settimeout(DEADLINE_S)


def is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(4096) == b""
    except ConnectionError:
        return True


def test_each_host_calls_from_an_address_of_its_own(lines: Lines, echo: Echo) -> None:
    hosts = [lines.host({"okx": echo.port}) for _ in range(2)]
    for host in hosts:
        with socket.create_connection(("127.0.0.1", host.ports["okx"]), DEADLINE_S) as one:
            assert asked(one, b"x") == b"x"
    assert echo.callers == [host.address for host in hosts]
    assert len(set(echo.callers)) == 2


@pytest.mark.parametrize(("trouble", "heard"), [("cut", False), ("mute", False), ("deaf", True)])
def test_what_is_lost_and_what_arrives(
    lines: Lines, host: Host, echo: Echo, wire: socket.socket, trouble: str, heard: bool
) -> None:
    lines.set(host, "redis", Weather(trouble))  # type: ignore[arg-type]
    wire.sendall(b"lost?")
    assert is_silent(wire)
    assert (b"lost?" in echo.heard) is heard
    with socket.create_connection(("127.0.0.1", host.ports["okx"]), DEADLINE_S) as other:
        assert asked(other, b"fair") == b"fair", "the lines to the venues are not troubled"
    lines.heal(host, "redis", silent=False)
    assert is_closed(wire)
    with socket.create_connection(("127.0.0.1", host.ports["redis"]), DEADLINE_S) as fresh:
        assert asked(fresh, b"again") == b"again"


def test_what_lost_bytes_may_stay_silent(lines: Lines, host: Host, wire: socket.socket) -> None:
    lines.set(host, "redis", Weather("deaf"))
    wire.sendall(b"x")
    assert is_silent(wire)
    lines.heal(host, "redis", silent=True)
    wire.sendall(b"y")
    assert is_silent(wire), "half of a conversation must not go on"


def test_what_lost_nothing_goes_on(lines: Lines, host: Host, wire: socket.socket) -> None:
    lines.set(host, "redis", Weather("slow", 0.01))
    assert asked(wire, b"slow") == b"slow"
    lines.heal(host, "redis", silent=False)
    assert asked(wire, b"fast") == b"fast"


def test_hanging_up_closes_what_is_there(lines: Lines, host: Host, wire: socket.socket) -> None:
    lines.hang_up(host, "redis")
    assert is_closed(wire)
