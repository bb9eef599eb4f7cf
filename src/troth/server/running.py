"""Running the application: logs as JSON lines, a graceful stop."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

import uvicorn

from troth.core.values import format_instant
from troth.ledger.store import clock
from troth.server.application import make_app
from troth.server.config import Settings

SWITCH_SECONDS: Final = 0.0005


class JsonLines(logging.Formatter):
    """One JSON object a line. Exceptions are named by their type alone: their texts may hold personal data."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        text = record.getMessage()
        if text.startswith("{"):
            return text
        line: dict[str, Any] = {
            "at": format_instant(clock()),
            "event": "log",
            "level": record.levelname.lower(),
            "text": text.partition("\n")[0],
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line)


def run(home: Path, settings: Settings, host: str, port: int) -> None:
    """Serve until told to stop (SIGTERM or SIGINT); requests under way are answered first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # The writer's thread has to win the interpreter's lock from the event loop several times for each group; with
    # five milliseconds each, the default, waiting for it would take longer than the disk.
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    config = uvicorn.Config(
        make_app(home, settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=15,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=16_384,
        proxy_headers=True,
    )
    uvicorn.Server(config).run()
