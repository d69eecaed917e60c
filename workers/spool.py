"""Outcomes that Redis cannot take: kept in a file until it does, beyond the end of this process.

One file an epoch: what it had not written when Redis last failed to answer. An owner that follows
on the same host writes it before anything else, each batch once: Redis knows which of them it has
(``applied``). Where somebody else has written since, the file is void: that owner asked the venue.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from router.functions import Call
from router.keyspace import AccountKeys

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024 * 1024
"""Of one file: some 100,000 outcomes. What is beyond waits in memory alone."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One batch as it was to be written."""

    keys: tuple[str, ...]
    operations: str

    def call(self, keys: AccountKeys, epoch: int, number: int) -> Call:
        """Return it as a batch of this epoch."""
        own = (keys.epoch, keys.applied, keys.seq, *self.keys)
        return Call("or1_apply", own, (epoch, number, self.operations))


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What one epoch left: its batches from number ``first`` on."""

    epoch: int
    first: int
    batches: tuple[Kept, ...]

    def after(self, epoch: int, batch: int) -> tuple[Kept, ...] | None:
        """Return what is still to be written to a server whose last batch was ``batch`` of
        ``epoch``; None if it says nothing any more: another owner wrote, or the server lost some.
        """
        if epoch == self.epoch:
            written = batch + 1 - self.first
            return self.batches[written:] if written >= 0 else None
        return self.batches if epoch < self.epoch and self.first == 1 else None


class Spool:
    """The files of one account; without a folder it keeps nothing."""

    def __init__(self, folder: str, account: str) -> None:
        self._folder = Path(folder) if folder else None
        self._account = account
        self._written: Path | None = None
        self._failed = False

    def __repr__(self) -> str:
        return f"Spool({self._folder}, {self._written.name if self._written else 'empty'})"

    def prepare(self) -> None:
        """Make the folder, and log it if nothing could be kept there: before it is needed."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._folder).close()
        except OSError as error:
            self._fails(error)

    async def keep(self, epoch: int, first: int, calls: Sequence[Call]) -> None:
        """Keep these batches, in place of what was kept before.

        Returns once they are on the disk. What cannot be kept is logged, and waits in memory.
        """
        if self._folder is None:
            return
        batches = [[call.keys[3:], _text(call.args[2])] for call in calls]
        try:
            await asyncio.to_thread(self._write, self._folder, epoch, first, batches)
            self._failed = False
        except OSError as error:
            self._fails(error)

    def _fails(self, error: OSError) -> None:
        if not self._failed:
            log.error(
                "%s: the spool cannot be written; what Redis cannot take waits in memory only: %s",
                *(self._account, error),
            )
        self._failed = True

    def _write(self, folder: Path, epoch: int, first: int, batches: Sequence[object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._account}.{epoch}.spool"
        draft = path.with_suffix(".draft")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps([_VERSION, epoch, first]) + b"\n")
            for batch in batches:
                line = orjson.dumps(batch) + b"\n"
                if file.tell() + len(line) > MOST_BYTES:
                    log.error("%s: the spool is full; later outcomes wait in memory", self._account)
                    break
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(folder)
        if self._written not in (None, path):
            self._remove(self._written)
        self._written = path

    def clear(self) -> None:
        """Forget what this process kept: it is written, or void."""
        written, self._written = self._written, None
        self._remove(written)

    def left(self) -> list[Unwritten]:
        """Return what owners of the account left on this host, the newest epoch first."""
        read = [self._read(path) for path in self._paths()]
        return sorted((one for one in read if one), key=lambda one: one.epoch, reverse=True)

    def remove_others(self) -> None:
        """Remove what earlier owners left."""
        for path in self._paths():
            if path != self._written:
                self._remove(path)

    def _paths(self) -> list[Path]:
        if self._folder is None:
            return []
        named = self._folder.glob(f"{self._account}.*.spool")
        return [path for path in named if path.suffixes[-2][1:].isdecimal()]

    def _read(self, path: Path) -> Unwritten | None:
        try:
            head, *lines = path.read_bytes().splitlines()
            version, epoch, first = orjson.loads(head)
            if version != _VERSION:
                raise ValueError(f"version {version} is not {_VERSION}")
            batches = tuple(Kept(tuple(keys), text) for keys, text in map(orjson.loads, lines))
            return Unwritten(epoch, first, batches)
        except (OSError, ValueError, TypeError) as error:
            log.error("%s: %s cannot be read and is left out: %s", self._account, path, error)
            return None

    @staticmethod
    def _remove(path: Path | None) -> None:
        if path is not None:
            path.unlink(missing_ok=True)


def _text(operations: str | int | bytes) -> str:
    return operations.decode() if isinstance(operations, bytes) else str(operations)


def _sync_folder(folder: Path) -> None:
    """Let the file's name reach the disk as well."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
