"""Digests that names and cache keys are made of, bit for bit those of the official SDK (wire_protocol §5.6)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flyteidl2.core import interface_pb2, literals_pb2, tasks_pb2
from flyteidl2.task import common_pb2

from flyte.types.structs import unpack


def digest(data: str | bytes) -> str:
    """sha256 in base64, standard alphabet, padded."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.b64encode(hashlib.sha256(raw).digest()).decode()


def _sorted_keys(value: Any, packb: Callable[[Any], bytes]) -> Any:
    """Maps in the order of their packed keys: shorter text first, then by bytes."""
    if isinstance(value, dict):
        return {key: _sorted_keys(value[key], packb) for key in sorted(value, key=packb)}
    if isinstance(value, list):
        return [_sorted_keys(part, packb) for part in value]
    return value


def literal_bytes(literal: literals_pb2.Literal) -> bytes:
    """The bytes of a literal that count for equality: its own hash where it has one, else its contents."""
    if literal.hash:
        return str(literal.hash).encode()
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return b"".join(literal_bytes(part) for part in literal.collection.literals)
    if kind == "map":
        parts = sorted(literal.map.literals.items())
        return b"".join(key.encode() + literal_bytes(part) for key, part in parts)
    if literal.scalar.HasField("binary") and literal.scalar.binary.tag == "msgpack":
        import msgpack  # type: ignore[import-untyped, unused-ignore]

        value = unpack(literal.scalar.binary.value)
        canonical = literals_pb2.Literal()
        canonical.CopyFrom(literal)
        canonical.scalar.binary.value = msgpack.packb(_sorted_keys(value, msgpack.packb))
        literal = canonical
    return bytes(literal.SerializeToString(deterministic=True))


def inputs_hash(literals: Iterable[common_pb2.NamedLiteral], ignored: Collection[str] = ()) -> str:
    """The digest of inputs in their order; empty text where there are none."""
    counted = [named for named in literals if named.name not in ignored]
    if not counted:
        return ""
    data = b"".join(named.name.encode() + b":" + literal_bytes(named.value) + b";" for named in counted)
    return digest(data)


def interface_hash(interface: interface_pb2.TypedInterface) -> str:
    """The digest of an interface, whatever the order of its variables."""
    ordered = interface_pb2.TypedInterface()
    if interface.HasField("inputs"):
        ordered.inputs.variables.extend(sorted(interface.inputs.variables, key=lambda entry: entry.key))
        ordered.inputs.SetInParent()
    if interface.HasField("outputs"):
        ordered.outputs.variables.extend(sorted(interface.outputs.variables, key=lambda entry: entry.key))
        ordered.outputs.SetInParent()
    return digest(ordered.SerializeToString(deterministic=True))


def task_identity(template: tasks_pb2.TaskTemplate) -> str:
    """What makes two calls calls of the same task: name, interface and code."""
    name = template.id.name
    return digest(f"{name}-{interface_hash(template.interface)}-{template.metadata.discovery_version}")


def cache_key(
    task_name: str,
    inputs: common_pb2.Inputs,
    interface: interface_pb2.TypedInterface,
    version: str,
    ignored: Collection[str] = (),
) -> str:
    """The key under which a result is kept."""
    return digest(inputs_hash(inputs.literals, ignored) + task_name + interface_hash(interface) + version)
