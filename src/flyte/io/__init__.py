"""Files, folders and tables that tasks hand on by reference. Public as `flyte.io`."""

import sys
from typing import Any


def __getattr__(name: str) -> Any:
    from flyte import surface

    return surface.resolve(sys.modules[__name__], name, sys._getframe(1))


def __dir__() -> list[str]:
    from flyte import surface

    return surface.names(__name__)
