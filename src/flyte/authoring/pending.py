"""The call of a synchronous task in asynchronous code: nothing runs before it is awaited.

A synchronous task cannot block the event loop that it is called on, so the call gives a `PendingCall`. Awaited it
is the same as `task.aio(...)`; taken for the result it is a mistake, and says so. Nothing here imports asyncio.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from flyte.errors import SyncTaskCallInAsyncContextError

if TYPE_CHECKING:
    from flyte.authoring.task import TaskTemplate

_COROUTINE_FACTS = ("cr_", "gi_", "ag_")
"""How the attributes begin that asyncio asks of anything it awaits, and does without."""


@dataclass
class _Call:
    """What is to be run, and what became of it.

    Args:
        place: File and line of the call.
        is_told: Its misuse was told already.
    """

    task: TaskTemplate[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    place: tuple[str, int]
    coroutine: Coroutine[Any, Any, Any] | None = None
    is_told: bool = False


class PendingCall:
    """The call of a synchronous task in asynchronous code, to be awaited once.

    It goes wherever a coroutine goes: `await`, `asyncio.gather`, `create_task`, `wait_for`, task groups. Every other
    use of it raises, because it would be a use of the result. It equals nothing (comparing raises) but has the hash
    of an object, since `asyncio.gather` keeps what it awaits in a dict. One that is dropped without having been
    awaited gives a `RuntimeWarning`, as a coroutine does.

    Args:
        task: The synchronous task.
        args, kwargs: What it is called with; they are checked when the call is awaited.
        depth: How many frames up the call is, for the warning.

    Raises:
        SyncTaskCallInAsyncContextError: It is used as if it were the result.
    """

    __slots__ = ("__weakref__", "_call")

    _call: _Call

    def __init__(
        self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], depth: int = 1
    ) -> None:
        frame = sys._getframe(depth)
        call = _Call(task, args, kwargs, (frame.f_code.co_filename, frame.f_lineno))
        object.__setattr__(self, "_call", call)

    # A coroutine, to asyncio.

    def __await__(self) -> Generator[Any, Any, Any]:
        return _begun(self).__await__()

    def send(self, value: Any) -> Any:
        """See `Coroutine.send`."""
        return _begun(self).send(value)

    def throw(self, *error: Any) -> Any:
        """See `Coroutine.throw`."""
        return _begun(self).throw(*error)

    def close(self) -> None:
        """Give the call up: it cannot be awaited any more, and nothing is said of it."""
        _begun(self).close()

    @property
    def __name__(self) -> str:
        return self._call.task.name

    def __del__(self) -> None:
        call = self._call
        if call.coroutine is None and not call.is_told and not sys.is_finalizing():
            text = f"the call of the synchronous task {call.task.name} was never awaited: {_remedy(call)}"
            warnings.warn_explicit(text, RuntimeWarning, *call.place)

    def __repr__(self) -> str:
        call = self._call
        if call.coroutine is not None:
            return f"<call of the synchronous task {call.task.name}, awaited already>"
        return f"<call of the synchronous task {call.task.name} that was not awaited: {_remedy(call)}>"

    # Everything else would be a use of the result.

    def __bool__(self) -> bool:
        # From Python 3.12 on, asyncio shows a task by asking whether there is anything that it runs.
        if not sys._getframe(1).f_globals.get("__name__", "").startswith("asyncio."):
            refuse(self, "the truth of its result was asked for")
        return True

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith(("_", *_COROUTINE_FACTS)):
            raise AttributeError(name)
        refuse(self, f"attribute {name!r} of its result was asked for")

    def __setattr__(self, name: str, value: object) -> None:
        refuse(self, f"attribute {name!r} of its result was set")

    def __delattr__(self, name: str) -> None:
        refuse(self, f"attribute {name!r} of its result was deleted")


def _begun(pending: PendingCall) -> Coroutine[Any, Any, Any]:
    call = pending._call
    if call.coroutine is None:
        call.coroutine = call.task.aio(*call.args, **call.kwargs)
        call.args, call.kwargs = (), {}
    return call.coroutine


def _remedy(call: _Call) -> str:
    return f"write `await {_short(call)}(...)`"


def _short(call: _Call) -> str:
    return call.task.name.rpartition(".")[2]


def refuse(pending: PendingCall, what: str) -> NoReturn:
    """Say that a call was taken for its result.

    Args:
        what: What was done with it, as the middle of a sentence.

    Raises:
        SyncTaskCallInAsyncContextError: Always.
    """
    call = pending._call
    call.is_told = True
    if call.coroutine is not None:
        raise SyncTaskCallInAsyncContextError(
            f"The call of the synchronous task {call.task.name} was awaited, and afterwards {what}: the result is what "
            f"the await gave. Keep that: `result = await {_short(call)}(...)`."
        )
    raise SyncTaskCallInAsyncContextError(
        f"The synchronous task {call.task.name} was called on a running event loop, and {what} before the call was "
        f"awaited: {_remedy(call)}."
    )


def refuse_pending(values: Iterable[Any], what: str) -> None:
    """Refuse calls among values that are about to be sent.

    Raises:
        SyncTaskCallInAsyncContextError: One of them is a `PendingCall`.
    """
    for value in values:
        if type(value) is PendingCall:
            refuse(value, what)


def _refusing(what: str) -> Callable[..., NoReturn]:
    def method(self: PendingCall, *args: object) -> NoReturn:
        refuse(self, what)

    return method


def _named(names: str) -> list[str]:
    return [f"__{name}__" for name in names.split()]


_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or"

_USES = {
    "an item of its result was asked for": _named("getitem setitem delitem contains reversed len length_hint"),
    "its result was iterated over": _named("iter aiter"),
    "its result was called": _named("call"),
    "its result was used in `with`": _named("enter exit aenter aexit"),
    "its result was compared": _named("eq ne lt le gt ge"),
    "its result was used in arithmetic": [
        *(f"__{prefix}{name}__" for name in _BINARY.split() for prefix in ("", "r", "i") if prefix + name != "idivmod"),
        *_named("neg pos abs invert round trunc floor ceil int float complex index"),
    ],
    "its result was made into text": _named("str format bytes fspath"),
    "its result was copied or pickled": _named("copy deepcopy reduce reduce_ex"),
}
"""What is done with a result → the methods behind it. Not `__next__`: asyncio drives what has one by it."""

for _what, _methods in _USES.items():
    for _method in _methods:
        setattr(PendingCall, _method, _refusing(_what))
