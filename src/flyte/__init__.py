"""Flyte 2 in Python: write plain functions, decorate them with `@env.task`, run them anywhere.

Importing this package imports nothing but `sys`: each public name is resolved when it is first used, by the table
in `flyte/surface.py`. What a type checker sees is `__init__.pyi`.
"""

import sys


def __getattr__(name):
    if name == "surface":
        raise AttributeError(name)  # not loaded yet: let the import system do it
    __import__("flyte.surface")
    return sys.modules["flyte.surface"].resolve(sys.modules[__name__], name, sys._getframe(1))


def __dir__():
    __import__("flyte.surface")
    return sys.modules["flyte.surface"].names(__name__)


class _NotBuilt:
    """The last finder: explains `import flyte.report` where nothing else found it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("flyte."):
            __import__("flyte.surface")
            sys.modules["flyte.surface"].refuse_module(name)


sys.meta_path.append(_NotBuilt)
