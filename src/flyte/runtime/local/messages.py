"""Inputs and outputs of local actions in their wire form. Imported only when a value or a cache needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from flyteidl2.task import common_pb2
from google.protobuf.message import DecodeError

from flyte.errors import StorageError
from flyte.model.interface import NativeInterface
from flyte.types.engine import engine
from flyte.types.transformer import Conversion
from flyte.wire import keys
from flyte.wire.inputs import inputs_from_pb, interface_to_pb, outputs_from_pb

if TYPE_CHECKING:
    from flyte.authoring.task import TaskTemplate
    from flyte.model.task import TaskDefinition
    from flyte.runtime.local.values import Copied


def inputs_message(values: Mapping[str, Copied], conversion: Conversion) -> common_pb2.Inputs:
    """Inputs in declared order."""
    return common_pb2.Inputs(literals=_named(values, conversion))


def outputs_message(values: Mapping[str, Copied], conversion: Conversion) -> common_pb2.Outputs:
    """Outputs in declared order."""
    return common_pb2.Outputs(literals=_named(values, conversion))


def _named(values: Mapping[str, Copied], conversion: Conversion) -> list[common_pb2.NamedLiteral]:
    return [
        common_pb2.NamedLiteral(
            name=name,
            value=copy.literal if copy.literal is not None else engine.encode(copy.value, copy.declared, conversion),
        )
        for name, copy in values.items()
    ]


def read_inputs(data: bytes, interface: NativeInterface) -> dict[str, Any]:
    """Inputs by name.

    Raises:
        RuntimeDataValidationError: They are not those of the interface.
        StorageError: They cannot be read at all.
    """
    try:
        message = common_pb2.Inputs.FromString(data)
    except DecodeError as e:
        raise StorageError(f"Kept inputs cannot be read: {e}.") from e
    return inputs_from_pb(interface, message, Conversion())


def read_outputs(data: bytes, interface: NativeInterface) -> tuple[Any, ...]:
    """Outputs in declared order.

    Raises:
        RuntimeDataValidationError: They are not those of the interface.
        StorageError: They cannot be read at all.
    """
    try:
        message = common_pb2.Outputs.FromString(data)
    except DecodeError as e:
        raise StorageError(f"Kept outputs cannot be read: {e}.") from e
    return outputs_from_pb(interface, message, Conversion())


def result_key(
    task: TaskTemplate[..., Any], version: str, ignored: tuple[str, ...], values: Mapping[str, Copied],
    conversion: Conversion,
) -> str:  # fmt: skip
    """The key of a result: task, interface, cache version and inputs, by the same rule as on a backend."""
    inputs = inputs_message(values, conversion)
    # Of a definition only name and interface are read, which a template has too.
    return keys.cache_key(task.name, inputs, interface_to_pb(cast("TaskDefinition", task)), version, ignored)
