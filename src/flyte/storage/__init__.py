"""Access to objects: a folder of this machine, or a bucket (through `obstore`).

An address is a URI with a scheme, or a plain path. Everything is written to a temporary name and renamed, or
completed as a whole, so that no reader ever sees half an object.
"""

import sys
from typing import Any


def __getattr__(name: str) -> Any:
    from flyte import surface

    return surface.resolve(sys.modules[__name__], name, sys._getframe(1))


def __dir__() -> list[str]:
    from flyte import surface

    return surface.names(__name__)
