"""Python values of a task's inputs and outputs ⇄ the Inputs and Outputs messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyteidl2.core import interface_pb2, literals_pb2
from flyteidl2.task import common_pb2

from flyte.errors import InlineIOMaxBytesBreached, InvalidType, RuntimeDataValidationError
from flyte.model.interface import NO_DEFAULT, NativeInterface, has_default
from flyte.model.outcome import as_return_value, returned_values
from flyte.model.task import TaskDefinition
from flyte.types.engine import engine
from flyte.types.transformer import Conversion, TypeTransformerFailedError


def inputs_to_pb(
    interface: NativeInterface,
    bound: Mapping[str, Any],
    conversion: Conversion,
    context: Mapping[str, str] | None = None,
) -> common_pb2.Inputs:
    """Inputs in declared order, defaults included.

    Raises:
        InvalidType: A value is not of its input's type; the sentence names the input.
    """
    literals = []
    for name, value in interface.with_defaults(bound).items():
        declared = interface.inputs[name][0]
        try:
            literal = engine.encode(value, declared, conversion)
        except TypeTransformerFailedError as e:
            raise InvalidType(
                f"Type conversion failed for variable {name!r}. {e.message}", code="DataValidationError"
            ) from e
        literals.append(common_pb2.NamedLiteral(name=name, value=literal))
    pairs = [literals_pb2.KeyValuePair(key=key, value=value) for key, value in (context or {}).items()]
    return common_pb2.Inputs(literals=literals, context=pairs)


def inputs_from_pb(
    interface: NativeInterface, inputs: common_pb2.Inputs, conversion: Conversion, task_name: str = ""
) -> dict[str, Any]:
    """The arguments of a call. What is absent takes its default.

    Raises:
        RuntimeDataValidationError: A literal is not of its input's type.
    """
    values: dict[str, Any] = {}
    stored = {named.name: named.value for named in inputs.literals}
    for name, (declared, default) in interface.inputs.items():
        if name not in stored:
            if default is not NO_DEFAULT:
                continue
            raise RuntimeDataValidationError(name, "It is missing from the stored inputs.", task_name)
        try:
            values[name] = engine.decode(stored[name], declared, conversion)
        except TypeTransformerFailedError as e:
            raise RuntimeDataValidationError(name, e, task_name) from e
    return values


def context_from_pb(inputs: common_pb2.Inputs) -> dict[str, str]:
    """The custom context that came with the inputs."""
    return {pair.key: pair.value for pair in inputs.context}


def outputs_to_pb(
    interface: NativeInterface, result: Any, conversion: Conversion, task_name: str = ""
) -> common_pb2.Outputs:
    """The outputs of a task from what it returned.

    Raises:
        RuntimeDataValidationError: A value is not of its output's type; the sentence names the output.
    """
    literals = []
    for name, value in returned_values(interface, result, task_name).items():
        try:
            literal = engine.encode(value, interface.outputs[name], conversion)
        except TypeTransformerFailedError as e:
            raise RuntimeDataValidationError(name, e, task_name) from e
        literals.append(common_pb2.NamedLiteral(name=name, value=literal))
    return common_pb2.Outputs(literals=literals)


def outputs_from_pb(
    interface: NativeInterface, outputs: common_pb2.Outputs, conversion: Conversion, task_name: str = ""
) -> tuple[Any, ...]:
    """The output values in order.

    Raises:
        RuntimeDataValidationError: A literal is not of its output's type.
    """
    stored = {named.name: named.value for named in outputs.literals}
    values = []
    for name, declared in interface.outputs.items():
        try:
            values.append(engine.decode(stored[name], declared, conversion))
        except KeyError:
            raise RuntimeDataValidationError(name, "It is missing from the stored outputs.", task_name) from None
        except TypeTransformerFailedError as e:
            raise RuntimeDataValidationError(name, e, task_name) from e
    return tuple(values)


def refuse_oversized(message: common_pb2.Inputs | common_pb2.Outputs, largest: int, task_name: str, what: str) -> bytes:
    """The serialised message.

    Raises:
        InlineIOMaxBytesBreached: It is larger than the task allows.
    """
    data = bytes(message.SerializeToString(deterministic=True))
    if len(data) > largest:
        raise InlineIOMaxBytesBreached(
            f"The {what} of task {task_name} are {len(data):,} bytes, and at most {largest:,} may be sent inline. "
            "Return large data as a file, or raise max_inline_io_bytes of the task."
        )
    return data


def _variable(t: Any, description: str | None) -> interface_pb2.Variable:
    return interface_pb2.Variable(type=engine.literal_type(t), description=description or "")


def interface_to_pb(task: TaskDefinition, *, is_described: bool = False) -> interface_pb2.TypedInterface:
    """The wire's interface, variables sorted by name.

    Args:
        is_described: Say of each input what the docstring says of it. Descriptions count for names and cache keys,
            so only deployments carry them.

    Raises:
        InvalidType: A type cannot go on the wire; the sentence names input or output.
    """
    interface = task.interface
    typed = interface_pb2.TypedInterface()
    typed.inputs.SetInParent()
    typed.outputs.SetInParent()
    docstring = interface.docstring
    described: dict[str, str | None] = docstring.input_descriptions if is_described and docstring is not None else {}
    sections: tuple[tuple[Any, dict[str, Any], dict[str, str | None]], ...] = (
        (typed.inputs, interface.get_input_types(), described),
        (typed.outputs, interface.outputs, {}),
    )
    for section, types, descriptions in sections:
        for name in sorted(types):
            try:
                variable = _variable(types[name], descriptions.get(name))
            except TypeTransformerFailedError as e:
                raise InvalidType(f"Variable {name!r} of task {task.name}: {e.message}") from e
            section.variables.append(interface_pb2.VariableEntry(key=name, value=variable))
    return typed


def guess_interface(interface: interface_pb2.TypedInterface, default_inputs: Any = None) -> NativeInterface:
    """An interface in Python's terms from the wire's, for tasks whose code is not at hand."""
    defaults = {named.name: named.parameter.default for named in default_inputs or ()}
    inputs: dict[str, tuple[Any, Any]] = {
        entry.key: (engine.guess(entry.value.type), has_default if entry.key in defaults else NO_DEFAULT)
        for entry in interface.inputs.variables
    }
    outputs = {entry.key: engine.guess(entry.value.type) for entry in interface.outputs.variables}
    return NativeInterface.from_types(inputs, outputs, defaults)


__all__ = [
    "as_return_value",
    "context_from_pb",
    "guess_interface",
    "inputs_from_pb",
    "inputs_to_pb",
    "interface_to_pb",
    "outputs_from_pb",
    "outputs_to_pb",
    "refuse_oversized",
]
