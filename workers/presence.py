"""Whether the account has a worker: told to all its strategies, once when it goes and comes.

The status hash keeps, in ``worker``, how far that was told: ``serving`` (up was told, down was
not), ``stopped`` (the leaving owner told it), ``preparing`` (its successor did). Each event stands
in one batch with its note, so neither a crash nor a repeated write tells it twice.
"""

from typing import Any

from router.keyspace import AccountKeys
from workers.outbox import persistently
from workers.teller import Teller

_SERVING = "serving"


class Presence:
    """One owner's coming and going."""

    def __init__(
        self, client: Any, keys: AccountKeys, teller: Teller, *, ended_ms: int | None
    ) -> None:
        self._client = client
        self._keys = keys
        self._teller = teller
        self._ended_ms = ended_ms
        self._up = False
        self.was_away = False
        """Whether strategies were told, by us or by the last owner, that nobody served them."""

    def __repr__(self) -> str:
        return f"Presence(up={self._up}, was_away={self.was_away})"

    async def succeed(self) -> None:
        """Tell that the last owner is gone, unless it said so itself."""
        status = self._keys.status
        noted = await persistently(lambda: self._client.hget(status, "worker"))
        self.was_away = noted is not None
        if noted == _SERVING:
            self._tell("worker_down", "preparing", self._ended_ms)

    def up(self) -> None:
        """Tell that we serve the account."""
        self._up = True
        self._tell("worker_up", _SERVING)

    def note(self) -> None:
        """Write again how far that was told, where Redis lost it."""
        if self._up:
            self._teller.hash(self._keys.status, {"worker": _SERVING})

    def down(self) -> None:
        """Tell that we leave, if we had said that we serve."""
        if self._up:
            self._up = False
            self._tell("worker_down", "stopped")

    def _tell(self, event: str, note: str, at_ms: int | None = None) -> None:
        self._teller.status_event(event, at_ms)
        self._teller.hash(self._keys.status, {"worker": note})
