"""Values as another process would get them, with the literal where one had to be made on the way.

Where values are immutable, or a list or dict of such, a check and a shallow copy are as good as a literal, and
protobuf is not loaded. Otherwise the literal is kept beside the value: history and cache need it too.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyte.model.interface import is_union
from flyte.types.engine import engine
from flyte.types.transformer import Conversion

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2


@dataclass(frozen=True, slots=True)
class Copied:
    """A value that went through a conversion.

    Args:
        literal: What it was read back from; None where none was needed.
    """

    value: Any
    declared: Any
    literal: literals_pb2.Literal | None = None

    def given(self, conversion: Conversion, *, again: bool = False) -> Any:
        """The value for user code to own: what it does to lists and dicts does not reach this copy.

        Args:
            again: It was given away before, so that a value with a literal has to be read once more.
        """
        if self.literal is not None:
            return engine.decode(self.literal, self.declared, conversion) if again else self.value
        if type(self.value) is list:
            return list(self.value)
        return dict(self.value) if type(self.value) is dict else self.value


def copied(value: Any, declared: Any, conversion: Conversion) -> Copied:
    """A value as another process would get it.

    Raises:
        TypeTransformerFailedError: It is not of the declared type, or cannot be sent.
    """
    if not _needs_literal(declared):
        return Copied(engine.round_trip(value, declared, conversion), declared)
    literal = engine.encode(value, declared, conversion)
    return Copied(engine.decode(literal, declared, conversion), declared, literal)


def _needs_literal(declared: Any) -> bool:
    try:
        return _remembered(declared)
    except TypeError:  # an annotation with unhashable metadata
        return _decided(declared)


def _decided(declared: Any) -> bool:
    plain = typing.get_args(declared)[0] if typing.get_origin(declared) is typing.Annotated else declared
    if engine.transformer(plain).is_identity:
        return False
    origin, args = typing.get_origin(plain), typing.get_args(plain)
    if is_union(plain):
        return any(_needs_literal(member) for member in args)
    if origin is list and args:
        return not engine.transformer(args[0]).is_identity
    if origin is dict and args and args[0] is str:
        return not engine.transformer(args[1]).is_identity
    return True


_remembered: Callable[[Any], bool] = lru_cache(maxsize=1024)(_decided)
