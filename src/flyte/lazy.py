"""The one sanctioned late import of our own code.

`lazy("flyte.launch.running", "run")` stands for a public name until it is asked for. The table of the
public surface (`flyte/surface.py`) is made of these; nothing else needs them, because the layers import
downwards only.
"""

from __future__ import annotations

import importlib
from typing import Any


def lazy(module: str, name: str | None = None) -> Any:
    """Import `module` now and give back its attribute `name` (or the module itself)."""
    loaded = importlib.import_module(module)
    return loaded if name is None else getattr(loaded, name)
