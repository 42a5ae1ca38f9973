"""The two loggers: the user's and the framework's."""

from __future__ import annotations

import logging
import os


def _level(variable: str, default: int) -> int:
    """A level by name or number; the default for anything else."""
    said = os.environ.get(variable, "").upper()
    return int(said) if said.isdigit() else logging.getLevelNamesMapping().get(said, default)


user_logger = logging.getLogger("flyte.user")
"""For user code; INFO unless USER_LOG_LEVEL says otherwise."""
user_logger.setLevel(_level("USER_LOG_LEVEL", logging.INFO))

system_logger = logging.getLogger("flyte")
"""For the framework; WARNING unless LOG_LEVEL says otherwise."""
system_logger.setLevel(_level("LOG_LEVEL", logging.WARNING))
