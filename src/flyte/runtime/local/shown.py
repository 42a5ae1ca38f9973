"""Values as text for a person: bounded in length and in the time it takes, whatever the value."""

from __future__ import annotations

import dataclasses
import itertools
import reprlib
from collections.abc import Set
from typing import Any

LONGEST = 1000
"""Characters of one value."""


class _Bounded(reprlib.Repr):
    """`repr` that stops after some elements and some depth, also inside dataclasses."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 5
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = self.maxset = self.maxfrozenset = 30
        self.maxdeque = 30
        self.maxstring = self.maxother = LONGEST
        self.maxlong = 100

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{…}"
        shown = itertools.islice(x.items(), self.maxdict)
        parts = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in shown]
        return "{" + ", ".join(parts) + (", …}" if len(x) > len(parts) else "}")

    def repr_set(self, x: Set[Any], level: int) -> str:
        # Not by the inherited method, which sorts the whole set first.
        if not x or level <= 0:
            return "set()" if not x else "{…}"
        parts = [self.repr1(element, level - 1) for element in itertools.islice(x, self.maxset)]
        return "{" + ", ".join(parts) + (", …}" if len(x) > len(parts) else "}")

    def repr_frozenset(self, x: Set[Any], level: int) -> str:
        return f"frozenset({self.repr_set(x, level) if x else ''})"

    def repr_instance(self, x: Any, level: int) -> str:
        if dataclasses.is_dataclass(x) and not isinstance(x, type) and "__repr__" in type(x).__dict__:
            if level <= 0:
                return f"{type(x).__name__}(…)"
            shown = (f for f in dataclasses.fields(x) if f.repr)
            parts = (f"{f.name}={self.repr1(getattr(x, f.name, None), level - 1)}" for f in shown)
            return f"{type(x).__qualname__}({', '.join(parts)})"
        try:
            return super().repr_instance(x, level)
        except Exception:  # noqa: BLE001  a broken __repr__ must not end a run
            return f"<{type(x).__name__}>"


_BOUNDED = _Bounded()


def shown(value: Any) -> str:
    """The beginning of `repr(value)`."""
    try:
        text = _BOUNDED.repr(value)
    except Exception:  # noqa: BLE001  as above
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
