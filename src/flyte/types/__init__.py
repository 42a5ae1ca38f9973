"""Python values ⇄ literals of the protocol.

`engine.py` finds the transformer of a type; the other modules hold one family of types each. The literal forms
are those of sdk_surface §4.14. Pickle lives in `pickled.py` alone, which the control plane may not import.
"""

import sys
from typing import Any


def __getattr__(name: str) -> Any:
    from flyte import surface

    return surface.resolve(sys.modules[__name__], name, sys._getframe(1))


def __dir__() -> list[str]:
    from flyte import surface

    return surface.names(__name__)
