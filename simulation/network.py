"""The network: how long a message takes, and how connections break. All of it is drawn.

A connection keeps the order of its messages in each direction, as TCP does. One that is cut lets
what is under way to the server arrive, or not; its client hears of the cut a moment later. A
half-open one swallows everything and tells nobody.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulation.loop import Process, VirtualLoop

_QUICK_S = 0.0002
_MEAN_S = 0.002


@dataclass
class Weather:
    """How bad the network is now. Shares are of messages; times are seconds."""

    slow_share: float = 0.0
    slow_s: float = 0.3
    redis_lost_share: float = 0.0
    """Calls to Redis whose connection breaks before or after they are carried out."""
    redis_stalled_until_s: float = 0.0
    """Until then Redis answers nobody."""
    refused_share: float = 0.0
    """Connects that fail."""


class Network:
    """Draws what happens to messages."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.luck = random.Random(f"{loop.seed}/network")
        self.weather = Weather()
        self.trace: Callable[[str, bytes], None] = lambda what, text: None
        self.count: Callable[[str], None] = lambda fault: None

    def __repr__(self) -> str:
        return f"Network({self.weather})"

    def delay_s(self) -> float:
        """Return how long the next message takes."""
        delay_s = _QUICK_S + self.luck.expovariate(1 / _MEAN_S)
        if self.weather.slow_share and self.luck.random() < self.weather.slow_share:
            self.count("message slow")
            delay_s += self.luck.random() * self.weather.slow_s
        return delay_s

    def refuses(self) -> bool:
        """Whether the connect being made fails."""
        refused = self.luck.random() < self.weather.refused_share
        if refused:
            self.count("connect refused")
        return refused


class Pipe:
    """One direction of a connection."""

    def __init__(self, network: Network, to: Process) -> None:
        self._network = network
        self._to = to
        self._last_s = 0.0
        self.extra_s = 0.0
        """How much longer the next messages take: their receiver is busy."""
        self.closed = False
        """Nothing more gets through, not even what is under way."""

    def send(self, act: Callable[..., object], *args: Any) -> None:
        """Let the other end do something when the message has arrived."""
        if self.closed:
            return
        network = self._network
        at_s = max(self._last_s, network.loop.now_s + network.delay_s() + self.extra_s)
        self._last_s = at_s
        network.loop.at(at_s, self._to, self._arrive, act, args)

    def _arrive(self, act: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not self.closed:
            act(*args)
