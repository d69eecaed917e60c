"""The data: a real Valkey, asked without delay, that lives by the simulated time.

Commands run as they are but for time: see ``clock.lua``. A blocking read is asked for without its
BLOCK; ``redis_link.py`` waits.
"""

import heapq
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hiredis
from redis._parsers.base import BaseParser

from demo.redis_server import die_with_parent, server_binary

CLOCK = (Path(__file__).parent / "clock.lua").read_text(encoding="utf-8")
Command = list[Any]
pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
_START_S = 30.0
#: Small collections keep the order of their filling, so that a seed's run is the same everywhere.
_ORDERED = (
    *("--hash-max-listpack-entries", "4096", "--hash-max-listpack-value", "4096"),
    *("--set-max-listpack-entries", "4096", "--set-max-listpack-value", "4096"),
)


@contextmanager
def running_server() -> Iterator[Path]:
    """Yield the socket of a server of our own, without persistence."""
    folder = Path(tempfile.mkdtemp(prefix="simulate-"))
    path = folder / "s"
    process = subprocess.Popen(
        [
            str(server_binary()),
            *("--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"),
            *("--dir", str(folder), "--logfile", str(folder / "log"), *_ORDERED),
        ],
        preexec_fn=die_with_parent,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline_s = time.monotonic() + _START_S
        while not path.exists() and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.005)
        yield path
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def parse(packed: bytes) -> list[Command]:
    """Return the commands in what a client wrote."""
    reader = hiredis.Reader()
    reader.feed(packed)
    commands = []
    while (command := reader.gets()) is not False:
        commands.append(command)
    return commands


class Line:
    """One real connection."""

    def __init__(self, path: Path, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = hiredis.Reader(
            encoding="utf-8", errors="replace", replyError=BaseParser.parse_error
        )
        self.ask("HELLO", protocol)

    def ask(self, *command: Any) -> Any:
        """Return the reply; a refusal is returned, not raised."""
        self._socket.sendall(pack(command))
        reader = self._reader
        while (reply := reader.gets()) is False:
            reader.feed(self._socket.recv(1 << 18))
        return reply

    def close(self) -> None:
        self._socket.close()


class Store:
    """What Redis holds in one seed."""

    def __init__(self, path: Path) -> None:
        self._lines = {protocol: Line(path, protocol) for protocol in (2, 3)}
        self._line = self._lines[2]
        self.broken: Callable[[str], str] = lambda text: text
        """Changes the functions' text: for builds broken on purpose."""
        self._loaded = ""
        self._ends: list[tuple[int, str]] = []
        self.now_ms: Callable[[], int] = lambda: 0
        self.on_added: Callable[[str], None] = lambda key: None
        self.asked = 0

    def __repr__(self) -> str:
        return f"Store({self.asked} commands)"

    def empty(self) -> None:
        """Forget all data; the functions stay."""
        self._ends.clear()
        self._line.ask("FLUSHALL")

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    def ask(self, *command: Any, protocol: int = 2) -> Any:
        """Return the reply to a command as it is at this instant of the simulated time."""
        self.asked += 1
        if self._ends and self._ends[0][0] <= self.now_ms():
            self._remove_ended()
        name = command[0]
        if isinstance(name, bytes):
            name = name.decode()
        name = name.upper()
        special = getattr(self, f"_{name.lower()}", None) if name in _SPECIAL else None
        if special is not None:
            return special(list(command), self._lines[protocol])
        return self._lines[protocol].ask(*command)

    def _remove_ended(self) -> None:
        now_ms = self.now_ms()
        while self._ends and self._ends[0][0] <= now_ms:
            _, key = heapq.heappop(self._ends)
            if 0 < self._line.ask("PEXPIRETIME", key) <= now_ms:
                self._line.ask("DEL", key)

    def _will_end(self, key: str, at_ms: int) -> None:
        heapq.heappush(self._ends, (at_ms, key))

    def _fcall(self, command: Command, line: Line) -> Any:
        reply = line.ask(*command, self.now_ms())
        if isinstance(reply, Exception):
            return reply
        answer, added, ends = reply
        for at in range(0, len(ends), 2):
            self._will_end(ends[at], int(ends[at + 1]))
        for key in added:
            self.on_added(key)
        return answer

    def _xadd(self, command: Command, line: Line) -> Any:
        at = next(at for at, one in enumerate(command) if one in (b"*", "*"))
        command[at] = f"{self.now_ms()}-*"
        reply = line.ask(*command)
        self.on_added(_text(command[1]))
        return reply

    def _set(self, command: Command, line: Line) -> Any:
        for at, one in enumerate(command[3:], 3):
            if one in (b"PX", "PX"):
                at_ms = self.now_ms() + int(command[at + 1])
                command[at : at + 2] = ["PXAT", at_ms]
                self._will_end(_text(command[1]), at_ms)
                break
        return line.ask(*command)

    def _function(self, command: Command, line: Line) -> Any:
        """Load what the product loads, with the simulated clock before it."""
        if command[1] not in (b"LOAD", "LOAD"):
            return line.ask(*command)
        text = self.broken(_text(command[-1]))
        if text == self._loaded:
            return "order_router"
        head, _, body = text.partition("\n")
        reply = line.ask("FUNCTION", "LOAD", "REPLACE", f"{head}\n{CLOCK}\n{body}")
        if not isinstance(reply, Exception):
            self._loaded = text
        return reply

    def _pexpire(self, command: Command, line: Line) -> Any:
        at_ms = self.now_ms() + int(command[2])
        self._will_end(_text(command[1]), at_ms)
        return line.ask("PEXPIREAT", command[1], at_ms)


_SPECIAL = frozenset(("FCALL", "XADD", "SET", "FUNCTION", "PEXPIRE"))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def close_quietly(store: Store) -> None:
    """Close the store, whatever state its connections are in."""
    with suppress(OSError):
        store.close()
