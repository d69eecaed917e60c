"""``python -m benchmarks.stack.traced_worker ACCOUNT FILE``: a worker that stamps its stages.

Ends like the worker, on SIGTERM, and then writes its stamps to the file. For the stage table only;
everything else is measured with the plain ``order-router worker``.
"""

import sys
from pathlib import Path

import orjson

from benchmarks.stack.stamps import Stamps
from router import settings as router_settings
from workers.connection import Connection
from workers.desk import Desk
from workers.inbox import Inbox
from workers.outbox import Outbox
from workers.process import serve
from workers.venues.okx.venue import Okx

#: Class, method, stamp before, stamp after.
WATCHED: tuple[tuple[type, str, str, str], ...] = (
    (Inbox, "take", "read", ""),
    (Connection, "send", "send", "sent"),
    (Okx, "decode", "heard", ""),
    (Desk, "on_answer", "answer", ""),
    (Outbox, "_write", "write", "written"),
)


def main(account: str, file: Path) -> None:
    """Serve until a signal; leave the stamps in ``file``."""
    stamps = Stamps()
    for owner, method, before, after in WATCHED:
        stamps.watch(owner, method, before, after)
    serve(router_settings.load(), [account])
    file.write_bytes(orjson.dumps(stamps.taken()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
