"""Pydantic models: their JSON form as one MessagePack value.

Which enums travel by name and which by value follows from the annotations, exactly as in the official SDK: by name in
fields, lists, dicts, optional values and the models in them; by value in tuples, sets, unions, dataclasses and the
rest.
"""

from __future__ import annotations

import copy
import enum
import inspect
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyte.model.interface import is_union
from flyte.types.structs import packed, reason_of, struct_type, unpack, unpacked
from flyte.types.transformer import (
    Conversion,
    Transformer,
    TypeTransformerFailedError,
    plain,
    shown,
    type_name,
    wrong_type,
)

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2


class PydanticModel(Transformer):
    """A Pydantic model. A dict with its fields is accepted for one."""

    tag = "Pydantic Transformer"

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        return struct_type(copy.deepcopy(_schema(t)), self.tag)

    def check(self, value: Any, t: Any) -> Any:
        if isinstance(value, t):
            return value
        if isinstance(value, dict):
            return _validated(t, value)
        raise wrong_type(value, t)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        import msgpack  # type: ignore[import-untyped, unused-ignore]

        value = self.check(value, t)
        try:
            # Not its JSON text: that has no numbers which are not finite, and would turn them into nulls.
            data = value.model_dump(mode="json")
            return packed(msgpack.packb(_named(data, value, type(value))))
        except Exception as e:
            raise TypeTransformerFailedError(f"{shown(value)} cannot be sent as {type_name(t)}: {reason_of(e)}.") from e

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        data = unpack(unpacked(literal, t), t)
        return _validated(t, _members(data, t), **_by_name())

    def matches(self, value: Any, t: Any) -> bool:
        return isinstance(value, t)


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Any]:
    """What has a model read its fields by their names too, which they are stored under; Pydantic can from 2.11 on."""
    import pydantic

    known = inspect.signature(pydantic.BaseModel.model_validate).parameters
    return {"by_name": True, "by_alias": True} if "by_name" in known else {}


def _validated(model: Any, data: Any, **options: Any) -> Any:
    import pydantic

    try:
        return model.model_validate(data, strict=False, context={"deserialize": True}, **options)
    except pydantic.ValidationError as e:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'value'}: {p['msg']}" for p in e.errors())
        raise TypeTransformerFailedError(f"{shown(data)} is no {type_name(model)}: {problems}.") from e


def _guide(annotation: Any) -> Any:
    """An annotation by which enums are found: without `Annotated` and `Optional`, and None for any other union."""
    annotation = plain(annotation)
    if is_union(annotation):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return _guide(members[0]) if len(members) == 1 else None
    return annotation


@lru_cache(maxsize=1024)
def _fields(model: Any) -> dict[str, Any]:
    """Field → annotation as the class has it, so that what stands for the parameters of a generic model is not seen."""
    try:
        hints = typing.get_type_hints(model)
    except NameError:  # of a class inside a function
        hints = {}
    return {name: hints.get(name, field.annotation) for name, field in model.model_fields.items()}


def _named(data: Any, value: Any, annotation: Any) -> Any:
    """The JSON form of a value, with enums as their names where they travel so."""
    guide = _guide(annotation)
    origin, args = typing.get_origin(guide), typing.get_args(guide)
    if isinstance(guide, type) and issubclass(guide, enum.Enum):
        return value.name if isinstance(value, enum.Enum) else data
    if is_pydantic_model(guide) and isinstance(data, dict):
        fields = _fields(guide)
        return {key: _named(part, getattr(value, key, None), fields.get(key)) for key, part in data.items()}
    if origin is list and isinstance(value, list) and isinstance(data, list):
        return [_named(part, inner, args[0]) for part, inner in zip(data, value, strict=True)]
    if origin is dict and isinstance(value, dict) and isinstance(data, dict):
        return {
            _named(key, name, args[0]): _named(part, inner, args[1])
            for (key, part), (name, inner) in zip(data.items(), value.items(), strict=True)
        }
    return data


def _members(data: Any, annotation: Any) -> Any:
    """Names of enum members back to members; what else was computed from the fields is left out."""
    guide = _guide(annotation)
    origin, args = typing.get_origin(guide), typing.get_args(guide)
    if isinstance(guide, type) and issubclass(guide, enum.Enum):
        return guide.__members__.get(data, data) if isinstance(data, str) else data
    if is_pydantic_model(guide) and isinstance(data, dict):
        fields = _fields(guide)
        computed = guide.model_computed_fields.keys() - fields.keys()
        return {key: _members(part, fields.get(key)) for key, part in data.items() if key not in computed}
    if origin is list and isinstance(data, list):
        return [_members(part, args[0]) for part in data]
    if origin is dict and isinstance(data, dict):
        return {_members(key, args[0]): _members(part, args[1]) for key, part in data.items()}
    return data


@lru_cache(maxsize=1024)
def _schema(model: Any) -> dict[str, Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class EnumsByName(GenerateJsonSchema):
        def enum_schema(self, schema: Any) -> Any:
            described = super().enum_schema(schema)
            described["enum"] = list(dict.fromkeys(member.name for member in schema["members"]))
            described.pop("const", None)
            described["type"] = "string"
            return described

    return dict(described(type_name(model), lambda: model.model_json_schema(schema_generator=EnumsByName)))


def described(name: str, describe: Callable[[], Any]) -> Any:
    """What Pydantic makes of a type.

    Raises:
        TypeTransformerFailedError: It cannot make anything of it; the sentence says why.
    """
    try:
        return describe()
    except Exception as e:
        raise TypeTransformerFailedError(f"{name} cannot be an input or output: {reason_of(e)}.") from e


def is_pydantic_model(t: Any) -> bool:
    """True for a Pydantic model class, without importing Pydantic."""
    return isinstance(t, type) and hasattr(t, "model_json_schema") and hasattr(t, "model_validate")
