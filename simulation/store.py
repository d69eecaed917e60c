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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
        while not _listens(path) and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.005)
        yield path
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _listens(path: Path) -> bool:
    """Whether somebody takes connections there: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


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
        return self.ask_all([command])[0]

    def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the replies to commands sent in one write."""
        self._socket.sendall(b"".join([pack(tuple(one)) for one in commands]))
        reader, replies = self._reader, []
        for _ in commands:
            while (reply := reader.gets()) is False:
                reader.feed(self._socket.recv(1 << 18))
            replies.append(reply)
        return replies

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

    def ask(self, *command: Any) -> Any:
        """Return the reply to one command, as RESP2 gives it."""
        return self.ask_all([list(command)])[0]

    def ask_all(self, commands: Sequence[Command], protocol: int = 2) -> list[Any]:
        """Return the replies to commands carried out at this instant of the simulated time."""
        if not commands:
            return []
        self.asked += len(commands)
        if self._ends and self._ends[0][0] <= self.now_ms():
            self._remove_ended()
        sent, readers = [], []
        for command in commands:
            name = command[0] if isinstance(command[0], str) else command[0].decode()
            change = _CHANGES.get(name.upper())
            sent.append(command if change is None else change(self, command))
            readers.append(_READERS.get(name.upper()))
        replies = self._lines[protocol].ask_all(sent)
        return [
            reply if read is None or isinstance(reply, Exception) else read(self, command, reply)
            for command, read, reply in zip(sent, readers, replies, strict=True)
        ]

    def _remove_ended(self) -> None:
        now_ms = self.now_ms()
        while self._ends and self._ends[0][0] <= now_ms:
            _, key = heapq.heappop(self._ends)
            if 0 < self._line.ask("PEXPIRETIME", key) <= now_ms:
                self._line.ask("DEL", key)

    def _will_end(self, key: str, at_ms: int) -> None:
        heapq.heappush(self._ends, (at_ms, key))

    # --- what time changes in a command, and in its reply

    def _fcall(self, command: Command) -> Command:
        return [*command, self.now_ms()]

    def _called(self, command: Command, reply: Any) -> Any:
        answer, added, ends = reply
        for at in range(0, len(ends), 2):
            self._will_end(ends[at], int(ends[at + 1]))
        for key in added:
            self.on_added(key)
        return answer

    def _xadd(self, command: Command) -> Command:
        at = next(at for at, one in enumerate(command) if one in (b"*", "*"))
        return [*command[:at], f"{self.now_ms()}-*", *command[at + 1 :]]

    def _xadded(self, command: Command, reply: Any) -> Any:
        self.on_added(_text(command[1]))
        return reply

    def _set(self, command: Command) -> Command:
        for at, one in enumerate(command[3:], 3):
            if one in (b"PX", "PX"):
                at_ms = self.now_ms() + int(command[at + 1])
                self._will_end(_text(command[1]), at_ms)
                return [*command[:at], "PXAT", at_ms, *command[at + 2 :]]
        return command

    def _function(self, command: Command) -> Command:
        """Load what the product loads, with the simulated clock before it."""
        if command[1] not in (b"LOAD", "LOAD"):
            return command
        text = self.broken(_text(command[-1]))
        if text == self._loaded:
            return ["ECHO", "loaded"]
        self._loaded = text
        head, _, body = text.partition("\n")
        return ["FUNCTION", "LOAD", "REPLACE", f"{head}\n{CLOCK}\n{body}"]

    def _time(self, command: Command, reply: Any) -> Any:
        seconds, ms = divmod(self.now_ms(), 1000)
        return [str(seconds), str(ms * 1000)]

    def _pexpire(self, command: Command) -> Command:
        at_ms = self.now_ms() + int(command[2])
        self._will_end(_text(command[1]), at_ms)
        return ["PEXPIREAT", command[1], at_ms]


_CHANGES: dict[str, Callable[[Store, Command], Command]] = {
    "FCALL": Store._fcall,
    "XADD": Store._xadd,
    "SET": Store._set,
    "FUNCTION": Store._function,
    "PEXPIRE": Store._pexpire,
}
_READERS: dict[str, Callable[[Store, Command, Any], Any]] = {
    "FCALL": Store._called,
    "XADD": Store._xadded,
    "TIME": Store._time,
}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
