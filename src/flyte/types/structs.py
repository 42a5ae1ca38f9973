"""Structures: what travels as one MessagePack value, with its JSON schema in the type; bare dicts and dataclasses.

Dataclasses are read and written by mashumaro, the structures of `pydantic_models.py` and `records.py` by Pydantic, as
official task processes do, so that either side reads the other's values.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import typing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

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


def unpack(data: bytes, t: Any = dict) -> Any:
    """What a MessagePack value holds. Keys that are lists there were tuples.

    Raises:
        TypeTransformerFailedError: It is no MessagePack value.
    """
    import msgpack

    try:
        try:
            return msgpack.unpackb(data, strict_map_key=False)
        except TypeError:
            return msgpack.unpackb(data, strict_map_key=False, object_pairs_hook=_with_tuples_as_keys)
    except Exception as e:
        raise TypeTransformerFailedError(f"The stored value cannot be read as {type_name(t)}: {reason_of(e)}.") from e


def _with_tuples_as_keys(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {_hashable(key): value for key, value in pairs}


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key


def reason_of(e: Exception) -> str:
    """What a library's exception says, without its further lines and its full stop."""
    text = str(e).strip() or type(e).__name__
    return text.partition("\n")[0].rstrip(". ")


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
            raise TypeTransformerFailedError(f"{shown(value)} cannot be sent as a dict: {reason_of(e)}.") from e

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        data = unpacked(literal, t)
        try:
            return _dict_codec(t if typing.get_args(t) else dict)[1](data)
        except Exception as e:
            raise TypeTransformerFailedError(
                f"The stored value cannot be read as {type_name(t)}: {reason_of(e)}."
            ) from e

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

        return msgpack.packb, unpack
    return _msgpack_codec(t)


@lru_cache(maxsize=1024)
def _msgpack_codec(t: Any) -> tuple[Any, Any]:
    from mashumaro.codecs.msgpack import MessagePackDecoder, MessagePackEncoder

    return MessagePackEncoder(t).encode, MessagePackDecoder(t, pre_decoder_func=unpack).decode


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
            raise TypeTransformerFailedError(f"{shown(value)} is no {type_name(t)}: {reason_of(e)}.") from e

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        value = self.check(value, t)
        try:
            return packed(_msgpack_codec(t)[0](value))
        except Exception as e:
            raise TypeTransformerFailedError(f"{shown(value)} cannot be sent as {type_name(t)}: {reason_of(e)}.") from e

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        data = unpacked(literal, t)
        try:
            return _msgpack_codec(t)[1](data)
        except Exception as e:
            raise TypeTransformerFailedError(f"The stored value is no {type_name(t)}: {reason_of(e)}.") from e

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
