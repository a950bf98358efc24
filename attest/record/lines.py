"""The log of a recorder or a site on stderr: one JSON object a line, as journald and log shippers take it.

{"time": "2026-11-09T06:00:31Z", "level": "info", "event": "window closed", "statements": 1, "until": 1794204000}
"""

import json
import logging
from datetime import UTC, datetime
from typing import TextIO


class Lines(logging.Formatter):
    """Formats what the recorder logs; `extra={"fields": ...}` stands beside it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = {"time": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(line | getattr(record, "fields", {}), ensure_ascii=False)


def log_to(stream: TextIO, level: int) -> None:
    """Everything that the recorder or a site logs, to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    logger = logging.getLogger("attest")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
