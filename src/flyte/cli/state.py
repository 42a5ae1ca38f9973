"""What the global options said. Knows no backend: `connect` makes the session that they ask for."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass


class _JsonLines(logging.Formatter):
    """One JSON object a message."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


@dataclass(frozen=True)
class CliState:
    """The global options."""

    config: str | None = None
    endpoint: str | None = None
    insecure: bool | None = None
    org: str | None = None
    image_builder: str | None = None
    verbose: int = 0
    output: str = "table"
    log_format: str = "console"
    user_log_level: str | None = None
    reset_root_logger: bool = False
    no_progress: bool = False

    @property
    def is_json(self) -> bool:
        """True when results are to be JSON."""
        return self.output in ("json", "json-raw")

    @property
    def log_level(self) -> int:
        """The framework's level: WARNING, INFO from -vv, DEBUG from -vvv."""
        return {0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO}.get(self.verbose, logging.DEBUG)

    @property
    def user_level(self) -> int | None:
        """The level of user code, None where nothing is said."""
        return logging.getLevelNamesMapping()[self.user_log_level.upper()] if self.user_log_level else None

    def set_levels(self) -> None:
        """Apply the logging options; messages go to stderr."""
        logging.basicConfig(level=self.log_level, format="%(levelname)s %(name)s: %(message)s")
        if self.reset_root_logger or self.log_format == "json":
            for handler in logging.root.handlers:
                handler.setFormatter(_JsonLines() if self.log_format == "json" else None)
        if self.verbose:
            logging.getLogger("flyte").setLevel(self.log_level)
        if self.user_level is not None:
            logging.getLogger("flyte.user").setLevel(self.user_level)
