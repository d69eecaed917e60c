"""Logging of the long-running commands: lines for people, or JSON lines, on stderr."""

import logging
import sys

import orjson

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object a record: ts_ms, level, logger, message, traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts_ms": int(record.created * 1000),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up(level: str, *, as_json: bool) -> None:
    """Send all log records of ``level`` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(_LINE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # rq's chatter about each job says nothing about orders.
    logging.getLogger("rq").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
