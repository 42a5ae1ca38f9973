"""Values of inputs and outputs for people, straight from the wire: nothing is unpickled, nothing is imported."""

from __future__ import annotations

import datetime as dt
from typing import Any

MSGPACK = "msgpack"


def is_opaque(literal: Any) -> bool:
    """True when a literal is, or holds, a pickle."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return any(is_opaque(part) for part in literal.collection.literals)
    if kind == "map":
        return any(is_opaque(part) for part in literal.map.literals.values())
    scalar = literal.scalar
    match scalar.WhichOneof("value"):
        case "union":
            return is_opaque(scalar.union.value)
        case "binary":
            return bool(scalar.binary.tag != MSGPACK)
        case "blob":
            return bool(scalar.blob.metadata.type.format == "PythonPickle")
    return False


def plain(literal: Any) -> Any:
    """A literal as plain data; a pickle is only named."""
    match literal.WhichOneof("value"):
        case "collection":
            return [plain(part) for part in literal.collection.literals]
        case "map":
            return {key: plain(part) for key, part in literal.map.literals.items()}
        case "scalar":
            return _scalar(literal.scalar)
        case "offloaded_metadata":
            return {"uri": literal.offloaded_metadata.uri}
    return None


def _scalar(scalar: Any) -> Any:
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive(scalar.primitive)
        case "union":
            return plain(scalar.union.value)
        case "binary":
            return _binary(scalar.binary)
        case "generic":
            return {key: _struct_value(value) for key, value in scalar.generic.fields.items()}
        case "blob":
            if scalar.blob.metadata.type.format == "PythonPickle":
                return f"<pickled value at {scalar.blob.uri}>"
            return {"uri": scalar.blob.uri, "format": scalar.blob.metadata.type.format}
        case "structured_dataset":
            dataset = scalar.structured_dataset
            return {"uri": dataset.uri, "format": dataset.metadata.structured_dataset_type.format}
        case "schema":
            return {"uri": scalar.schema.uri}
        case "error":
            return f"<error: {scalar.error.message}>"
    return None


def _primitive(primitive: Any) -> Any:
    kind = primitive.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(primitive, kind)
    if kind == "datetime":
        return value.ToDatetime(tzinfo=dt.UTC)
    return value.ToTimedelta() if kind == "duration" else value


def _binary(binary: Any) -> Any:
    opaque = f"<pickled value, {len(binary.value)} bytes>"
    if binary.tag != MSGPACK:
        return opaque
    import msgpack  # type: ignore[import-untyped]

    try:
        return msgpack.unpackb(binary.value, strict_map_key=False)
    except (ValueError, TypeError):  # broken data, and keys that no dict takes
        return f"<unreadable value, {len(binary.value)} bytes>"


def _struct_value(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {key: _struct_value(part) for key, part in value.struct_value.fields.items()}
        case "list_value":
            return [_struct_value(part) for part in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)
