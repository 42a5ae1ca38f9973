"""`flyte.ctx()`, groups and custom context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flyte.authoring.controller import amended, running
from flyte.errors import InvalidType, InvalidValue
from flyte.model.context import NULL_TASK_CONTEXT, GroupData, NullTaskContext, TaskContext


def ctx() -> TaskContext | NullTaskContext:
    """The context of the running task; outside a task a falsy object whose fields are all None.

    Example:
        >>> bool(ctx())
        False
    """
    state = running()
    return NULL_TASK_CONTEXT if state is None else state.context


@contextlib.contextmanager
def group(name: str) -> Iterator[None]:
    """Start children in a named group: shown together, and part of their names. No effect outside a task.

    Raises:
        InvalidValue: The name is empty or longer than 255 characters.

    Example:
        >>> with group("batch"):
        ...     pass
    """
    if not isinstance(name, str) or not name or len(name) > 255:
        raise InvalidValue(f"A group needs a name of 1 to 255 characters, not {name!r}.")
    with amended(group_data=GroupData(name)):
        yield


@contextlib.contextmanager
def custom_context(**context: str) -> Iterator[None]:
    """Hand text values down to all children started in the block. They do not count for caching.

    Raises:
        InvalidType: A value is not text.
    """
    for key, value in context.items():
        if not isinstance(value, str):
            raise InvalidType(f"custom_context({key}=…) must be text, not {type(value).__name__}.")
    with amended(custom_context={**get_custom_context(), **context}):
        yield


def get_custom_context() -> dict[str, str]:
    """The values that callers handed down; empty outside a task."""
    state = running()
    return {} if state is None else dict(state.context.custom_context)
