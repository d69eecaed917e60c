"""What workers wrote towards the venue, when, and under which epoch: for the verdict."""

from dataclasses import dataclass
from typing import Any

import orjson

from simulation.loop import Process
from simulation.scene import ACCOUNT, Scene
from simulation.store import Command
from simulation.venue_link import ClientSocket

CREATES = ("order", "batch-orders")


@dataclass(frozen=True)
class Send:
    """One order operation leaving a worker."""

    at_s: float
    worker: str
    epoch: int
    op: str
    client_ids: tuple[str, ...]
    rest: bool


class Sends:
    """Notes each order operation as it leaves, and each epoch as it begins."""

    def __init__(self, scene: Scene) -> None:
        self._loop = scene.loop
        self.workers: dict[Process, Any] = {}
        self.sends: list[Send] = []
        self.epochs: list[tuple[float, int]] = []
        scene.venue_link.on_send = self._frame
        scene.venue_link.on_rest = self._call
        scene.redis.on_reply = self._reply

    def __repr__(self) -> str:
        return f"Sends({len(self.sends)}, epochs={self.epochs})"

    def _frame(self, socket: ClientSocket, text: str) -> None:
        if '"order' not in text and '"batch-' not in text and '-order"' not in text:
            return
        frame = orjson.loads(text)
        if frame.get("op") not in ("login", "subscribe", "unsubscribe"):
            self._note(socket.process, frame["op"], frame["args"], rest=False)

    def _call(self, process: Process, method: str, url: str, body: str) -> None:
        if method == "POST" and process in self.workers:
            items = orjson.loads(body)
            op = url.rpartition("/")[2]
            self._note(process, op, items if isinstance(items, list) else [items], rest=True)

    def _note(self, process: Process, op: str, items: list[Any], *, rest: bool) -> None:
        worker = self.workers[process].workers[ACCOUNT]
        ids = tuple(str(item.get("clOrdId", "")) for item in items)
        self.sends.append(Send(self._loop.now_s, process.name, worker.lease.epoch, op, ids, rest))

    def _reply(self, process: Process, command: Command, reply: Any) -> None:
        if command[0] == b"FCALL" and command[1] == b"or1_lease" and reply[0] == "owner":
            epoch = int(reply[1])
            if not self.epochs or self.epochs[-1][1] < epoch:
                self.epochs.append((self._loop.now_s, epoch))
