"""``python -m demo.guard FOLDER``: ends process groups when the demo is gone, then its folder.

One process group a line on stdin. The end of stdin means that the demo ended; a line ``keep``
before it means that it ended well and has cleaned up itself.
"""

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    """Wait for the end of stdin, then end what is left."""
    # The terminal's Ctrl-C is the demo's business; the guard goes last.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "keep":
            return
        groups.add(int(word))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
