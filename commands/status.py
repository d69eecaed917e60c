"""``order-router status``: per account its owner, lease, sockets, and each strategy in counts."""

from dataclasses import asdict
from typing import Any

from rich.markup import escape

from commands.link import connected
from commands.options import AccountFilter, AsJson, ConfigDir, RedisUrl, settings_from
from commands.output import ago, clock_time, console, now_ms, print_json, table
from commands.survey import AccountView, StrategyView, account_names, account_view
from router.keyspace import AccountKeys
from router.snapshot import Snapshot

_COLUMNS = (
    "strategy", "waiting", "pending", "open", "unknown", "backlog", "repeats", "dead", "last seen",
    "instances",
)  # fmt: skip


def status(
    account: AccountFilter = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Show who owns each account, how it is connected and what its strategies have under way."""
    settings = settings_from(redis_url, config_dir)
    with connected(settings.redis_url) as clients:
        names = account_names(clients, settings, account)
        accounts = [AccountKeys(name, settings.prefix) for name in names]
        views = [account_view(clients.of(keys.epoch), keys) for keys in accounts]
    if as_json:
        print_json({"accounts": [account_json(view) for view in views]})
        return
    if not views:
        console().print("no account is configured, and none was ever served")
    for view in views:
        _show(view, now_ms())


def account_json(view: AccountView) -> dict[str, Any]:
    """Return the account as `status --json` shows it."""
    metrics = view.metrics.model_dump() if view.metrics is not None else None
    return asdict(view) | {"metrics": metrics}


def _show(view: AccountView, now: int) -> None:
    out = console()
    out.print(f"[bold]{escape(view.account)}[/bold]  {_owner(view)}")
    for name, socket in view.sockets.items():
        since = f"{clock_time(socket.since_ms)} ({ago(socket.since_ms, now)})"
        out.print(f"  {name} socket {socket.state} since {since}", markup=False)
    if view.resynced_ms:
        out.print(f"  last resync {clock_time(view.resynced_ms)} ({ago(view.resynced_ms, now)})")
    if view.halted is not None:
        out.print(f"  [bold red]HALTED:[/bold red] {escape(view.halted)}")
    if view.dead:
        out.print(f"  {view.dead} dead letters")
    if view.strategies:
        out.print(table("", _COLUMNS, [_row(one, now) for one in view.strategies]))
    if view.metrics is not None:
        _show_metrics(view.metrics, now)
    out.print()


def _show_metrics(metrics: Snapshot, now: int) -> None:
    out = console()
    standing = ", ".join(f"{count} {_words(name)}" for name, count in metrics.now.items())
    out.print(f"  now {standing}", markup=False)
    happened = [f"{count} {_words(name)}" for name, count in metrics.counts.items() if count]
    since = ago(metrics.since_ms, now)
    out.print(f"  since the worker started, {since}: {', '.join(happened)}", markup=False)
    stages = [
        (name, one.count, _ms(one.p50_ms), _ms(one.p99_ms), _ms(one.most_ms))
        for name, one in metrics.stages.items()
        if one.count
    ]
    if stages:
        out.print(table("", ("stage, ms", "count", "p50", "p99", "most"), stages))
    if metrics.requests:
        columns = tuple(type(metrics.requests[0]).model_fields)
        rows = [tuple(one.model_dump().values()) for one in metrics.requests]
        out.print(table("", columns, rows))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ms(value: float) -> str:
    return f"{value:.1f}"


def _owner(view: AccountView) -> str:
    if not view.owner:
        return f"[red]no owner[/red] (last epoch {view.epoch}); start: order-router worker"
    return escape(
        f"owner {view.owner} (host {view.host}, pid {view.pid}), epoch {view.epoch}, "
        f"{view.worker or 'preparing'}, lease left {view.lease_left_ms} ms"
    )


def _row(one: StrategyView, now: int) -> tuple[object, ...]:
    return (
        one.strategy,
        one.waiting,
        one.pending,
        one.open,
        one.unknown,
        one.backlog if one.backlog >= 0 else "?",
        one.repeats,
        one.dead,
        ago(one.seen_ms, now),
        ", ".join(instance.name for instance in one.instances),
    )
