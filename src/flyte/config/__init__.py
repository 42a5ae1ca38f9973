"""Configuration files, environment variables and arguments → one frozen settings object."""

from typing import Any

_PUBLIC = ("Config", "auto", "get_config_file", "set_if_exists")


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from flyte.config import settings

        return getattr(settings, name)
    raise AttributeError(f"module 'flyte.config' has no attribute {name!r}")
