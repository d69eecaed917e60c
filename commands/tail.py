"""``order-router tail``: the results of strategies, live, as they are written."""

import time
from typing import Annotated, Any

import typer

from commands.link import connected
from commands.options import (
    AccountFilter,
    AsJson,
    ConfigDir,
    RedisUrl,
    StrategyFilter,
    settings_from,
)
from commands.output import clock_time, print_json
from commands.survey import account_names, strategy_names
from router.contracts import ResultType
from router.keyspace import AccountKeys
from router.servers import ClientsByKey
from router.settings import Settings

_BLOCK_MS = 1_000
_COUNT = 500

Found = list[tuple[str, list[Any]]]
"""Entries of each stream, by ``account/strategy``."""


def tail(
    account: AccountFilter = None,
    strategy: StrategyFilter = None,
    last: Annotated[int, typer.Option(min=0, help="Begin with this many older entries.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Follow what strategies are told."""
    settings = settings_from(redis_url, config_dir)
    with connected(settings.redis_url) as clients:
        streams = Streams(clients, settings, account, strategy)
        try:
            _print(streams.begin(last), as_json=as_json)
            while follow:
                _print(streams.more(), as_json=as_json)
        except KeyboardInterrupt:
            return


class Streams:
    """The result streams that are followed, new strategies included."""

    def __init__(
        self,
        clients: ClientsByKey,
        settings: Settings,
        account: str | None,
        strategy: str | None,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._account = account
        self._strategy = strategy
        self._places: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Streams({list(self._names.values())})"

    def begin(self, last: int) -> Found:
        """Return the last entries of each stream, and follow it from there."""
        self._find("0-0")
        found = []
        for stream, name in self._names.items():
            newest = self._clients.of(stream).xrevrange(stream, count=max(last, 1))
            if newest:
                self._places[stream] = newest[0][0]
            found.append((name, list(reversed(newest)) if last else []))
        return found

    def more(self) -> Found:
        """Return what came since, after at most a second."""
        self._find("0-0")
        if not self._places:
            time.sleep(_BLOCK_MS / 1000)  # nobody is registered yet
            return []
        together: dict[int, dict[str, str]] = {}  # one read names streams of one slot only
        for stream, place in self._places.items():
            together.setdefault(self._clients.servers.place(stream), {})[stream] = place
        found = []
        for places in together.values():
            client = self._clients.of(next(iter(places)))
            found += client.xread(places, count=_COUNT, block=_BLOCK_MS // len(together))
        for stream, entries in found:
            self._places[stream] = entries[-1][0]
        return [(self._names[stream], entries) for stream, entries in found]

    def _find(self, start: str) -> None:
        for name in account_names(self._clients, self._settings, self._account):
            keys = AccountKeys(name, self._settings.prefix)
            for one in strategy_names(self._clients.of(keys.epoch), keys):
                if self._strategy in (None, one) and keys.results(one) not in self._places:
                    self._places[keys.results(one)] = start
                    self._names[keys.results(one)] = f"{name}/{one}"


def _print(found: Found, *, as_json: bool) -> None:
    """Print entries of several streams in the order of their times."""
    rows = [(entry_id, name, fields) for name, entries in found for entry_id, fields in entries]
    for entry_id, name, fields in sorted(rows, key=lambda row: _entry_order(row[0])):
        account, _, strategy = name.partition("/")
        if as_json:
            print_json({"account": account, "strategy": strategy, "id": entry_id, **fields})
        else:
            at = clock_time(int(fields.get("ts_ms") or 0))
            typer.echo(f"{at} {name} #{fields.get('seq')} {_line(fields)}")


def _entry_order(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)


def _line(fields: dict[str, str]) -> str:
    match fields.get("type"):
        case ResultType.ORDER:
            words = [fields.get(part, "") for part in ("status", "oid", "side", "amount", "symbol")]
            return (
                " ".join(words) + f" filled {fields.get('filled', '0')} {fields.get('reason', '')}"
            )
        case ResultType.REQUEST:
            words = [fields.get(part, "") for part in ("result_type", "request", "oid", "reason")]
            return " ".join(words) + f" (exists={fields.get('exists')})"
        case ResultType.STATUS:
            return f"private socket {fields.get('event')}"
        case _:
            rest = {key: fields[key] for key in fields if key not in ("seq", "type", "ts_ms")}
            return f"{fields.get('type')} {rest}"
