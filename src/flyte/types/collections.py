"""list[T] and dict[str, T]."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from flyte.types.scalars import refuse_half_characters, unwrap_union, wrong_type_of_literal
from flyte.types.transformer import Conversion, Transformer, TypeTransformerFailedError, plain, shown, wrong_type

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

    from flyte.types.engine import Engine


class ListOf(Transformer):
    """list[T]: a collection of literals."""

    tag = "Typed List"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2

        return types_pb2.LiteralType(collection_type=self._engine.transformer(_item(t)).literal_type(_item(t)))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, list):
            raise wrong_type(value, t)
        item = _item(t)
        transformer = self._engine.transformer(item)
        return [_at(f"[{i}]", transformer.check, element, item) for i, element in enumerate(value)]

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        from flyteidl2.core import literals_pb2

        if not isinstance(value, list):
            raise wrong_type(value, t)
        item = _item(t)
        encode = self._engine.transformer(item).encode
        literals = [_at(f"[{i}]", encode, element, item, conversion) for i, element in enumerate(value)]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=literals))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        literal = unwrap_union(literal)
        if literal.WhichOneof("value") != "collection":
            raise wrong_type_of_literal(literal, t)
        item = _item(t)
        decode = self._engine.transformer(item).decode
        return [decode(element, item, conversion) for element in literal.collection.literals]

    def matches(self, value: Any, t: Any) -> bool:
        item = _item(t)
        transformer = self._engine.transformer(item)
        return isinstance(value, list) and all(transformer.matches(element, item) for element in value)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.WhichOneof("type") != "collection_type":
            return None
        return list[self._engine.guess(literal_type.collection_type)]  # type: ignore[misc]


class MapOf(Transformer):
    """dict[str, T]: a map of literals. Other key types and a bare dict are structures (`structs.py`)."""

    tag = "Typed Dict"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2

        return types_pb2.LiteralType(map_value_type=self._engine.transformer(_value(t)).literal_type(_value(t)))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(value, t)
        item = _value(t)
        transformer = self._engine.transformer(item)
        return {_key(key): _at(f"[{key!r}]", transformer.check, part, item) for key, part in value.items()}

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        from flyteidl2.core import literals_pb2

        if not isinstance(value, dict):
            raise wrong_type(value, t)
        item = _value(t)
        encode = self._engine.transformer(item).encode
        literals = {_key(key): _at(f"[{key!r}]", encode, part, item, conversion) for key, part in value.items()}
        return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=literals))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        literal = unwrap_union(literal)
        if literal.WhichOneof("value") != "map":
            raise wrong_type_of_literal(literal, t)
        item = _value(t)
        decode = self._engine.transformer(item).decode
        return {key: decode(part, item, conversion) for key, part in sorted(literal.map.literals.items())}

    def matches(self, value: Any, t: Any) -> bool:
        item = _value(t)
        transformer = self._engine.transformer(item)
        return isinstance(value, dict) and all(
            isinstance(key, str) and transformer.matches(part, item) for key, part in value.items()
        )

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.WhichOneof("type") != "map_value_type":
            return None
        return dict[str, self._engine.guess(literal_type.map_value_type)]  # type: ignore[misc]


def _item(t: Any) -> Any:
    return plain(typing.get_args(t)[0])


def _value(t: Any) -> Any:
    return plain(typing.get_args(t)[1])


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeTransformerFailedError(f"Expected text as key, got {type(key).__name__}: {shown(key)}.")
    return refuse_half_characters(key)


def _at(place: str, convert: Any, *args: Any) -> Any:
    """Convert one element; an error says which."""
    try:
        return convert(*args)
    except TypeTransformerFailedError as e:
        inner = e.message if e.message.startswith("At ") else f": {e.message}"
        text = f"At {place}{inner.removeprefix('At ')}" if inner.startswith("At ") else f"At {place}{inner}"
        raise TypeTransformerFailedError(text) from None
