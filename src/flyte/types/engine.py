"""The registry: which transformer a type has, and conversions through it.

    literal_type  Python type → wire type
    encode        value → literal          decode   literal → value
    round_trip    what decode(encode(value)) would give, without literals where values are immutable

Knows nothing of tasks; `wire/inputs.py` names the input when a conversion fails.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from typing import TYPE_CHECKING, Any

from flyte.model.interface import is_named_tuple, is_union
from flyte.types.choices import EnumMember, LiteralText
from flyte.types.collections import ListOf, MapOf
from flyte.types.scalars import SCALARS
from flyte.types.structs import (
    BareDict,
    DataclassValue,
    NamedTupleValue,
    PydanticModel,
    TupleValue,
    TypedDictValue,
    is_pydantic_model,
    is_typed_dict,
)
from flyte.types.transformer import Conversion, Transformer
from flyte.types.unions import UnionOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl2.core import literals_pb2, types_pb2


class Engine:
    """Finds transformers, and remembers what it found.

    Args:
        fallback: The transformer of types that nothing else knows, made when it is first needed; the control
            plane gives one that refuses.
    """

    def __init__(self, fallback: Callable[[], Transformer]) -> None:
        self._fallback = fallback
        self._found: dict[Any, Transformer] = {}
        self._list, self._map, self._union = ListOf(self), MapOf(self), UnionOf(self)
        self._choice, self._enum = LiteralText(), EnumMember()
        self._dict, self._dataclass, self._model = BareDict(), DataclassValue(), PydanticModel()
        self._tuple, self._named_tuple, self._typed_dict = TupleValue(), NamedTupleValue(), TypedDictValue()

    def transformer(self, t: Any) -> Transformer:
        """The transformer of a type."""
        try:
            found = self._found.get(t)
        except TypeError:  # an annotation with unhashable metadata
            return self._find(t)
        if found is None:
            found = self._found[t] = self._find(t)
        return found

    def _find(self, t: Any) -> Transformer:
        if typing.get_origin(t) is typing.Annotated:
            return self.transformer(typing.get_args(t)[0])
        try:
            if t in SCALARS:
                return SCALARS[t]
        except TypeError:
            pass
        return self._composite(t) or self._fallback()

    def _composite(self, t: Any) -> Transformer | None:
        origin, args = typing.get_origin(t), typing.get_args(t)
        if is_union(t):
            return self._union
        if origin is typing.Literal:
            return self._choice if all(isinstance(arg, str) for arg in args) else None
        if origin is list and args:
            return self._list
        if origin is dict:
            return self._map if args[0] is str else self._dict
        if t is dict or t is typing.Dict:  # noqa: UP006  both spellings are met
            return self._dict
        if origin is tuple:
            return self._tuple if args and Ellipsis not in args else None
        return self._class(t, origin)

    def _class(self, t: Any, origin: Any) -> Transformer | None:
        if is_named_tuple(t):
            return self._named_tuple
        if is_typed_dict(t):
            return self._typed_dict
        if isinstance(t, type) and issubclass(t, enum.Enum):
            return self._enum
        if is_pydantic_model(t):
            return self._model
        if dataclasses.is_dataclass(origin or t):
            return self._dataclass
        return None

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        """The wire type of a Python type."""
        return self.transformer(t).literal_type(_plain(t))

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        """The literal of a value.

        Raises:
            TypeTransformerFailedError: The value is not one of `t`, or cannot be sent.
        """
        return self.transformer(t).encode(value, _plain(t), conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        """The value of a literal.

        Raises:
            TypeTransformerFailedError: The literal is not one of `t`, or cannot be read.
        """
        return self.transformer(t).decode(literal, _plain(t), conversion)

    def check(self, value: Any, t: Any) -> Any:
        """The value, refused if it is not of the type and coerced where that loses nothing.

        Raises:
            TypeTransformerFailedError: The value is not one of `t`.
        """
        return self.transformer(t).check(value, _plain(t))

    def round_trip(self, value: Any, t: Any, conversion: Conversion) -> Any:
        """The value as another process would get it."""
        plain = _plain(t)
        transformer = self.transformer(plain)
        if transformer.is_identity:
            return transformer.check(value, plain)
        if is_union(plain):
            member = self._union.choose(value, plain)
            return self.round_trip(value, member, conversion)
        if transformer is self._list and self.transformer(typing.get_args(plain)[0]).is_identity:
            return transformer.check(value, plain)
        if transformer is self._map and self.transformer(typing.get_args(plain)[1]).is_identity:
            return transformer.check(value, plain)
        return transformer.decode(transformer.encode(value, plain, conversion), plain, conversion)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        """A Python type for a wire type; `Any` where nothing better is known."""
        order: list[Transformer] = [SCALARS[k] for k in (int, float, str, bool, type(None))]
        order += [t for k, t in SCALARS.items() if t not in order]
        if literal_type.structure.tag == "date":
            order.insert(0, SCALARS[__import__("datetime").date])
        order += [self._list, self._map, self._choice, self._fallback(), self._union, self._dict]
        for transformer in order:
            guessed = transformer.guess(literal_type)
            if guessed is not None:
                return guessed
        return Any

    def may_block(self, t: Any) -> bool:
        """True when converting values of this type may read or write objects."""
        if self.transformer(t).may_block:
            return True
        return any(
            self.may_block(arg)
            for arg in typing.get_args(_plain(t))
            if arg is not Ellipsis and not isinstance(arg, str)
        )


def _plain(t: Any) -> Any:
    return typing.get_args(t)[0] if typing.get_origin(t) is typing.Annotated else t


def _pickled() -> Transformer:
    from flyte.types.pickled import Pickled

    return Pickled()


engine = Engine(_pickled)
"""The engine of user processes. It may unpickle; the control plane makes one of its own that may not."""
