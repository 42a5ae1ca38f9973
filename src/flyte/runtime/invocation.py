"""One call of a task's function: binding, checking, and the way from what it raised to an error for its parent."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from typing import Any

from flyte.authoring.task import TaskTemplate
from flyte.errors import BaseRuntimeError, FlyteError, RuntimeUserError

_OURS = "/flyte/"


def bound_arguments(task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by input name.

    Raises:
        InvalidValue: Too many, unknown, doubled or missing; the sentence names task and input.
    """
    try:
        return task.interface.convert_to_kwargs(*args, **kwargs)
    except FlyteError as e:
        raise type(e)(f"Task {task.name}: {e.message}") from None


async def call_function(task: TaskTemplate[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call the function, and await what it gives where it is asynchronous."""
    result = task.forward(**arguments)
    return await result if inspect.isawaitable(result) else result


def as_parent_sees(error: BaseException) -> BaseRuntimeError:
    """What a child's failure is in its parent: a `RuntimeUserError` whose code is the class of what was raised."""
    if isinstance(error, BaseRuntimeError):
        return error
    code = error.code if isinstance(error, FlyteError) else type(error).__name__
    return RuntimeUserError(code, str(error))


def user_traceback(error: BaseException) -> str:
    """A traceback without the frames of this package before the user's own."""
    tb = error.__traceback__
    while tb is not None and _is_ours(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb or error.__traceback__))


def _is_ours(filename: str) -> bool:
    import flyte

    return filename.startswith(str(flyte.__path__[0])) or "/asyncio/" in filename or "<frozen" in filename
