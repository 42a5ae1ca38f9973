"""Enum and Literal: one of several names."""

from __future__ import annotations

import enum
import typing
from typing import TYPE_CHECKING, Any

from flyte.types.scalars import unwrap_union, wrong_type_of_literal
from flyte.types.transformer import Conversion, Transformer, TypeTransformerFailedError, shown, wrong_type

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

    from flyte.types.engine import Engine


def _text(value: str) -> literals_pb2.Literal:
    from flyteidl2.core import literals_pb2

    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def _enum_type(values: list[str]) -> types_pb2.LiteralType:
    from flyteidl2.core import types_pb2

    return types_pb2.LiteralType(enum_type=types_pb2.EnumType(values=values))


def _stored_text(literal: literals_pb2.Literal, t: Any) -> str:
    literal = unwrap_union(literal)
    if literal.scalar.primitive.WhichOneof("value") != "string_value":
        raise wrong_type_of_literal(literal, t)
    return str(literal.scalar.primitive.string_value)


class EnumMember(Transformer):
    """Enum with text or whole-number values; the member's name travels. A name is accepted for a member."""

    tag = "DefaultEnumTransformer"
    is_identity = True

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        if issubclass(t, enum.Flag) or not all(isinstance(member.value, str | int) for member in t):
            raise TypeTransformerFailedError(
                f"Enum {t.__name__} cannot be an input or output: its values must be text or whole numbers, "
                "and no flags."
            )
        return _enum_type([member.name for member in t])

    def check(self, value: Any, t: Any) -> Any:
        if isinstance(value, t):
            return value
        if isinstance(value, str) and value in t.__members__:
            return t[value]
        raise wrong_type(value, t, f"One of {', '.join(t.__members__)}.")

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        return _text(self.check(value, t).name)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        name = _stored_text(literal, t)
        if name not in t.__members__:
            raise TypeTransformerFailedError(f"{t.__name__} has no member {name!r}; it has {', '.join(t.__members__)}.")
        return t[name]

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, t)


class LiteralText(Transformer):
    """typing.Literal of texts, as an input or an output of its own; the text travels."""

    tag = "LiteralTransformer"
    is_identity = True

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return _enum_type(list(typing.get_args(t)))

    def check(self, value: Any, t: Any) -> Any:
        return _allowed(value, t)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        return _text(self.check(value, t))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        return self.check(_stored_text(literal, t), t)

    def matches(self, value: Any, t: Any) -> bool:
        return _is_allowed(value, t)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.WhichOneof("type") != "enum_type":
            return None
        return typing.Literal[tuple(literal_type.enum_type.values)]


class PickledChoice(Transformer):
    """typing.Literal of other values, or inside another type: pickled on the wire, as the official SDK has it."""

    tag = "FlytePickle"
    is_identity = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return self._engine.fallback.literal_type(t)

    def check(self, value: Any, t: Any) -> Any:
        return _allowed(value, t)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        return self._engine.fallback.encode(self.check(value, t), t, conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        if unwrap_union(literal).scalar.HasField("primitive"):
            return self.check(_stored_text(literal, t), t)
        return self.check(self._engine.fallback.decode(literal, t, conversion), t)

    def matches(self, value: Any, t: Any) -> bool:
        return _is_allowed(value, t)


def _is_allowed(value: Any, t: Any) -> bool:
    return any(type(value) is type(allowed) and value == allowed for allowed in typing.get_args(t))


def _allowed(value: Any, t: Any) -> Any:
    if not _is_allowed(value, t):
        allowed = ", ".join(map(repr, typing.get_args(t)))
        raise TypeTransformerFailedError(f"Expected one of {allowed}, got {shown(value)}.")
    return value
