"""The registry: which transformer a type has, and conversions through it.

    literal_type  Python type → wire type
    encode        value → literal          decode   literal → value
    round_trip    what decode(encode(value)) would give, without literals where values are immutable

Knows nothing of tasks; `wire/inputs.py` names the input when a conversion fails.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import typing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flyte.model.interface import is_named_tuple, is_union
from flyte.types.choices import EnumMember, LiteralText, PickledChoice
from flyte.types.collections import ListOf, MapOf
from flyte.types.pydantic_models import PydanticModel, is_pydantic_model
from flyte.types.records import NamedTupleValue, TupleValue, TypedDictValue, is_typed_dict
from flyte.types.scalars import SCALARS
from flyte.types.structs import BareDict, DataclassValue
from flyte.types.transformer import Conversion, Transformer, plain
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
        self._make_fallback = fallback
        self._found: dict[Any, Transformer] = {}
        self._list, self._map, self._union = ListOf(self), MapOf(self), UnionOf(self)
        self._text_choice, self._choice, self._enum = LiteralText(), PickledChoice(self), EnumMember()
        self._dict, self._dataclass, self._model = BareDict(), DataclassValue(), PydanticModel()
        self._tuple, self._named_tuple, self._typed_dict = TupleValue(), NamedTupleValue(), TypedDictValue()

    @cached_property
    def fallback(self) -> Transformer:
        """The transformer of types that nothing else knows."""
        return self._make_fallback()

    def transformer(self, t: Any) -> Transformer:
        """The transformer of a type inside another."""
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
        return self._composite(t) or self.fallback

    def _outermost(self, t: Any) -> Transformer:
        """The transformer of the type of an input or output; only there a choice of texts is an enumeration."""
        return self._text_choice if _is_choice(t, str) else self.transformer(t)

    def _composite(self, t: Any) -> Transformer | None:
        origin, args = typing.get_origin(t), typing.get_args(t)
        if is_union(t):
            return self._union
        if origin is typing.Literal:
            return self._choice
        if origin is list and args:
            return self._list
        if origin is dict and args:
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
        """The wire type of the type of an input or output."""
        t = plain(t)
        if _is_choice(t, object) and not _is_choice(t, str):
            t = Any  # its official name there
        return self._outermost(t).literal_type(t)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        """The literal of a value.

        Raises:
            TypeTransformerFailedError: The value is not one of `t`, or cannot be sent.
        """
        t = plain(t)
        return self._outermost(t).encode(value, t, conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        """The value of a literal.

        Raises:
            TypeTransformerFailedError: The literal is not one of `t`, or cannot be read.
        """
        t = plain(t)
        return self._outermost(t).decode(literal, t, conversion)

    def check(self, value: Any, t: Any) -> Any:
        """The value, refused if it is not of the type and coerced where that loses nothing.

        Raises:
            TypeTransformerFailedError: The value is not one of `t`.
        """
        return self.transformer(t).check(value, plain(t))

    def round_trip(self, value: Any, t: Any, conversion: Conversion) -> Any:
        """The value as another process would get it."""
        t = plain(t)
        transformer = self.transformer(t)
        if transformer.is_identity:
            return transformer.check(value, t)
        if is_union(t):
            member = self._union.choose(value, t)
            return self.round_trip(value, member, conversion)
        if transformer is self._list and self.transformer(typing.get_args(t)[0]).is_identity:
            return transformer.check(value, t)
        if transformer is self._map and self.transformer(typing.get_args(t)[1]).is_identity:
            return dict(sorted(transformer.check(value, t).items()))
        return transformer.decode(transformer.encode(value, t, conversion), t, conversion)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        """A Python type for a wire type; `Any` where nothing better is known."""
        order: list[Transformer] = [SCALARS[k] for k in (int, float, str, bool, type(None))]
        order += [t for k, t in SCALARS.items() if t not in order]
        if literal_type.structure.tag == "date":
            order.insert(0, SCALARS[datetime.date])
        order += [self._list, self._map, self._text_choice, self.fallback, self._union, self._dict]
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
            self.may_block(arg) for arg in typing.get_args(plain(t)) if arg is not Ellipsis and not isinstance(arg, str)
        )


def _is_choice(t: Any, of: type) -> bool:
    return typing.get_origin(t) is typing.Literal and all(isinstance(arg, of) for arg in typing.get_args(t))


def _pickled() -> Transformer:
    from flyte.types.pickled import Pickled

    return Pickled()


engine = Engine(_pickled)
"""The engine of user processes. It may unpickle; the control plane makes one of its own that may not."""
