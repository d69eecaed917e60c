"""Runs the demo from the first process to the verdict."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from commands.output import console, print_error, print_json
from demo.board import Board
from demo.children import ChildEnded
from demo.conductor import Conductor
from demo.faults import schedule
from demo.options import DemoOptions
from demo.report import Report, show, show_timeline
from demo.settle import settle
from demo.stack import Stack
from demo.told import Told, read_recording, read_results
from demo.venues import OKX
from demo.verdict import compare
from router.keyspace import AccountKeys
from router.redis_url import shown

_TURN_S = 0.1
_SHOW_EVERY_S = 0.3
_SETTLE_S = {"none": 60.0, "default": 60.0, "storm": 120.0}
_TIMELINES = 3


def run(options: DemoOptions) -> int:
    """Run the demo; return 0 if the ledger is what the strategies were told, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="order-router-demo-"))
    out = console()
    good = False
    try:
        with terminable(), Stack(options, folder) as stack:
            report = _play(stack, out)
            good = report.good
            _say(report, stack, out)
    except ChildEnded as error:
        print_error(str(error))
    finally:
        if options.keep or not good:
            # On stderr: stdout is the JSON's.
            Console(stderr=True).print(
                f"logs and recordings: {folder}", soft_wrap=True, markup=False
            )
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


def look_inside(folder: Path, redis_url: str) -> str:
    """Return how to look into the demo while it runs."""
    # With the address: REDIS_URL, where it is set, is heard before the folder.
    options = f"--config-dir {folder} --redis-url {shown(redis_url)}"
    return f"look inside: order-router status {options}"


def _play(stack: Stack, out: Console) -> Report:
    options = stack.options
    if not options.as_json:
        out.print("starting Redis, the simulated exchange, a worker, the jobs, the strategies")
    stack.start()
    if not options.as_json:
        out.print(look_inside(stack.folder, stack.redis_url), soft_wrap=True, markup=False)
    conductor = Conductor(
        schedule(options.faults, options.seconds, options.seed),
        stack.control,
        options.venues,
        lambda _: _replace_owner(stack),
        options.seed,
    )
    board = Board(stack, conductor, out, quiet=options.as_json)
    began = time.monotonic()
    stack.start_strategies()
    with board.open():
        _trade(stack, conductor, board)
    hits = conductor.hits()
    conductor.end()
    if not options.as_json:
        out.print("trading is over; waiting until nothing is under way")
    settled = settle(stack.client, stack.keys, stack.control, _SETTLE_S[options.faults])
    stack.stop_strategies()
    ledger = stack.control.ledger()
    told = gather(stack)
    return Report(
        seconds=time.monotonic() - began,
        settled=settled,
        ledger=ledger,
        told=told,
        faults=conductor.taken,
        hits=hits,
        differences=compare(ledger, told),
    )


def _trade(stack: Stack, conductor: Conductor, board: Board) -> None:
    """Let the strategies trade and the faults happen until the time is over."""
    shown_at = -_SHOW_EVERY_S
    while (elapsed_s := time.time() - stack.begin_ms / 1000) < stack.options.seconds:
        stack.supervise()
        conductor.play(elapsed_s)
        if elapsed_s - shown_at >= _SHOW_EVERY_S:
            shown_at = elapsed_s
            board.show(max(0.0, elapsed_s))
        time.sleep(_TURN_S)


def _replace_owner(stack: Stack) -> str:
    """Kill the owner as a crash would and start it again as the standby."""
    name = stack.owner()
    if not name:
        return "nobody owns the account at the moment"
    stack.children.kill(name)
    stack.start_again(name)
    return name


def gather(stack: Stack) -> list[Told]:
    """Return what every strategy was told."""
    found = []
    for name in stack.strategies():
        entries = {keys.account: _results(stack, keys, name) for keys in stack.keys}
        if name in stack.records:
            told = read_recording(name, stack.records[name])
        else:
            log = (stack.folder / f"{name}.log").read_text(errors="replace")
            told = read_results(name, entries[OKX.account], _admitted(stack, name), log)
        told.seqs = {
            account: [int(fields["seq"]) for fields in rows] for account, rows in entries.items()
        }
        found.append(told)
    return found


def _results(stack: Stack, keys: AccountKeys, strategy: str) -> list[dict[str, str]]:
    return [fields for _, fields in stack.client.xrange(keys.results(strategy))]


def _admitted(stack: Stack, strategy: str) -> list[dict[str, str]]:
    """Return the orders of the guide's example, which trades at OKX."""
    keys, client = stack.keys_of(OKX), stack.client
    oids = {*client.smembers(keys.open(strategy)), *client.zrange(keys.ended(strategy), 0, -1)}
    return [client.hgetall(keys.order(strategy, oid)) for oid in sorted(oids)]


def _say(report: Report, stack: Stack, out: Console) -> None:
    if stack.options.as_json:
        print_json(report.as_json())
        return
    show(report, out)
    shown: set[str] = set()
    for one in report.differences:
        if one.oid and one.oid not in shown and len(shown) < _TIMELINES:
            shown.add(one.oid)
            show_timeline(one.oid, stack.client, stack.keys, out)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the demo as cleanly as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
