"""Structures: bare dicts, dataclasses, Pydantic models, tuples, NamedTuples and TypedDicts.

Each travels as one MessagePack value, with its JSON schema in the type. Dataclasses are read and written by
mashumaro and the rest by Pydantic, as official task processes do, so that either side reads the other's values.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import logging
import typing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyte.model.interface import is_named_tuple, is_union
from flyte.types.scalars import unwrap_union, wrong_type_of_literal
from flyte.types.transformer import (
    Conversion,
    Transformer,
    TypeTransformerFailedError,
    shown,
    type_name,
    wrong_type,
)

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

log = logging.getLogger("flyte")

MSGPACK = "msgpack"


def struct_type(schema: dict[str, Any] | None, tag: str | None) -> types_pb2.LiteralType:
    """The wire type of a structure, with its schema and its transformer's name."""
    from flyteidl2.core import types_pb2
    from google.protobuf import json_format
    from google.protobuf.struct_pb2 import Struct

    marker = Struct()
    marker.update({"cache-key-metadata": {"serialization-format": MSGPACK}})
    literal_type = types_pb2.LiteralType(
        simple=types_pb2.SimpleType.STRUCT, annotation=types_pb2.TypeAnnotation(annotations=marker)
    )
    if schema is not None:
        literal_type.metadata.CopyFrom(json_format.ParseDict(schema, Struct()))
    if tag is not None:
        literal_type.structure.tag = tag
    return literal_type


def packed(data: bytes) -> literals_pb2.Literal:
    """The literal of a MessagePack value."""
    from flyteidl2.core import literals_pb2

    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data, tag=MSGPACK)))


def unpacked(literal: literals_pb2.Literal, t: Any) -> bytes:
    """The MessagePack value of a literal; plain JSON structures of other clients are taken too."""
    literal = unwrap_union(literal)
    kind = literal.scalar.WhichOneof("value")
    if kind == "binary" and literal.scalar.binary.tag == MSGPACK:
        return bytes(literal.scalar.binary.value)
    if kind == "generic":
        import msgpack  # type: ignore[import-untyped, unused-ignore]
        from google.protobuf import json_format

        return bytes(msgpack.packb(json_format.MessageToDict(literal.scalar.generic)))
    raise wrong_type_of_literal(literal, t)


class BareDict(Transformer):
    """dict without types, or with other keys than text: any MessagePack value, with the types of its keys."""

    tag = "Typed Dict"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return struct_type(None, None)

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(value, t)
        return value

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        self.check(value, t)
        try:
            return packed(_dict_codec(t if typing.get_args(t) else dict)[0](value))
        except Exception as e:
            raise TypeTransformerFailedError(f"{shown(value)} cannot be sent as a dict: {e}.") from e

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        data = unpacked(literal, t)
        try:
            return _dict_codec(t if typing.get_args(t) else dict)[1](data)
        except Exception as e:
            raise TypeTransformerFailedError(f"The stored value cannot be read as {type_name(t)}: {e}.") from e

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, dict)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        from flyteidl2.core import types_pb2

        is_struct = literal_type.WhichOneof("type") == "simple" and literal_type.simple == types_pb2.SimpleType.STRUCT
        return dict if is_struct else None


@lru_cache(maxsize=1024)
def _dict_codec(t: Any) -> tuple[Any, Any]:
    if t is dict:
        import msgpack

        return msgpack.packb, lambda data: msgpack.unpackb(data, strict_map_key=False)
    return _msgpack_codec(t)


@lru_cache(maxsize=1024)
def _msgpack_codec(t: Any) -> tuple[Any, Any]:
    import msgpack
    from mashumaro.codecs.msgpack import MessagePackDecoder, MessagePackEncoder

    def read(data: bytes) -> Any:
        return msgpack.unpackb(data, strict_map_key=False)

    return MessagePackEncoder(t).encode, MessagePackDecoder(t, pre_decoder_func=read).decode


class DataclassValue(Transformer):
    """A dataclass, nested to any depth. A dict with its fields is accepted for one."""

    tag = "Object-Dataclass-Transformer"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return struct_type(copy.deepcopy(_dataclass_schema(t)), self.tag)

    def check(self, value: Any, t: Any) -> Any:
        origin = typing.get_origin(t) or t
        if isinstance(value, origin):
            return value
        if isinstance(value, dict):
            return self._from_dict(value, t)
        raise wrong_type(value, t)

    def _from_dict(self, value: dict[Any, Any], t: Any) -> Any:
        from mashumaro.codecs.basic import BasicDecoder

        known = {f.name for f in dataclasses.fields(typing.get_origin(t) or t)}
        unknown = sorted(map(str, set(value) - known))
        if unknown:
            raise TypeTransformerFailedError(
                f"{type_name(t)} has no field {', '.join(unknown)}; it has {', '.join(sorted(known))}."
            )
        try:
            return BasicDecoder(t).decode(value)
        except Exception as e:
            raise TypeTransformerFailedError(f"{shown(value)} is no {type_name(t)}: {e}") from e

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        value = self.check(value, t)
        try:
            return packed(_msgpack_codec(t)[0](value))
        except Exception as e:
            raise TypeTransformerFailedError(f"{shown(value)} cannot be sent as {type_name(t)}: {e}") from e

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        data = unpacked(literal, t)
        try:
            return _msgpack_codec(t)[1](data)
        except Exception as e:
            raise TypeTransformerFailedError(f"The stored value is no {type_name(t)}: {e}") from e

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, typing.get_origin(t) or t)


@lru_cache(maxsize=1024)
def _dataclass_schema(t: Any) -> dict[str, Any] | None:
    """The JSON schema; None where a field has none, a Pydantic model with a default say: values travel all the same."""
    from mashumaro.jsonschema import build_json_schema

    try:
        return dict(build_json_schema(t).to_dict())
    except Exception as e:  # noqa: BLE001  a schema is for forms; the value travels without one
        log.warning("Dataclass %s has a field that cannot be described, so forms cannot show it: %s", type_name(t), e)
        return None


class PydanticModel(Transformer):
    """A Pydantic model, by its JSON form; enums travel by name. A dict with its fields is accepted for one."""

    tag = "Pydantic Transformer"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return struct_type(copy.deepcopy(_pydantic_schema(t)), self.tag)

    def check(self, value: Any, t: Any) -> Any:
        if isinstance(value, t):
            return value
        if isinstance(value, dict):
            return _validated(t, value)
        raise wrong_type(value, t)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        import msgpack

        return packed(msgpack.packb(_dumped(self.check(value, t))))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        import msgpack

        data = msgpack.unpackb(unpacked(literal, t), strict_map_key=False)
        return _validated(t, _members(data, t))

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, t)


def _validated(model: Any, data: Any) -> Any:
    import pydantic

    try:
        return model.model_validate(data, strict=False, context={"deserialize": True})
    except pydantic.ValidationError as e:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'value'}: {p['msg']}" for p in e.errors())
        raise TypeTransformerFailedError(f"{shown(data)} is no {type_name(model)}: {problems}.") from e


def _dumped(model: Any) -> Any:
    """The JSON form of a model, with enums as their names."""
    import json

    data = json.loads(model.model_dump_json())
    return _named(data, model)


def _named(data: Any, value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    fields = getattr(type(value), "model_fields", None)
    if fields is not None and isinstance(data, dict):
        return {key: _named(part, getattr(value, key, None)) for key, part in data.items()}
    if isinstance(value, dict) and isinstance(data, dict):
        keys = [key.name if isinstance(key, enum.Enum) else name for key, name in zip(value, data, strict=True)]
        return dict(zip(keys, map(_named, data.values(), value.values()), strict=True))
    if isinstance(value, list | tuple) and isinstance(data, list):
        return [_named(part, inner) for part, inner in zip(data, value, strict=True)]
    return data


def _members(data: Any, annotation: Any) -> Any:
    """Names of enum members back to members, guided by the annotations."""
    if data is None:
        return None
    if is_union(annotation):
        for member in typing.get_args(annotation):
            found = _members(data, member)
            if found is not data and found != data:
                return found
        return data
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return annotation.__members__.get(data, data) if isinstance(data, str) else data
    fields = getattr(annotation, "model_fields", None)
    if fields is not None and isinstance(data, dict):
        by_key = {name: f.annotation for name, f in fields.items()}
        by_key.update({f.alias: f.annotation for f in fields.values() if f.alias})
        return {key: _members(part, by_key.get(key)) for key, part in data.items()}
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _members(data, args[0])
    if origin is list and isinstance(data, list):
        return [_members(part, args[0]) for part in data]
    if origin is tuple and isinstance(data, list) and Ellipsis not in args and len(args) == len(data):
        return [_members(part, inner) for part, inner in zip(data, args, strict=True)]
    if origin is dict and isinstance(data, dict):
        return {_members(key, args[0]): _members(part, args[1]) for key, part in data.items()}
    return data


@lru_cache(maxsize=1024)
def _pydantic_schema(model: Any) -> dict[str, Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class EnumsByName(GenerateJsonSchema):
        def enum_schema(self, schema: Any) -> Any:
            described = super().enum_schema(schema)
            described["enum"] = [member.name for member in schema["members"]]
            described.pop("const", None)
            described["type"] = "string"
            return described

    return dict(model.model_json_schema(schema_generator=EnumsByName))


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


_MODEL = PydanticModel()


@lru_cache(maxsize=1024)
def _tuple_model(t: Any) -> Any:
    import pydantic

    fields: dict[str, Any] = {f"item_{i}": (part, ...) for i, part in enumerate(typing.get_args(t))}
    # The spelling of the annotation is part of the official name: typing.Tuple or tuple.
    spelled = "Tuple" if str(t).startswith("typing.Tuple") else "tuple"
    return pydantic.create_model(f"TupleWrapper_{spelled}", **fields)


@lru_cache(maxsize=1024)
def _fields_model(t: Any, name: str) -> Any:
    import pydantic

    hints = typing.get_type_hints(t, include_extras=False)
    optional = _optional_keys(t) if is_typed_dict(t) else frozenset()
    fields: dict[str, Any] = {
        key: (typing.Optional[hint], None) if key in optional else (hint, ...)  # noqa: UP045  a value, not a hint
        for key, hint in hints.items()
    }
    return pydantic.create_model(name, **fields)


@lru_cache(maxsize=1024)
def _described_model(t: Any, name: str) -> Any:
    """As `_fields_model`, but the keys of a class with `total=False` count as required unless marked one by one.

    That is how the official schema has it, and the schema counts for names and cache keys.
    """
    import pydantic

    hints = typing.get_type_hints(t, include_extras=True)
    plain = typing.get_type_hints(t, include_extras=False)
    fields: dict[str, Any] = {
        key: (typing.Optional[plain[key]], None) if typing.get_origin(hint) is typing.NotRequired else (plain[key], ...)  # noqa: UP045
        for key, hint in hints.items()
    }
    return pydantic.create_model(name, **fields)


@lru_cache(maxsize=1024)
def _optional_keys(t: Any) -> frozenset[str]:
    """The keys of a TypedDict that may be absent.

    Its own `__optional_keys__` is wrong where `from __future__ import annotations` hides `NotRequired` and `Required`.
    """
    marks = {key: typing.get_origin(hint) for key, hint in typing.get_type_hints(t, include_extras=True).items()}
    return frozenset(
        key
        for key, mark in marks.items()
        if mark is typing.NotRequired or (mark is not typing.Required and key in t.__optional_keys__)
    )


def is_typed_dict(t: Any) -> bool:
    """True for a TypedDict class."""
    return typing.is_typeddict(t)


def is_pydantic_model(t: Any) -> bool:
    """True for a Pydantic model class, without importing Pydantic."""
    return isinstance(t, type) and hasattr(t, "model_json_schema") and hasattr(t, "model_validate")


__all__ = ["MSGPACK", "is_named_tuple", "is_pydantic_model", "is_typed_dict"]
