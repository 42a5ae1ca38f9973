"""What a run gave: values as a tuple, with names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flyte.errors import RuntimeDataValidationError
from flyte.model.interface import NativeInterface


class ActionOutputs(tuple[Any, ...]):
    """Outputs in order; each is also an attribute, `o0`, `o1`, …

    Example:
        >>> outputs = ActionOutputs(None, (1, "a"), ["o0", "o1"])
        >>> outputs[0], outputs.o1
        (1, 'a')
    """

    pb2: Any
    fields: list[str]

    def __new__(cls, pb2: Any, data: Sequence[Any], fields: list[str] | None = None) -> ActionOutputs:
        self = super().__new__(cls, data)
        self.pb2 = pb2
        self.fields = list(fields) if fields is not None else [f"o{i}" for i in range(len(data))]
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.pb2, tuple(self), self.fields

    def __getattr__(self, name: str) -> Any:
        fields: list[str] = self.__dict__.get("fields", [])
        if name in fields:
            return self[fields.index(name)]
        if name.startswith("o") and name[1:].isdigit() and int(name[1:]) < len(self):
            return self[int(name[1:])]
        raise AttributeError(f"There is no output {name!r}; there are {', '.join(fields) or 'none'}.")

    @cached_property
    def named_outputs(self) -> dict[str, Any]:
        """Name → value."""
        return dict(zip(self.fields, self, strict=False))

    def __repr__(self) -> str:
        return f"ActionOutputs({', '.join(f'{n}={v!r}' for n, v in zip(self.fields, self, strict=False))})"


def as_text(values: Sequence[Any], n_outputs: int) -> str:
    """What `str(run)` is: the value of one output, the tuple of several."""
    if n_outputs == 1:
        return str(values[0])
    return str(tuple(values)) if n_outputs else "None"


def returned_values(interface: NativeInterface, result: Any, task_name: str) -> dict[str, Any]:
    """What a task returned, by output.

    Raises:
        RuntimeDataValidationError: The number of values is not the number of outputs, or a task without a return
            annotation returned a value.
    """
    names = list(interface.outputs)
    if not names:
        if result is not None:
            raise RuntimeDataValidationError(
                "return",
                f"The task returned a {type(result).__name__}, but its signature promises nothing. "
                "Give it a return annotation, `-> " + type(result).__name__ + "` say.",
                task_name,
            )
        return {}
    if len(names) == 1 and not (
        isinstance(result, tuple) and hasattr(result, "_fields") and names[0] in result._fields
    ):
        return {names[0]: result}
    if not isinstance(result, tuple) or len(result) != len(names):
        got = f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"
        raise RuntimeDataValidationError(
            "return", f"The signature promises {len(names)} outputs, and the task returned {got}.", task_name
        )
    return dict(zip(names, result, strict=True))


def as_return_value(interface: NativeInterface, values: tuple[Any, ...]) -> Any:
    """What a call of the task gives: None, the value, or the tuple."""
    if not interface.outputs:
        return None
    return values[0] if len(values) == 1 else values
