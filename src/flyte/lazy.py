"""The one sanctioned late import of our own code.

For a module that needs a heavy one below it in a rare case only: `lazy("flyte.remote.task")` in the error of a wrong
first argument of `flyte.run`, say. Never against the layers, which import downwards only.
"""

from __future__ import annotations

import importlib
from typing import Any


def lazy(module: str, name: str | None = None) -> Any:
    """Import `module` now and give back its attribute `name` (or the module itself)."""
    loaded = importlib.import_module(module)
    return loaded if name is None else getattr(loaded, name)
