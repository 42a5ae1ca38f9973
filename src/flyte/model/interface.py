"""What goes into a task and what comes out, in Python's terms."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flyte.errors import InvalidType, InvalidValue


class _RemoteDefault:
    """Marks an input of a deployed task that has a default which only the backend holds."""

    def __repr__(self) -> str:
        return "<default kept by the backend>"


has_default = _RemoteDefault
NO_DEFAULT = inspect.Parameter.empty
NO_HINT = inspect.Parameter.empty
"""The type of an input without a hint. Its name goes on the wire, and so into names and cache keys."""


class Parameter(NamedTuple):
    """One input: its type and its default (`inspect.Parameter.empty` where it has none)."""

    type: Any
    default: Any


@dataclass(frozen=True)
class NativeInterface:
    """Inputs and outputs in order.

    Args:
        inputs: Name → (type, default). An input without a hint has `inspect.Parameter.empty` for a type.
        outputs: Name → type; `o0`, `o1`, … unless the task returns a NamedTuple.
        docstring: The parsed docstring of the function, an object with `input_descriptions`,
            `output_descriptions`, `short_description` and `long_description`; None where there is none.
    """

    inputs: dict[str, tuple[Any, Any]]
    outputs: dict[str, Any]
    docstring: Any = None
    _remote_defaults: dict[str, Any] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        taken = (
            (name if type_ is NO_HINT else f"{name}: {_shown(type_)}")
            + ("" if default is NO_DEFAULT else f" = {default!r}")
            for name, (type_, default) in self.inputs.items()
        )
        given = ", ".join(f"{name}: {_shown(type_)}" for name, type_ in self.outputs.items())
        return f"({', '.join(taken)}) -> {given or None}"

    def has_outputs(self) -> bool:
        """True when the task returns something."""
        return bool(self.outputs)

    def required_inputs(self) -> list[str]:
        """Names of the inputs without a default."""
        return [name for name, (_, default) in self.inputs.items() if default is NO_DEFAULT]

    def num_required_inputs(self) -> int:
        """How many inputs have no default."""
        return len(self.required_inputs())

    def get_input_types(self) -> dict[str, Any]:
        """Name → type."""
        return {name: type_ for name, (type_, _) in self.inputs.items()}

    @classmethod
    def from_types(
        cls,
        inputs: Mapping[str, tuple[Any, Any]],
        outputs: Mapping[str, Any],
        default_inputs: Mapping[str, Any] | None = None,
    ) -> NativeInterface:
        """An interface from types; `has_default` marks inputs whose default is in `default_inputs`.

        Raises:
            InvalidValue: An input is marked to have a default and none is given.
        """
        for name, (_, default) in inputs.items():
            if default is has_default and name not in (default_inputs or {}):
                raise InvalidValue(f"Input {name!r} is marked to have a default, but default_inputs has none for it.")
        return cls(dict(inputs), dict(outputs), _remote_defaults=dict(default_inputs) if default_inputs else None)

    @classmethod
    def from_callable(cls, func: Callable[..., Any], docstring: Any = None) -> NativeInterface:
        """Read the interface off a function's hints, defaults and return annotation.

        Raises:
            InvalidValue: The function takes `*args`, `**kwargs` or positional-only parameters, or a hint cannot be
                evaluated.
            InvalidType: The return annotation cannot be a set of outputs.
        """
        name = getattr(func, "__qualname__", repr(func))
        hints = _hints(func, name)
        inputs: dict[str, tuple[Any, Any]] = {}
        for parameter in inspect.signature(func).parameters.values():
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise InvalidValue(
                    f"Function {name} cannot have variable positional or keyword arguments (*args, **kwargs): "
                    "name each input and give it a type."
                )
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise InvalidValue(
                    f"Function {name} has the positional-only parameter {parameter.name!r}, and inputs are handed "
                    "over by name. Remove the '/' from its signature."
                )
            inputs[parameter.name] = (hints.get(parameter.name, NO_HINT), parameter.default)
        outputs = extract_return_annotation(hints.get("return"), name)
        return cls(inputs, outputs, docstring)

    def convert_to_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Bind arguments to input names, without adding defaults.

        Raises:
            InvalidValue: Too many, unknown, doubled or missing arguments; the sentence names them.
        """
        names = list(self.inputs)
        if len(args) > len(names):
            raise InvalidValue(
                f"Too many positional arguments: {len(args)} given, and there are {len(names)} inputs{_listed(names)}."
            )
        bound = dict(zip(names, args, strict=False))
        unknown = [name for name in kwargs if name not in self.inputs]
        if unknown:
            raise InvalidValue(
                f"Too many keyword arguments: no input is called {', '.join(map(repr, unknown))}{_listed(names)}."
            )
        doubled = [name for name in kwargs if name in bound]
        if doubled:
            raise InvalidValue(f"Input {doubled[0]!r} was given twice, by position and by name.")
        bound.update(kwargs)
        missing = [name for name in self.required_inputs() if name not in bound]
        if missing:
            raise InvalidValue(f"Missing required inputs: {', '.join(missing)}.")
        return bound

    def with_defaults(self, bound: Mapping[str, Any]) -> dict[str, Any]:
        """All inputs in declared order: what was bound, and the defaults of the rest."""
        return {
            name: bound.get(name, default)
            for name, (_, default) in self.inputs.items()
            if name in bound or default is not NO_DEFAULT
        }


def _shown(type_: Any) -> str:
    return type_.__qualname__ if isinstance(type_, type) and not typing.get_args(type_) else repr(type_)


def _listed(names: list[str]) -> str:
    return f" ({', '.join(names)})" if names else " (the task takes none)"


def _hints(of: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(of, include_extras=True)
    except NameError as e:
        place = "class" if isinstance(of, type) else "function"
        raise InvalidValue(
            f"A type hint of {name} names {e.name!r}, which is not defined where the {place} is. "
            "Import or define it at module level."
        ) from e
    except Exception as e:  # a hint that is text may be any expression
        raise InvalidValue(f"A type hint of {name} cannot be evaluated: {e}.") from e


def is_named_tuple(type_: Any) -> bool:
    """True for a NamedTuple class."""
    return isinstance(type_, type) and issubclass(type_, tuple) and hasattr(type_, "_fields")


def extract_return_annotation(annotation: Any, of: str = "the function") -> dict[str, Any]:
    """Outputs from a return annotation (sdk_surface §4.4).

    Nothing or None gives no output; a NamedTuple gives its fields; `tuple[A, B]` gives `o0` and `o1`;
    anything else gives `o0`.

    Raises:
        InvalidType: `tuple[()]`, `tuple[A]` or `tuple[A, ...]`, whose number of outputs is in doubt.
    """
    if any(annotation is nothing for nothing in (None, type(None), typing.NoReturn, typing.Never)):
        return {}
    if isinstance(annotation, tuple):
        return {f"o{i}": part for i, part in enumerate(annotation)}
    if is_named_tuple(annotation):
        fields = _hints(annotation, annotation.__qualname__)
        return {name: fields.get(name, Any) for name in annotation._fields}
    if typing.get_origin(annotation) is tuple:
        parts = typing.get_args(annotation)
        if len(parts) < 2 or Ellipsis in parts:
            raise InvalidType(
                f"{of} returns {annotation}: write tuple[A, B] for several outputs, the plain type for one, "
                "or list[A] for as many as there are."
            )
        return {f"o{i}": part for i, part in enumerate(parts)}
    return {"o0": annotation}


def is_union(annotation: Any) -> bool:
    """True for Optional, Union and X | Y."""
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
