"""tuple[A, B], NamedTuples and TypedDicts as values: structures, by way of Pydantic models made for them."""

from __future__ import annotations

import typing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyte.types.pydantic_models import PydanticModel, described
from flyte.types.transformer import MADE_FOR, Conversion, Transformer, TypeTransformerFailedError, type_name, wrong_type

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

_MODEL = PydanticModel()


class TupleValue(Transformer):
    """tuple[A, B] as a value: a structure with item_0, item_1, …"""

    tag = "Typed Tuple"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return _MODEL.literal_type(_tuple_model(t))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(typing.get_args(t)):
            raise wrong_type(value, t)
        return value

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        self.check(value, t)
        items = {f"item_{i}": part for i, part in enumerate(value)}
        return _MODEL.encode(items, _tuple_model(t), conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        model = _MODEL.decode(literal, _tuple_model(t), conversion)
        return tuple(getattr(model, f"item_{i}") for i in range(len(typing.get_args(t))))

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, tuple) and len(value) == len(typing.get_args(t))


class NamedTupleValue(Transformer):
    """A NamedTuple as a value: a structure with its fields."""

    tag = "NamedTuple"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return _MODEL.literal_type(_fields_model(t, f"NamedTupleWrapper_{t.__name__}"))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, t):
            raise wrong_type(value, t)
        return value

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        model = _fields_model(t, f"NamedTupleWrapper_{t.__name__}")
        return _MODEL.encode(dict(self.check(value, t)._asdict()), model, conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        model = _MODEL.decode(literal, _fields_model(t, f"NamedTupleWrapper_{t.__name__}"), conversion)
        return t(**{name: getattr(model, name) for name in t._fields})


class TypedDictValue(Transformer):
    """A TypedDict: a structure; keys that are absent travel as None and are left out again."""

    tag = "TypedDict"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return _MODEL.literal_type(_described_model(t, f"TypedDictWrapper_{t.__name__}"))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(value, t)
        unknown = sorted(map(str, set(value) - set(t.__annotations__)))
        missing = sorted(set(t.__annotations__) - _optional_keys(t) - set(value))
        if unknown or missing:
            problem = f"unknown keys {unknown}" if unknown else f"missing keys {missing}"
            raise wrong_type(value, t, f"It has {problem}.")
        return value

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        self.check(value, t)
        return _MODEL.encode(dict(value), _fields_model(t, f"TypedDictWrapper_{t.__name__}"), conversion)

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        model = _MODEL.decode(literal, _fields_model(t, f"TypedDictWrapper_{t.__name__}"), conversion)
        values = {name: getattr(model, name) for name in t.__annotations__}
        optional = _optional_keys(t)
        return {name: value for name, value in values.items() if name not in optional or value is not None}

    def matches(self, value: Any, t: Any) -> bool:
        known = set(t.__annotations__)
        return isinstance(value, dict) and known - _optional_keys(t) <= set(value) <= known


@lru_cache(maxsize=1024)
def _tuple_model(t: Any) -> Any:
    fields: dict[str, Any] = {f"item_{i}": (part, ...) for i, part in enumerate(typing.get_args(t))}
    # The spelling of the annotation is part of the official name: typing.Tuple or tuple.
    spelled = "Tuple" if str(t).startswith("typing.Tuple") else "tuple"
    return _made(t, f"TupleWrapper_{spelled}", fields)


@lru_cache(maxsize=1024)
def _fields_model(t: Any, name: str) -> Any:
    hints = _hints(t, include_extras=False)
    optional = _optional_keys(t) if is_typed_dict(t) else frozenset()
    fields: dict[str, Any] = {
        key: (typing.Optional[hint], None) if key in optional else (hint, ...)  # noqa: UP045  a value, not a hint
        for key, hint in hints.items()
    }
    return _made(t, name, fields)


@lru_cache(maxsize=1024)
def _described_model(t: Any, name: str) -> Any:
    """As `_fields_model`, but the keys of a class with `total=False` count as required unless marked one by one.

    That is how the official schema has it, and the schema counts for names and cache keys.
    """
    hints = _hints(t, include_extras=True)
    plain = _hints(t, include_extras=False)
    fields: dict[str, Any] = {
        key: (typing.Optional[plain[key]], None) if typing.get_origin(hint) is typing.NotRequired else (plain[key], ...)  # noqa: UP045
        for key, hint in hints.items()
    }
    return _made(t, name, fields)


def _hints(t: Any, *, include_extras: bool) -> dict[str, Any]:
    """The types of the fields; `Any` for those of a `collections.namedtuple`."""
    hints = described(type_name(t), lambda: typing.get_type_hints(t, include_extras=include_extras))
    return {name: hints.get(name, Any) for name in getattr(t, "_fields", hints)}


def _made(t: Any, name: str, fields: dict[str, Any]) -> Any:
    try:
        import pydantic
    except ImportError:
        raise TypeTransformerFailedError(
            f"{type_name(t)} needs Pydantic as an input or output: pip install pydantic."
        ) from None
    hidden = [field for field in fields if field.startswith("_")]
    if hidden:
        raise TypeTransformerFailedError(
            f"{type_name(t)} cannot be an input or output: the name {hidden[0]!r} begins with '_'. "
            "Use a dict, whose keys may."
        )
    model = described(type_name(t), lambda: pydantic.create_model(name, **fields))
    setattr(model, MADE_FOR, t)
    return model


@lru_cache(maxsize=1024)
def _optional_keys(t: Any) -> frozenset[str]:
    """The keys of a TypedDict that may be absent.

    Its own `__optional_keys__` is wrong where `from __future__ import annotations` hides `NotRequired` and `Required`.
    """
    marks = {key: typing.get_origin(hint) for key, hint in _hints(t, include_extras=True).items()}
    return frozenset(
        key
        for key, mark in marks.items()
        if mark is typing.NotRequired or (mark is not typing.Required and key in t.__optional_keys__)
    )


def is_typed_dict(t: Any) -> bool:
    """True for a TypedDict class, of `typing` or of `typing_extensions`."""
    return isinstance(t, type) and issubclass(t, dict) and hasattr(t, "__total__") and hasattr(t, "__required_keys__")
