"""Redis as the simulated processes reach it: links that delay, break and block.

A command is carried out at one instant, when it has arrived; its reply travels back. A blocking
read waits at the server, also for a client that is paused or gone without a word, as a real one
does.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulation.loop import EPOCH_S, Process
from simulation.network import Network, Pipe
from simulation.store import Command, Store, parse

_TOLD_OF_CUT_S = 0.01


@dataclass(eq=False)
class _Blocked:
    """A read that waits at the server."""

    link: "Link"
    keys: tuple[str, ...]
    again: Command


class Server:
    """The one Redis server of a seed."""

    def __init__(self, network: Network, store: Store) -> None:
        self.network = network
        self.loop = network.loop
        self.store = store
        self.process = self.loop.process("redis")
        self.links: list[Link] = []
        self.cut_off: set[Process] = set()
        """Whom no connect reaches it from."""
        self._blocked: list[_Blocked] = []
        self._news: set[str] = set()
        self.on_reply: Callable[[Process, Command, Any], None] = lambda process, command, reply: (
            None
        )
        store.now_ms = lambda: int((EPOCH_S + self.loop.now_s) * 1000)
        store.on_added = self._added

    def __repr__(self) -> str:
        return f"Server({len(self.links)} links, {len(self._blocked)} blocked)"

    def refuses(self) -> bool:
        """Whether the connect that the running process makes fails."""
        return self.loop.current in self.cut_off or self.network.refuses()

    def open(self, process: Process, protocol: int, busy_s: float = 0.0) -> "Link":
        """Return a new connection; ``busy_s``: how late the process looks at what it waited for."""
        link = Link(self, process, protocol, busy_s)
        self.links.append(link)
        process.at_death.append(link.abandon)
        return link

    def ask_all(self, link: "Link", commands: list[Command]) -> list[Any]:
        """Carry out commands that came in one write."""
        replies = self.store.ask_all(commands, link.protocol)
        for command, reply in zip(commands, replies, strict=True):
            self.network.trace("redis", _seen(command))
            self.on_reply(link.process, command, reply)
        return replies

    def block(self, link: "Link", keys: tuple[str, ...], again: Command, for_s: float) -> None:
        """Answer the link once something is added to one of the keys, or nothing in time."""
        one = _Blocked(link, keys, again)
        self._blocked.append(one)
        self.loop.at(self.loop.now_s + for_s, self.process, self._unblock, one)

    def forget(self, link: "Link") -> None:
        """Drop what a closed connection had."""
        self._blocked = [one for one in self._blocked if one.link is not link]
        if link in self.links:
            self.links.remove(link)

    def _unblock(self, one: _Blocked) -> None:
        if one in self._blocked:
            self._blocked.remove(one)
            one.link.answer(None)

    def _added(self, key: str) -> None:
        # Not within the call that adds: it is answered first.
        if not self._news:
            self.loop.post(self.process, self._serve)
        self._news.add(key)

    def _serve(self) -> None:
        """Ask again for those whose keys have news."""
        news, self._news = self._news, set()
        for one in list(self._blocked):
            if not news.isdisjoint(one.keys) and one in self._blocked:
                [reply] = self.ask_all(one.link, [one.again])
                if reply:
                    self._blocked.remove(one)
                    one.link.answer(_as_blocking(one.again, reply))


class Link:
    """One connection. ``on_reply`` is called in the client's process, as is ``on_cut``."""

    def __init__(self, server: Server, process: Process, protocol: int, busy_s: float) -> None:
        self.server = server
        self.process = process
        self.protocol = protocol
        self.broken = False
        """Whether the client knows that it is cut."""
        self.on_reply: Callable[[Any], None] = lambda reply: None
        self.on_cut: Callable[[], None] = lambda: None
        self._up = Pipe(server.network, server.process)
        self._down = Pipe(server.network, process)
        self._busy_s = busy_s
        self._queue: deque[Command] = deque()
        self._blocking = False

    def __repr__(self) -> str:
        return f"Link({self.process.name})"

    # --- the client's side -----------------------------------------------------------------------

    def send(self, packed: bytes) -> None:
        """Write commands."""
        network = self.server.network
        if network.luck.random() < network.weather.redis_lost_share:
            executed = network.luck.random() < 0.5
            network.count(f"redis {'reply' if executed else 'request'} lost")
            if executed:
                self._up.send(self._arrived, packed)
            self.cut(arrives=executed)
            return
        self._up.send(self._arrived, packed)

    def cut(self, *, arrives: bool) -> None:
        """Break the connection; ``arrives``: what is under way to the server still gets there."""
        self._down.closed = True
        loop = self.server.loop
        if arrives:
            self._up.send(self.server.forget, self)
        else:
            self._up.closed = True
            loop.at(loop.now_s, self.server.process, self.server.forget, self)
        loop.at(loop.now_s + _TOLD_OF_CUT_S, self.process, self._told_of_cut)

    def close(self) -> None:
        """Close it from the client's side."""
        if not self.broken:
            self.broken = True
            self._down.closed = True
            self._up.send(self.server.forget, self)

    def abandon(self) -> None:
        """Let the server notice in a while that the client is dead."""
        self.broken = True
        self._up.send(self.server.forget, self)

    def _told_of_cut(self) -> None:
        if not self.broken:
            self.broken = True
            self.on_cut()

    # --- the server's side -----------------------------------------------------------------------

    def _arrived(self, packed: bytes) -> None:
        self._queue.extend(parse(packed))
        self._work()

    def _work(self) -> None:
        loop, weather = self.server.loop, self.server.network.weather
        if loop.now_s < weather.redis_stalled_until_s:
            loop.at(weather.redis_stalled_until_s, self.server.process, self._work)
            return
        if self._queue and not self._blocking:
            self._carry_out()

    def _carry_out(self) -> None:
        """Do all that waits, up to a read that blocks."""
        commands: list[Command] = []
        blocking = None
        while self._queue and blocking is None:
            command = self._queue.popleft()
            blocking = _blocking(command)
            commands.append(command if blocking is None else blocking[0])
        replies = self.server.ask_all(self, commands)
        last = replies.pop() if blocking is not None else None
        for reply in replies:
            self._down.send(self.on_reply, reply)
        if blocking is None:
            return
        again, keys, for_s = blocking
        if last:
            self.answer(_as_blocking(again, last))
            return
        self._blocking = True
        self.server.block(self, keys, again, for_s)

    def answer(self, reply: Any) -> None:
        """End a blocking read."""
        self._blocking = False
        self._down.extra_s = self._busy_s
        self._down.send(self.on_reply, reply)
        self._down.extra_s = 0.0
        self._work()


def _blocking(command: Command) -> tuple[Command, tuple[str, ...], float] | None:
    """Return a blocking read without its wait, its keys and its wait; None for other commands."""
    name = command[0].upper()
    if name == b"BLPOP":
        return [b"LPOP", command[1]], (command[1].decode(),), float(command[-1])
    if name not in (b"XREAD", b"XREADGROUP") or b"BLOCK" not in command:
        return None
    at = command.index(b"BLOCK")
    streams = command.index(b"STREAMS")
    names = command[streams + 1 : streams + 1 + (len(command) - streams - 1) // 2]
    keys = tuple(one.decode() for one in names)
    return command[:at] + command[at + 2 :], keys, int(command[at + 1]) / 1000


def _as_blocking(again: Command, reply: Any) -> Any:
    """Return the reply of the unblocked form as the blocking one gives it."""
    return [again[1].decode(), reply] if again[0] == b"LPOP" else reply


def _seen(command: Command) -> bytes:
    return b" ".join(one if isinstance(one, bytes) else str(one).encode() for one in command)
