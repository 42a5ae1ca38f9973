"""One call of a task's function: binding, checking, and the way from what it raised to an error for its parent."""

from __future__ import annotations

import os
import pathlib
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from flyte.authoring.pending import refuse_pending
from flyte.errors import BaseRuntimeError, FlyteError, RuntimeDataValidationError, RuntimeUserError, from_code
from flyte.model.interface import NativeInterface


class Signed(Protocol):
    """What can be called with inputs: a task, or a handle on a deployed one."""

    @property
    def name(self) -> str: ...
    @property
    def interface(self) -> NativeInterface: ...


def bound_arguments(task: Signed, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by input name.

    Raises:
        InvalidValue: Too many, unknown, doubled or missing; the sentence names task and input.
        SyncTaskCallInAsyncContextError: One is the call of another task that was not awaited.
    """
    try:
        bound = task.interface.convert_to_kwargs(*args, **kwargs)
    except FlyteError as e:
        raise type(e)(f"Task {task.name}: {e.message}") from None
    refuse_pending(bound.values(), f"its result was given to task {task.name}")
    return bound


def refuse_pending_result(result: Any, task_name: str) -> None:
    """Refuse a result that is the call of another task, or a tuple of results of which one is.

    Raises:
        SyncTaskCallInAsyncContextError: It was not awaited.
    """
    values = (result, *result) if isinstance(result, tuple) else (result,)
    refuse_pending(values, f"task {task_name} returned its result")


def as_parent_sees(error: BaseException) -> BaseRuntimeError:
    """What a child's failure is in its parent: what a code and a message give, as if it came from another process.

    A user's exception is a `RuntimeUserError` whose code is the class of what was raised.
    """
    if isinstance(error, RuntimeDataValidationError):
        return error
    if isinstance(error, BaseRuntimeError):
        return from_code(error.code, error.kind, error.message, error.worker)
    if isinstance(error, SystemExit):
        text = f"The task called sys.exit({error.code!r}). Return from the function, or raise an exception."
        return RuntimeUserError("RuntimeError", text)
    code = error.code if isinstance(error, FlyteError) else type(error).__name__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  a broken __str__ must not hide what was raised
        message = f"<{type(error).__name__} without a readable message>"
    return from_code(code, "user", message)


def without_our_frames(tb: TracebackType | None) -> TracebackType | None:
    """A traceback that begins with the user's own frames; unchanged where there are none."""
    first = tb
    while first is not None and _is_ours(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or tb


def user_traceback(error: BaseException) -> str:
    """A traceback, with its causes, of the user's own frames; with all frames where none is the user's."""
    told = traceback.TracebackException.from_exception(error)
    _keep_user_frames(told, set())
    return "".join(told.format())


def _keep_user_frames(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    kept = [frame for frame in told.stack if not _is_ours(frame.filename)]
    if kept:
        told.stack = traceback.StackSummary.from_list(kept)
    for part in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if part is not None:
            _keep_user_frames(part, seen)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS) or filename == _CONTEXTLIB or "<frozen" in filename


_OURS = (str(pathlib.Path(__file__).parents[1]) + os.sep, str(pathlib.Path(os.__file__).parent / "asyncio") + os.sep)
_CONTEXTLIB = str(pathlib.Path(os.__file__).parent / "contextlib.py")
