"""Inputs that are sent inside a request: defaults filled in, names checked, and their digest."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flyteidl2.task import common_pb2, task_definition_pb2

from flyte.server.services.caller import invalid
from flyte.wire.keys import inputs_hash


def complete_inputs(spec: task_definition_pb2.TaskSpec, given: common_pb2.Inputs) -> common_pb2.Inputs:
    """The inputs of a run in the order of the task's interface, with defaults where nothing was given.

    Raises:
        RpcError: An input is missing, unknown or given twice (`invalid_argument`).
    """
    declared = [entry.key for entry in spec.task_template.interface.inputs.variables]
    name = spec.task_template.id.name
    values = {}
    for named in given.literals:
        if named.name in values:
            raise invalid(f"The input {named.name!r} is given twice.")
        values[named.name] = named.value
    if unknown := sorted(set(values) - set(declared)):
        raise invalid(f"Task {name} has no input {unknown[0]!r}. Its inputs are: {', '.join(declared) or 'none'}.")
    defaults = {
        default.name: default.parameter.default
        for default in spec.default_inputs
        if default.parameter.WhichOneof("behavior") == "default"
    }
    optional = {
        default.name
        for default in spec.default_inputs
        if default.parameter.WhichOneof("behavior") == "required" and not default.parameter.required
    }
    complete = common_pb2.Inputs(context=given.context)
    for key in declared:
        value = values.get(key, defaults.get(key))
        if value is not None:
            complete.literals.append(common_pb2.NamedLiteral(name=key, value=value))
        elif key not in optional:
            raise invalid(f"Task {name} needs a value for its input {key!r}.")
    return complete


def digest_of(literals: Iterable[common_pb2.NamedLiteral], ignored: Collection[str]) -> str:
    """The digest of inputs.

    Raises:
        RpcError: A value is not in the encoding that it names (`invalid_argument`).
    """
    try:
        return inputs_hash(literals, ignored)
    except (ValueError, TypeError, OverflowError, RecursionError) as e:
        raise invalid(f"An input is not valid MessagePack: {e}.") from e
