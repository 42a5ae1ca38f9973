"""What a family of types must be able to do, and what a conversion may use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from flyte.errors import FlyteError
from flyte.model.context import RawDataPath
from flyte.model.interface import NO_HINT

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

_LONGEST_SHOWN = 120
MADE_FOR = "__made_for__"
"""Attribute of a class that was made to stand for a user's type, which errors name instead."""


class TypeTransformerFailedError(FlyteError, TypeError, ValueError, AssertionError):
    """A value could not be converted to or from its literal."""


@dataclass
class Conversion:
    """What a conversion may use: where large values go."""

    raw_data: RawDataPath | None = None

    def new_uri(self, leaf: str) -> str:
        """An address for a value that is too large to be inline.

        Raises:
            TypeTransformerFailedError: Nowhere to put it.
        """
        if self.raw_data is None:
            raise TypeTransformerFailedError(
                "The value is too large to be sent inline, and there is nowhere to put it."
            )
        return self.raw_data.get_random_remote_path(leaf)


class Transformer(ABC):
    """One family of types. Stateless; used from any thread.

    Attributes:
        tag: The name that unions and structures carry on the wire.
        is_identity: True when values are immutable and a round trip gives the same value, so that local mode
            need not build a literal.
        may_block: True when converting may read or write objects.
    """

    tag: str
    is_identity = False
    may_block = False

    @abstractmethod
    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        """The wire's type for a Python type."""

    @abstractmethod
    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        """The literal of a value.

        Raises:
            TypeTransformerFailedError: The value is not one of `t`; the sentence says why.
        """

    @abstractmethod
    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        """The value of a literal.

        Raises:
            TypeTransformerFailedError: The literal is not one of `t`.
        """

    def check(self, value: Any, t: Any) -> Any:
        """Refuse a value that is not of `t`; gives back the value, coerced where that loses nothing."""
        del t
        return value

    def matches(self, value: Any, t: Any) -> bool:
        """True when the value is one of `t` without any coercion; decides between the members of a union."""
        return isinstance(t, type) and type(value) is t

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        """A Python type for a wire type of this family; None when it is of another family."""
        del literal_type


def shown(value: Any) -> str:
    """A value for an error message: its repr, shortened."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  a broken __repr__ must not hide the error that is being told
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def plain(t: Any) -> Any:
    """A type without what `Annotated` says about it."""
    return get_args(t)[0] if get_origin(t) is Annotated else t


def type_name(t: Any) -> str:
    """A type for an error message."""
    if t is NO_HINT:
        return "an input without a type hint"
    t = getattr(t, MADE_FOR, t)
    return t.__name__ if isinstance(t, type) and not getattr(t, "__args__", None) else str(t).replace("typing.", "")


def wrong_type(value: Any, t: Any, reason: str = "") -> TypeTransformerFailedError:
    """The error for a value that is not of a type."""
    text = f"Expected {type_name(t)}, got {type(value).__name__}: {shown(value)}."
    return TypeTransformerFailedError(f"{text} {reason}".rstrip())
